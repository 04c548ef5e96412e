// Every option of a transfer, set from here on a new handle, each with its reason.
// Never set: SEEKFUNCTION (lets libcurl repeat a body silently), VERBOSE without a DEBUGFUNCTION (prints the token),
// cookies, netrc, alt-svc, ACCEPT_ENCODING (see Inflater).

import CCurl
import Ground
import HTTPTypes

/// The options that are the same for all transfers, and how to put one together.
struct CurlOptions {
    private let configuration: CurlTransport.Configuration
    /// The proxy that a request goes through; nil: none.
    func proxy(for request: UpstreamRequest) -> OutgoingProxy? { request.isDirect ? nil : self.configuration.proxy }
    private let connectMilliseconds: Int

    init(_ configuration: CurlTransport.Configuration) {
        self.configuration = configuration
        self.connectMilliseconds = Int(max(1, configuration.connectTimeout.nanoseconds / 1_000_000))
    }

    func apply(to handle: EasyHandle, for transfer: Transfer) {
        let easy = unsafe handle.raw
        unsafe self.setTarget(easy, transfer.request)
        unsafe self.setBody(easy, transfer.request)
        unsafe self.setProxy(easy, transfer.request)
        unsafe self.setTrust(easy)
        unsafe self.setConnection(easy)
        unsafe Self.setCallbacks(easy, transfer)
        if self.configuration.http2 { unsafe Self.setStreams(easy, transfer) }
        if transfer.purpose == .connection {
            // An old connection says nothing about the server, and waiting for one that others make even less.
            unsafe ccurl_set_long(easy, CURLOPT_FRESH_CONNECT, 1)
            unsafe ccurl_set_long(easy, CURLOPT_FORBID_REUSE, 1)
            unsafe ccurl_set_long(easy, CURLOPT_PIPEWAIT, 0)
        }
        unsafe ccurl_set_list(easy, CURLOPT_HTTPHEADER, transfer.headers.first)
        unsafe ccurl_set_pointer(easy, CURLOPT_ERRORBUFFER, handle.errorText)
    }

    private func setTarget(_ easy: UnsafeMutableRawPointer, _ request: UpstreamRequest) {
        // The URL names the server only; the target goes out raw, because libcurl rewrites paths in URLs.
        unsafe ccurl_set_string(easy, CURLOPT_URL, request.origin.url)
        unsafe ccurl_set_string(easy, CURLOPT_REQUEST_TARGET, request.target)
        unsafe ccurl_set_long(easy, CURLOPT_PATH_AS_IS, 1)
        unsafe ccurl_set_long(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1)
        unsafe ccurl_set_string(easy, CURLOPT_PROTOCOLS_STR, request.origin.scheme.rawValue)
        unsafe ccurl_set_string(easy, CURLOPT_REDIR_PROTOCOLS_STR, request.origin.scheme.rawValue)
        // A redirect is the caller's business and would carry the token to another host.
        unsafe ccurl_set_long(easy, CURLOPT_FOLLOWLOCATION, 0)
        unsafe ccurl_set_long(
            easy, CURLOPT_HTTP_VERSION,
            self.configuration.http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1)
        // Without it, requests that start together open a connection each instead of sharing one.
        unsafe ccurl_set_long(easy, CURLOPT_PIPEWAIT, self.configuration.http2 ? 1 : 0)
    }

    private func setProxy(_ easy: UnsafeMutableRawPointer, _ request: UpstreamRequest) {
        // What a proxy says to CONNECT is no answer of the server's.
        unsafe ccurl_set_long(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
        guard let proxy = self.proxy(for: request) else {
            // http_proxy and its like in the environment must not decide where the token goes.
            unsafe ccurl_set_string(easy, CURLOPT_PROXY, "")
            return
        }
        unsafe ccurl_set_string(easy, CURLOPT_PROXY, proxy.origin.url)
        // Nor must no_proxy.
        unsafe ccurl_set_string(easy, CURLOPT_NOPROXY, "")
        // A tunnel for http:// too: the proxy sees names of servers, never a token.
        unsafe ccurl_set_long(easy, CURLOPT_HTTPPROXYTUNNEL, 1)
        unsafe ccurl_set_long(easy, CURLOPT_HEADEROPT, Int(CURLHEADER_SEPARATE))
        guard let credentials = proxy.credentials else { return }
        unsafe ccurl_set_long(easy, CURLOPT_PROXYAUTH, Self.basic)
        unsafe ccurl_set_string(easy, CURLOPT_PROXYUSERNAME, credentials.user)
        unsafe ccurl_set_string(easy, CURLOPT_PROXYPASSWORD, credentials.password)
    }

    /// `CURLAUTH_BASIC`, whose cast Swift does not read.
    private static let basic = 1

    private func setBody(_ easy: UnsafeMutableRawPointer, _ request: UpstreamRequest) {
        if request.method == .head {
            unsafe ccurl_set_long(easy, CURLOPT_NOBODY, 1)
            return
        }
        let length = request.uploadLength
        let saysZero = request.method == .post || request.method == .put || request.method == .patch
        if length != 0 || saysZero {
            // UPLOAD for every method: POST would add a form Content-Type of its own.
            unsafe ccurl_set_long(easy, CURLOPT_UPLOAD, 1)
            unsafe ccurl_set_offset(easy, CURLOPT_INFILESIZE_LARGE, curl_off_t(length))
            unsafe ccurl_set_string(easy, CURLOPT_CUSTOMREQUEST, request.method.rawValue)
        } else if request.method != .get {
            unsafe ccurl_set_string(easy, CURLOPT_CUSTOMREQUEST, request.method.rawValue)
        }
    }

    private func setTrust(_ easy: UnsafeMutableRawPointer) {
        unsafe ccurl_set_long(easy, CURLOPT_SSL_VERIFYPEER, 1)
        unsafe ccurl_set_long(easy, CURLOPT_SSL_VERIFYHOST, 2)
        unsafe ccurl_set_long(easy, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2)
        if let file = self.configuration.caFile {
            // In addition to the system's folder of certificates, which OpenSSL looks into only as needed.
            unsafe ccurl_set_string(easy, CURLOPT_CAINFO, file)
        } else {
            // The system's bundle alone: with a folder as well libcurl would parse the bundle for each connection
            // instead of keeping it.
            unsafe ccurl_set_string(easy, CURLOPT_CAPATH, nil)
        }
    }

    private func setConnection(_ easy: UnsafeMutableRawPointer) {
        // No signals: they belong to the process. SIGPIPE is ignored process-wide instead.
        unsafe ccurl_set_long(easy, CURLOPT_NOSIGNAL, 1)
        // Else removing a transfer while its name resolves waits for the resolver, and with it every other transfer.
        unsafe ccurl_set_long(easy, CURLOPT_QUICK_EXIT, 1)
        unsafe ccurl_set_long(easy, CURLOPT_CONNECTTIMEOUT_MS, self.connectMilliseconds)
        // Idle connections are dropped before a server would: a request on a dying connection is the one whose
        // outcome nobody knows. A limited life follows changes of the address.
        unsafe ccurl_set_long(easy, CURLOPT_MAXAGE_CONN, 50)
        unsafe ccurl_set_long(easy, CURLOPT_MAXLIFETIME_CONN, 300)
        unsafe ccurl_set_long(easy, CURLOPT_TCP_KEEPALIVE, 1)
        unsafe ccurl_set_long(easy, CURLOPT_BUFFERSIZE, 64 * 1024)
    }

    private static func setStreams(_ easy: UnsafeMutableRawPointer, _ transfer: Transfer) {
        // Whether the server refused a stream is only said aloud (see StreamNews).
        unsafe ccurl_set_debug_callback(easy, debugCallback)
        unsafe ccurl_set_pointer(easy, CURLOPT_DEBUGDATA, Unmanaged.passUnretained(transfer).toOpaque())
        unsafe ccurl_set_long(easy, CURLOPT_VERBOSE, 1)
        if !transfer.request.isSafe {
            // And not on a connection that has served others. Of a change it must be known, so it pays a handshake.
            unsafe ccurl_set_long(easy, CURLOPT_FRESH_CONNECT, 1)
            unsafe ccurl_set_long(easy, CURLOPT_FORBID_REUSE, 1)
        }
    }

    private static func setCallbacks(_ easy: UnsafeMutableRawPointer, _ transfer: Transfer) {
        let data = unsafe Unmanaged.passUnretained(transfer).toOpaque()
        unsafe ccurl_set_pointer(easy, CURLOPT_PRIVATE, data)
        unsafe ccurl_set_data_callback(easy, CURLOPT_HEADERFUNCTION, headerCallback)
        unsafe ccurl_set_pointer(easy, CURLOPT_HEADERDATA, data)
        unsafe ccurl_set_data_callback(easy, CURLOPT_WRITEFUNCTION, writeCallback)
        unsafe ccurl_set_pointer(easy, CURLOPT_WRITEDATA, data)
        unsafe ccurl_set_data_callback(easy, CURLOPT_READFUNCTION, readCallback)
        unsafe ccurl_set_pointer(easy, CURLOPT_READDATA, data)
        unsafe ccurl_set_prereq_callback(easy, prereqCallback)
        unsafe ccurl_set_pointer(easy, CURLOPT_PREREQDATA, data)
        unsafe ccurl_set_opensocket_callback(easy, openSocketCallback)
        unsafe ccurl_set_pointer(easy, CURLOPT_OPENSOCKETDATA, data)
        // A socket outlives the transfer that opened it, so closing is told to the loop.
        unsafe ccurl_set_closesocket_callback(easy, closeSocketCallback)
        unsafe ccurl_set_pointer(easy, CURLOPT_CLOSESOCKETDATA, Unmanaged.passUnretained(transfer.loop).toOpaque())
    }
}
