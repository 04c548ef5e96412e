// libcurl's handles as types that cannot be mixed up, and the pool of easy handles.
// A reset handle keeps its connection-independent memory; TLS sessions live in a share object, so that any handle
// resumes any session. Everything here belongs to the curl thread, except `wakeup`.

import CCurl

/// The multi handle.
///
/// `@unchecked Sendable`: other threads only call `wakeup`, which libcurl allows at any time; `Inbox` keeps them off a
/// handle that has been freed.
struct MultiHandle: @unchecked Sendable {
    let raw: UnsafeMutableRawPointer

    func wakeup() {
        curl_multi_wakeup(self.raw)
    }
}

/// One easy handle with the memory that libcurl writes its error text to.
final class EasyHandle {
    let raw: UnsafeMutableRawPointer
    let errorText: UnsafeMutablePointer<CChar>

    init?(share: UnsafeMutableRawPointer) {
        guard let raw = curl_easy_init() else { return nil }
        self.raw = raw
        self.errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
        self.errorText[0] = 0
        ccurl_set_pointer(raw, CURLOPT_SHARE, share)
    }

    deinit {
        curl_easy_cleanup(self.raw)
        self.errorText.deallocate()
    }

    /// What libcurl said about the last failure, or its general words for `code`.
    func errorDescription(_ code: CURLcode) -> String {
        self.errorText[0] != 0 ? String(cString: self.errorText) : String(cString: curl_easy_strerror(code))
    }
}

/// Reset easy handles, the last used first.
struct HandlePool {
    private let capacity: Int
    private let share: UnsafeMutableRawPointer
    private var handles: [EasyHandle] = []

    init?(capacity: Int) {
        guard let share = curl_share_init() else { return nil }
        guard ccurl_share_data(share, CURL_LOCK_DATA_SSL_SESSION) == CURLSHE_OK else {
            curl_share_cleanup(share)
            return nil
        }
        self.share = share
        self.capacity = capacity
    }

    var count: Int { self.handles.count }

    mutating func take() -> EasyHandle? {
        self.handles.popLast() ?? EasyHandle(share: self.share)
    }

    mutating func put(_ handle: EasyHandle) {
        guard self.handles.count < self.capacity else { return }
        curl_easy_reset(handle.raw)
        handle.errorText[0] = 0
        self.handles.append(handle)
    }

    /// Frees handles and share; all transfers must be over.
    mutating func close() {
        self.handles = []
        curl_share_cleanup(self.share)
    }
}
