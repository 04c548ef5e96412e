// Which failure the errors of the rooms below are. One place for all of them.

import Audit
import CurlTransport
import Edge
import RateLimiting
import Tokens

/// What kind of call failed.
struct CallTraits {
    /// GET, HEAD, OPTIONS: sending it again changes nothing (RFC 9110, 9.2.1).
    var isSafe: Bool
}

extension Failure {
    /// What a failed transfer means for its request; nil when the transfer was given up from our side. Judged by two
    /// facts: whether upstream may have got the request, and whether it matters if it did.
    init?(_ transfer: TransferFailure, _ call: CallTraits) {
        switch transfer.reason {
        case .cancelled: return nil
        case .invalidRequest:
            self.init(
                .invalidRequest, "The request cannot be forwarded: \(transfer.detail)", detail: transfer.detail)
        case _ where transfer.sent && !call.isSafe: self = transfer.outcomeUnknown
        default:
            self = transfer.visibleFailure
            repetition = transfer.repetition(call)
        }
        wasSent = transfer.sent
    }
}

extension Failure {
    /// What the edge could not take, or the rest of a body that cannot be had.
    init(_ wire: WireFailure) {
        self.init(wire.reason.failureReason, wire.message, target: wire.target)
        if wire.reason == .shuttingDown { self = .shuttingDown() }
    }
}

extension WireFailure.Reason {
    fileprivate var failureReason: FailureReason {
        switch self {
        case .invalid: .invalidRequest
        case .methodNotAllowed: .methodNotAllowed
        case .methodNotImplemented: .methodNotImplemented
        case .versionNotSupported: .versionNotSupported
        case .timeout: .requestTimeout
        case .bodyTooLarge: .bodyTooLarge
        case .targetTooLong: .targetTooLong
        case .headersTooLarge: .headersTooLarge
        case .shuttingDown: .shuttingDown
        }
    }
}

extension TransferFailure {
    fileprivate func repetition(_ call: CallTraits) -> Repetition {
        guard Self.ofConnections.contains(reason), !headReceived, call.isSafe || !sent else {
            return .unwise
        }
        return reason == .refused || !call.isSafe ? .free : .budgeted
    }

    /// The connection is to blame, and another one may do.
    private static let ofConnections: Set<Reason> = [
        .unreachable, .timeoutConnect, .nameNotResolved, .proxyUnreachable, .proxySilent, .refused, .broke,
        .repeatRefused,
    ]

    private var logDetail: String { "\(reason.rawValue) curl=\(curlCode) \(detail)" }

    fileprivate var outcomeUnknown: Failure {
        Failure(
            .outcomeUnknown,
            "The call was sent and no answer came, so it may or may not have been carried out. "
                + "Read the object before you send it again.", detail: logDetail)
    }

    fileprivate var visibleFailure: Failure {
        switch reason {
        case .notTrusted:
            Failure(
                .upstreamNotTrusted,
                "Upstream's TLS certificate is not trusted (upstream.ca_file adds a certificate authority).",
                detail: logDetail)
        case .timeoutConnect:
            Failure(
                .upstreamTimeout, "Upstream did not answer an attempt to connect within upstream.connect_timeout.",
                retryAfter: .seconds(1), detail: logDetail)
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
            Failure(
                .upstreamUnreachable, "Upstream's host name cannot be resolved.", retryAfter: .seconds(1),
                detail: logDetail)
        case .unreachable:
            Failure(.upstreamUnreachable, "Upstream cannot be reached.", retryAfter: .seconds(1), detail: logDetail)
        case .proxyRefused, .proxyUnreachable:
            Failure(
                .upstreamUnreachable, "There is no way to upstream (upstream.proxy): \(detail).",
                retryAfter: .seconds(1), detail: logDetail)
        case .proxySilent:
            Failure(
                .upstreamTimeout,
                "There is no way to upstream (upstream.proxy) within upstream.connect_timeout: \(detail).",
                retryAfter: .seconds(1), detail: logDetail)
        case .shutdown: .shuttingDown(detail: detail)
        case .internalError where !sent:
            Failure(.internalError, "The proxy failed inside; see its log.", detail: logDetail)
        case .truncated, .invalidResponse, .internalError:
            Failure(
                .upstreamInvalidResponse, "Upstream's answer was cut off or is not valid HTTP.", detail: logDetail)
        default:
            Failure(
                .upstreamUnreachable, "Upstream cannot be reached, or it closed the connection without an answer.",
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

    /// The gate let a call not through that asked so; nil when its tool has left.
    init?(_ refusal: Gate.Refusal, _ turn: GateRequest) {
        let wait = refusal.retryAfter ?? .seconds(1)
        switch refusal.reason {
        case .cancelled: return nil
        case .places where turn.isLong: self = .tooManyLong
        case .queueFull:
            self.init(.queueFull, "The proxy has too many calls waiting for upstream.", retryAfter: wait)
        case .deadline:
            self.init(
                .rateLimited, "The call would have to wait for its turn longer than it may.", retryAfter: wait,
                detail: refusal.reason.rawValue)
        case .places:
            self.init(
                .rateLimited,
                "All places upstream are taken by calls under way (rate.max_in_flight); no rate limit is the cause.",
                retryAfter: wait, detail: refusal.reason.rawValue)
        case .share:
            let whose = refusal.limit.map { "The caller '\(CallerID.shown($0.caller))'" } ?? "The caller"
            self.init(
                .rateLimited,
                "\(whose) has as many calls under way upstream as it may (max_in_flight); no rate limit is the cause.",
                retryAfter: wait, detail: refusal.reason.rawValue)
        case .caller:
            let whose = refusal.limit.map { limit in
                let window = limit.window.map { " of \($0.name)" } ?? ""
                return "'\(CallerID.shown(limit.caller))' has used up its own limit\(window)"
            }
            self.init(
                .rateLimited,
                "The caller \(whose ?? "has used up its own limit") (windows); the subscription's is not the cause.",
                retryAfter: wait, detail: refusal.reason.rawValue)
        case .upstreamRefuses:
            self.init(
                .upstreamUnreachable, "Upstream is down: no connection can be made.", retryAfter: wait,
                detail: refusal.reason.rawValue)
        case .upstreamHangs:
            self.init(
                .upstreamTimeout, "Upstream is down: it does not answer attempts to connect.", retryAfter: wait,
                detail: refusal.reason.rawValue)
        case .coolDown, .observing:
            self.init(
                .rateLimited, "Upstream limits the rate of calls and asks to wait longer than the call may.",
                retryAfter: wait, detail: refusal.reason.rawValue)
        }
        self.refusal = refusal
    }

    /// An answer cannot be held, and as many others as may be are passed on as their tools read.
    static let tooManyLong = Failure(
        .rateLimited,
        "The answer is too large to be held here, and half of the places upstream (rate.max_in_flight) are taken by "
            + "such answers already; no rate limit is the cause.", retryAfter: .seconds(1), detail: "places")

    /// The same, where that was found out when the answer came: the call may wait for such a place and be sent once more.
    static let tooManyLongNow: Failure = {
        var failure = tooManyLong
        failure.isForLongPlace = true
        return failure
    }()

    /// Nothing can be recorded, so nothing is sent.
    init(_ unavailable: AuditUnavailable) {
        self.init(
            .auditUnavailable, "The audit log cannot be written, so nothing is deleted: \(unavailable.detail)",
            retryAfter: max(unavailable.retryAfter, .seconds(1)), detail: unavailable.cause.rawValue)
    }

    /// A delete without an answer, whose object a read still found.
    static func stillThere(_ failure: Failure) -> Failure {
        Failure(
            .outcomeUnknown,
            "The call was sent and no answer came. The object was still there when last looked at, and may yet be "
                + "deleted: read it before you send the call again.", detail: failure.detail)
    }
}

extension FailureReason {
    /// What a call is refused with whose turn does not come because upstream cannot be reached.
    var isUpstreamDown: Bool { self == .upstreamUnreachable || self == .upstreamTimeout }
}
