// What a failed transfer means for the request: try again, or which failure of ours. One table.

import CurlTransport
import Tokens

/// What kind of call failed.
struct CallTraits {
    /// GET, HEAD, OPTIONS: sending it again changes nothing (RFC 9110, 9.2.1).
    var isSafe: Bool
    /// The whole body is in memory, or there is none.
    var bodyIsReplayable: Bool
}

/// What to do about a failed transfer.
enum TransferVerdict {
    /// It may be sent again; the failure is the answer when no more tries are left.
    ///
    /// - Parameter isFree: it draws on no budget, because it surely was not carried out and no outage makes many of it.
    case retry(otherwise: Failure, isFree: Bool)
    case fail(Failure)
    case callerLeft
}

extension TransferFailure {
    /// Judges by two facts: whether upstream may have got the request, and whether it matters if it did.
    func verdict(_ call: CallTraits) -> TransferVerdict {
        switch reason {
        case .cancelled: return .callerLeft
        case .bodyFailed:
            return .fail(.invalid("The request body broke off."))
        case .invalidRequest:
            return .fail(
                Failure(.invalidRequest, "The request can not be forwarded: \(detail)", detail: detail))
        default: break
        }
        if sent, !call.isSafe { return .fail(outcomeUnknown) }
        let failure = visibleFailure
        let isConnectionFailure = [.unreachable, .nameNotResolved, .refused, .broke, .repeatRefused].contains(reason)
        guard isConnectionFailure, !headReceived, call.bodyIsReplayable, call.isSafe || !sent else {
            return .fail(failure)
        }
        return .retry(otherwise: failure, isFree: reason == .refused || !call.isSafe)
    }

    private var logDetail: String { "\(reason.rawValue) curl=\(curlCode) \(detail)" }

    private var outcomeUnknown: Failure {
        Failure(
            .outcomeUnknown,
            "The call was sent and no answer came, so it may or may not have been carried out. "
                + "Read the object before you send it again.", detail: logDetail)
    }

    private var visibleFailure: Failure {
        switch reason {
        case .notTrusted:
            Failure(
                .upstreamNotTrusted,
                "Upstream's TLS certificate is not trusted (upstream.ca_file adds a certificate authority).",
                detail: logDetail)
        case .timeoutFirstByte:
            Failure(
                .upstreamTimeout, "Upstream did not answer within upstream.first_byte_timeout.", detail: logDetail)
        case .timeoutStall:
            Failure(.upstreamTimeout, "Upstream stopped in the middle (upstream.stall_timeout).", detail: logDetail)
        case .refused:
            Failure(
                .upstreamUnreachable, "Upstream refused the call and did not carry it out; send it again.",
                detail: logDetail)
        case .nameNotResolved:
            Failure(.upstreamUnreachable, "Upstream's host name can not be resolved.", detail: logDetail)
        case .shutdown: .shuttingDown(detail: detail)
        case .internalError where !sent:
            Failure(.internalError, "The proxy failed inside; see its log.", detail: logDetail)
        case .truncated, .invalidResponse, .internalError:
            Failure(
                .upstreamInvalidResponse, "Upstream's answer was cut off or is not valid HTTP.", detail: logDetail)
        default:
            Failure(
                .upstreamUnreachable, "Upstream can not be reached, or it closed the connection without an answer.",
                detail: logDetail)
        }
    }
}

extension Failure {
    static func shuttingDown(detail: String = "") -> Failure {
        Failure(.shuttingDown, "The proxy is shutting down.", retryAfter: .seconds(5), detail: detail)
    }

    /// A token is under way, and the call cannot wait for it any longer.
    static let tokenTooLate = Failure(
        .rateLimited, "The call would have to wait for a token longer than it may.", retryAfter: .seconds(1),
        detail: "token-wait")

    /// There is no token to be had.
    init(_ failure: TokenFailure) {
        self.init(
            .tokenUnavailable, "No upstream token: \(failure.message).", retryAfter: failure.retryAfter,
            detail: failure.reason.rawValue)
    }
}
