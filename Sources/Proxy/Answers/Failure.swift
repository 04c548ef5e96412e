// The one error type of a request: why it failed and through whom, what is known about its sending, and what the tool may
// be told. `FailureReason.row` turns a reason into status, code and cause; nothing else does.

import ClashAPI
import Edge
import Ground
import RateLimiting

/// Why the proxy itself answers with an error. The raw value is stable: log lines, metrics and `Proxy-Status` carry it.
package enum FailureReason: String, Sendable, CaseIterable {
    case invalidRequest = "invalid-request"
    case callerKeyMissing = "caller-key-missing"
    case callerKeyUnknown = "caller-key-unknown"
    case callerTokenInvalid = "caller-token-invalid"
    case tokenMissing = "token-missing"
    case permissionDenied = "permission-denied"
    case originNotAllowed = "origin-not-allowed"
    case protected
    case operationNotFound = "operation-not-found"
    case methodNotAllowed = "method-not-allowed"
    case methodNotImplemented = "method-not-implemented"
    case versionNotSupported = "version-not-supported"
    case requestTimeout = "request-timeout"
    case preconditionFailed = "precondition-failed"
    case bodyTooLarge = "body-too-large"
    case targetTooLong = "target-too-long"
    case headersTooLarge = "headers-too-large"
    case rateLimited = "rate-limited"
    case queueFull = "queue-full"
    case upstreamUnreachable = "upstream-unreachable"
    case upstreamNotTrusted = "upstream-not-trusted"
    case upstreamInvalidResponse = "upstream-invalid-response"
    case upstreamTimeout = "upstream-timeout"
    case outcomeUnknown = "outcome-unknown"
    case requestInProgress = "request-in-progress"
    case idempotencyKeyReused = "idempotency-key-reused"
    case deleteBudgetExceeded = "delete-budget-exceeded"
    case auditReasonRequired = "audit-reason-required"
    case approvalRequired = "approval-required"
    case approvalDenied = "approval-denied"
    case approvalNotFound = "approval-not-found"
    case auditUnavailable = "audit-unavailable"
    case archiveUnavailable = "archive-unavailable"
    /// What only the fleet can answer cannot be asked.
    case fleetUnavailable = "fleet-unavailable"
    case tokenUnavailable = "token-unavailable"
    case issuerUnavailable = "issuer-unavailable"
    case overloaded
    case tooManyConnections = "too-many-connections"
    case notCached = "not-cached"
    case shuttingDown = "shutting-down"
    case loopDetected = "loop-detected"
    case internalError = "internal-error"
}

/// Through whom a request failed.
enum FailureCause: Sendable {
    /// What was asked is not right, or not allowed.
    case tool
    /// This proxy: its limits, its log, its token, its end.
    case proxy
    /// Upstream, or the way there.
    case upstream
}

/// What it would mean to send a failed call once more.
enum Repetition: Sendable {
    /// It might be carried out twice, or fail the same way again.
    case unwise
    /// It is harmless; an outage could make many of it, so it draws on the budget of retries.
    case budgeted
    /// It is harmless, and surely was not carried out: it draws on no budget.
    case free
}

/// One failed request.
package struct Failure: Error, Sendable {
    /// Why, from a bounded set.
    package var reason: FailureReason
    /// One sentence for the tool: what is wrong and what to do. Never holds a secret or bytes of a credential.
    package var message: String
    /// The request part that is wrong (a header or parameter name), if there is one.
    package var target: String?
    /// When trying again makes sense; becomes `Retry-After` and is repeated in words in the message.
    package var retryAfter: Duration?
    /// For 405: the methods that are allowed, where they are not those of the API.
    var allow: String?
    /// For our log only.
    package var detail: String
    /// Whether upstream may have carried the call out; false for what failed here.
    var wasSent = false
    /// Whether the call may be sent again.
    var repetition = Repetition.unwise

    /// Suspends until it is worth deciding once more, where that may be soon; nil: it is not.
    var pending: (@Sendable () async -> Void)?

    /// What the gate said, where it is the reason.
    var refusal: Gate.Refusal?

    /// The protected id that the call names, where that is the reason.
    var protectedID: String?

    /// The approval that it waits for: its id, and until when there may be a decision.
    var approval: (id: String, expires: WallTime)?

    /// What it wants is a place among those for answers too large to hold.
    var isForLongPlace = false

    /// Through whom it failed.
    var cause: FailureCause { reason.row(.other).cause }

    /// Makes a failure; `message` is shown to the tool, `detail` only to the log.
    package init(
        _ reason: FailureReason, _ message: String, target: String? = nil, retryAfter: Duration? = nil,
        detail: String = ""
    ) {
        self.reason = reason
        self.message = message
        self.target = target
        self.retryAfter = retryAfter
        self.detail = detail
    }

    /// A request that breaks the rules of HTTP or of this proxy.
    static func invalid(_ message: String, target: String? = nil) -> Failure {
        Failure(.invalidRequest, message, target: target)
    }

    /// A request body that there is no room for.
    static let overloaded = Failure(
        .overloaded, "Too many bytes of requests and answers are held here already (listen.max_held_bytes).",
        retryAfter: .seconds(1))

    static func bodyTooLarge(limit: Int) -> Failure { Failure(WireFailure.bodyTooLarge(limit: limit)) }
}
