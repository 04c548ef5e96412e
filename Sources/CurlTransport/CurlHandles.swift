// libcurl's handles as types that cannot be mixed up. Everything here belongs to the curl thread, except `wakeup`.
// Each transfer has an easy handle of its own and none is used twice: `curl_easy_reset` puts back the options, not what
// a transfer left behind. In 7.88 that is, among others, a pointer to the last header field of the answer before, which
// has been freed and into which a folded first line is written, and the note that a stream was refused.

import CCurl

/// The multi handle.
///
/// `@unchecked Sendable`: other threads only call `wakeup`, which libcurl allows at any time; `Inbox` keeps them off a
/// handle that has been freed.
///
/// `@safe`: whoever uses `raw` says so.
@safe struct MultiHandle: @unchecked Sendable {
    let raw: UnsafeMutableRawPointer

    func wakeup() {
        unsafe curl_multi_wakeup(self.raw)
    }
}

/// The easy handle of one transfer with the memory that libcurl writes its error text to.
///
/// `@safe`: both live as long as this does, and whoever uses them says so.
@safe final class EasyHandle {
    let raw: UnsafeMutableRawPointer
    let errorText: UnsafeMutablePointer<CChar>

    fileprivate init?(share: UnsafeMutableRawPointer) {
        guard let raw = unsafe curl_easy_init() else { return nil }
        unsafe self.raw = raw
        unsafe self.errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
        unsafe self.errorText[0] = 0
        unsafe ccurl_set_pointer(raw, CURLOPT_SHARE, share)
    }

    deinit {
        unsafe curl_easy_cleanup(self.raw)
        unsafe self.errorText.deallocate()
    }

    /// What libcurl said about the last failure, or its general words for `code`.
    func errorDescription(_ code: CURLcode) -> String {
        unsafe self.errorText[0] != 0 ? String(cString: self.errorText) : String(cString: curl_easy_strerror(code))
    }
}

/// The TLS sessions of all easy handles, so that any connection resumes any session. Names and connections are kept by
/// the multi handle anyway. libcurl asks for locks only where several threads use a share.
///
/// `@safe`: the handle is nobody else's, and `close` is the last that is done with it.
@safe struct ShareHandle {
    private let raw: UnsafeMutableRawPointer

    init?() {
        guard let raw = unsafe curl_share_init() else { return nil }
        guard unsafe ccurl_share_data(raw, CURL_LOCK_DATA_SSL_SESSION) == CURLSHE_OK else {
            unsafe curl_share_cleanup(raw)
            return nil
        }
        unsafe self.raw = raw
    }

    func makeHandle() -> EasyHandle? {
        unsafe EasyHandle(share: self.raw)
    }

    /// All handles must be gone.
    func close() {
        unsafe curl_share_cleanup(self.raw)
    }
}
