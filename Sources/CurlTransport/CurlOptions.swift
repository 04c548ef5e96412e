// Every option of a transfer, set from here on a new handle, each with its reason.
// Never set: SEEKFUNCTION (lets libcurl repeat a body silently), VERBOSE without a DEBUGFUNCTION (prints the token),
// cookies, netrc, alt-svc, ACCEPT_ENCODING (see Inflater).

import CCurl
import Ground
import HTTPTypes

/// The options that are the same for all transfers, and how to put one together.
struct CurlOptions {
    private let configuration: CurlTransport.Configuration
    var proxy: OutgoingProxy? { self.configuration.proxy }
    private let connectMilliseconds: Int

    init(_ configuration: CurlTransport.Configuration) {
        self.configuration = configuration
        self.connectMilliseconds = Int(max(1, configuration.connectTimeout.nanoseconds / 1_000_000))
    }

    func apply(to handle: EasyHandle, for transfer: Transfer) {
        let easy = handle.raw
        self.setTarget(easy, transfer.request)
        self.setBody(easy, transfer.request)
        self.setProxy(easy)
        self.setTrust(easy)
        self.setConnection(easy)
        Self.setCallbacks(easy, transfer)
        if self.configuration.http2 { Self.setStreams(easy, transfer) }
        if transfer.purpose == .connection {
            // An old connection says nothing about the server, and waiting for one that others make even less.
            ccurl_set_long(easy, CURLOPT_FRESH_CONNECT, 1)
            ccurl_set_long(easy, CURLOPT_FORBID_REUSE, 1)
            ccurl_set_long(easy, CURLOPT_PIPEWAIT, 0)
        }
        ccurl_set_list(easy, CURLOPT_HTTPHEADER, transfer.headers.first)
        ccurl_set_pointer(easy, CURLOPT_ERRORBUFFER, handle.errorText)
    }

    private func setTarget(_ easy: UnsafeMutableRawPointer, _ request: UpstreamRequest) {
        // The URL names the server only; the target goes out raw, because libcurl rewrites paths in URLs.
        ccurl_set_string(easy, CURLOPT_URL, request.origin.url)
        ccurl_set_string(easy, CURLOPT_REQUEST_TARGET, request.target)
        ccurl_set_long(easy, CURLOPT_PATH_AS_IS, 1)
        ccurl_set_long(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1)
        ccurl_set_string(easy, CURLOPT_PROTOCOLS_STR, request.origin.scheme.rawValue)
        ccurl_set_string(easy, CURLOPT_REDIR_PROTOCOLS_STR, request.origin.scheme.rawValue)
        // A redirect is the caller's business and would carry the token to another host.
        ccurl_set_long(easy, CURLOPT_FOLLOWLOCATION, 0)
        ccurl_set_long(
            easy, CURLOPT_HTTP_VERSION,
            self.configuration.http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1)
        // Without it, requests that start together open a connection each instead of sharing one.
        ccurl_set_long(easy, CURLOPT_PIPEWAIT, self.configuration.http2 ? 1 : 0)
    }

    private func setProxy(_ easy: UnsafeMutableRawPointer) {
        // What a proxy says to CONNECT is no answer of the server's.
        ccurl_set_long(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
        guard let proxy = self.configuration.proxy else {
            // http_proxy and its like in the environment must not decide where the token goes.
            ccurl_set_string(easy, CURLOPT_PROXY, "")
            return
        }
        ccurl_set_string(easy, CURLOPT_PROXY, proxy.origin.url)
        // Nor must no_proxy.
        ccurl_set_string(easy, CURLOPT_NOPROXY, "")
        // A tunnel for http:// too: the proxy sees names of servers, never a token.
        ccurl_set_long(easy, CURLOPT_HTTPPROXYTUNNEL, 1)
        ccurl_set_long(easy, CURLOPT_HEADEROPT, Int(CURLHEADER_SEPARATE))
        guard let credentials = proxy.credentials else { return }
        ccurl_set_long(easy, CURLOPT_PROXYAUTH, Self.basic)
        ccurl_set_string(easy, CURLOPT_PROXYUSERNAME, credentials.user)
        ccurl_set_string(easy, CURLOPT_PROXYPASSWORD, credentials.password)
    }

    /// `CURLAUTH_BASIC`, whose cast Swift does not read.
    private static let basic = 1

    private func setBody(_ easy: UnsafeMutableRawPointer, _ request: UpstreamRequest) {
        if request.method == .head {
            ccurl_set_long(easy, CURLOPT_NOBODY, 1)
            return
        }
        let length = request.uploadLength
        let saysZero = request.method == .post || request.method == .put || request.method == .patch
        if length != 0 || saysZero {
            // UPLOAD for every method: POST would add a form Content-Type of its own.
            ccurl_set_long(easy, CURLOPT_UPLOAD, 1)
            ccurl_set_offset(easy, CURLOPT_INFILESIZE_LARGE, curl_off_t(length ?? -1))
            ccurl_set_string(easy, CURLOPT_CUSTOMREQUEST, request.method.rawValue)
        } else if request.method != .get {
            ccurl_set_string(easy, CURLOPT_CUSTOMREQUEST, request.method.rawValue)
        }
    }

    private func setTrust(_ easy: UnsafeMutableRawPointer) {
        ccurl_set_long(easy, CURLOPT_SSL_VERIFYPEER, 1)
        ccurl_set_long(easy, CURLOPT_SSL_VERIFYHOST, 2)
        ccurl_set_long(easy, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2)
        if let file = self.configuration.caFile {
            // In addition to the system's folder of certificates, which OpenSSL looks into only as needed.
            ccurl_set_string(easy, CURLOPT_CAINFO, file)
        } else {
            // The system's bundle alone: with a folder as well libcurl would parse the bundle for each connection
            // instead of keeping it.
            ccurl_set_string(easy, CURLOPT_CAPATH, nil)
        }
    }

    private func setConnection(_ easy: UnsafeMutableRawPointer) {
        // No signals: they belong to the process. SIGPIPE is ignored process-wide instead.
        ccurl_set_long(easy, CURLOPT_NOSIGNAL, 1)
        // Else removing a transfer while its name resolves waits for the resolver, and with it every other transfer.
        ccurl_set_long(easy, CURLOPT_QUICK_EXIT, 1)
        ccurl_set_long(easy, CURLOPT_CONNECTTIMEOUT_MS, self.connectMilliseconds)
        // Idle connections are dropped before a server would: a request on a dying connection is the one whose
        // outcome nobody knows. A limited life follows changes of the address.
        ccurl_set_long(easy, CURLOPT_MAXAGE_CONN, 50)
        ccurl_set_long(easy, CURLOPT_MAXLIFETIME_CONN, 300)
        ccurl_set_long(easy, CURLOPT_TCP_KEEPALIVE, 1)
        ccurl_set_long(easy, CURLOPT_BUFFERSIZE, 64 * 1024)
    }

    private static func setStreams(_ easy: UnsafeMutableRawPointer, _ transfer: Transfer) {
        // Whether the server refused a stream is only said aloud (see StreamNews).
        ccurl_set_debug_callback(easy, debugCallback)
        ccurl_set_pointer(easy, CURLOPT_DEBUGDATA, Unmanaged.passUnretained(transfer).toOpaque())
        ccurl_set_long(easy, CURLOPT_VERBOSE, 1)
        if !transfer.request.isSafe {
            // And not on a connection that has served others. Of a change it must be known, so it pays a handshake.
            ccurl_set_long(easy, CURLOPT_FRESH_CONNECT, 1)
            ccurl_set_long(easy, CURLOPT_FORBID_REUSE, 1)
        }
    }

    private static func setCallbacks(_ easy: UnsafeMutableRawPointer, _ transfer: Transfer) {
        let data = Unmanaged.passUnretained(transfer).toOpaque()
        ccurl_set_pointer(easy, CURLOPT_PRIVATE, data)
        ccurl_set_data_callback(easy, CURLOPT_HEADERFUNCTION, headerCallback)
        ccurl_set_pointer(easy, CURLOPT_HEADERDATA, data)
        ccurl_set_data_callback(easy, CURLOPT_WRITEFUNCTION, writeCallback)
        ccurl_set_pointer(easy, CURLOPT_WRITEDATA, data)
        ccurl_set_data_callback(easy, CURLOPT_READFUNCTION, readCallback)
        ccurl_set_pointer(easy, CURLOPT_READDATA, data)
        ccurl_set_prereq_callback(easy, prereqCallback)
        ccurl_set_pointer(easy, CURLOPT_PREREQDATA, data)
        ccurl_set_opensocket_callback(easy, openSocketCallback)
        ccurl_set_pointer(easy, CURLOPT_OPENSOCKETDATA, data)
        // A socket outlives the transfer that opened it, so closing is told to the loop.
        ccurl_set_closesocket_callback(easy, closeSocketCallback)
        ccurl_set_pointer(easy, CURLOPT_CLOSESOCKETDATA, Unmanaged.passUnretained(transfer.loop).toOpaque())
    }
}
