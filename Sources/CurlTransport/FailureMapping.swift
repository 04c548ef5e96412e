// The meaning of libcurl's result codes. What one code means depends on whether the request was sent and whether a
// head had arrived: a broken connection before the send may be tried again, after it nobody knows what the server did.

import CCurl

extension TransferFailure.Reason {
    /// The reason for a failed transfer that we did not end ourselves.
    init(curlCode: CURLcode, sent: Bool, headReceived: Bool) {
        switch curlCode {
        case CURLE_COULDNT_RESOLVE_HOST:
            self = .nameNotResolved
        case CURLE_COULDNT_CONNECT, CURLE_SSL_CONNECT_ERROR:
            self = sent ? .broke : .unreachable
        case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_INVALIDCERTSTATUS,
            CURLE_SSL_CACERT_BADFILE:
            self = .notTrusted
        case CURLE_OPERATION_TIMEDOUT:
            self = sent ? (headReceived ? .timeoutStall : .timeoutFirstByte) : .timeoutConnect
        case CURLE_PARTIAL_FILE, CURLE_GOT_NOTHING, CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_HTTP2,
            CURLE_HTTP2_STREAM, CURLE_SEND_FAIL_REWIND:
            self = sent ? (headReceived ? .truncated : .broke) : .unreachable
        case CURLE_WEIRD_SERVER_REPLY, CURLE_UNSUPPORTED_PROTOCOL, CURLE_BAD_CONTENT_ENCODING,
            // A head line that libcurl cannot take apart, and one longer than it takes.
            CURLE_BAD_FUNCTION_ARGUMENT, CURLE_OUT_OF_MEMORY:
            self = sent ? .invalidResponse : .internalError
        case CURLE_URL_MALFORMAT:
            self = .invalidRequest
        default:
            self = .internalError
        }
    }
}
