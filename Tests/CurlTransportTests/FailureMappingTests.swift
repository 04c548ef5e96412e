// libcurl's codes become reasons, and what one means depends on what had happened before.

import CCurl
import Testing

@testable import CurlTransport

@Suite struct FailureMappingTests {
    @Test("before the send nothing but the connection can be at fault")
    func beforeSend() {
        let codes: [(CURLcode, TransferFailure.Reason)] = [
            (CURLE_COULDNT_RESOLVE_HOST, .nameNotResolved), (CURLE_COULDNT_CONNECT, .unreachable),
            (CURLE_OPERATION_TIMEDOUT, .timeoutConnect), (CURLE_SSL_CONNECT_ERROR, .unreachable),
            (CURLE_RECV_ERROR, .unreachable), (CURLE_SEND_ERROR, .unreachable),
            (CURLE_PEER_FAILED_VERIFICATION, .notTrusted), (CURLE_OUT_OF_MEMORY, .internalError),
        ]
        for (code, reason) in codes {
            #expect(TransferFailure.Reason(curlCode: code, sent: false, headReceived: false) == reason)
        }
    }

    @Test("after the send a broken connection is broken before the head and truncated after it")
    func afterSend() {
        let codes = [
            CURLE_GOT_NOTHING, CURLE_RECV_ERROR, CURLE_SEND_ERROR, CURLE_HTTP2, CURLE_HTTP2_STREAM, CURLE_PARTIAL_FILE,
            CURLE_SEND_FAIL_REWIND,
        ]
        for code in codes {
            #expect(TransferFailure.Reason(curlCode: code, sent: true, headReceived: false) == .broke)
            #expect(TransferFailure.Reason(curlCode: code, sent: true, headReceived: true) == .truncated)
        }
        #expect(
            TransferFailure.Reason(curlCode: CURLE_WEIRD_SERVER_REPLY, sent: true, headReceived: false)
                == .invalidResponse)
    }

    @Test("what libcurl finds in a head after the send is the answer's fault, before it a fault of ours")
    func malformedHeads() {
        for code in [
            CURLE_BAD_FUNCTION_ARGUMENT, CURLE_OUT_OF_MEMORY, CURLE_WEIRD_SERVER_REPLY, CURLE_UNSUPPORTED_PROTOCOL,
        ] {
            #expect(TransferFailure.Reason(curlCode: code, sent: true, headReceived: false) == .invalidResponse)
            #expect(TransferFailure.Reason(curlCode: code, sent: false, headReceived: false) == .internalError)
        }
    }
}
