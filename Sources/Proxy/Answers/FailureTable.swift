// The error table: one row a reason. What a tool sees when the proxy itself answers.

import ClashAPI
import HTTPTypes

/// How a failure looks on the wire.
struct FailureRow {
    let status: HTTPResponse.Status
    /// `error.code` in the body.
    let code: String
    /// The RFC 9209 error type for `Proxy-Status`.
    let proxyError: String
    /// Through whom the request failed.
    let cause: FailureCause
}

extension FailureReason {
    /// The row of this reason. The 429 code differs by API version, as upstream's own does.
    func row(_ version: APIVersion) -> FailureRow {
        switch self {
        case .invalidRequest: make(.tool, .badRequest, "InvalidRequest", "http_request_error")
        case .callerKeyMissing: make(.tool, .unauthorized, "HeaderNotFound", "http_request_denied")
        case .callerKeyUnknown: make(.tool, .unauthorized, "InvalidCallerKey", "http_request_denied")
        case .callerTokenInvalid: make(.tool, .unauthorized, "InvalidCallerToken", "http_request_denied")
        case .tokenMissing: make(.tool, .unauthorized, "HeaderNotFound", "http_request_denied")
        case .permissionDenied: make(.tool, .forbidden, "InsufficientPermissions", "http_request_denied")
        case .originNotAllowed: make(.tool, .forbidden, "OriginNotAllowed", "http_request_denied")
        case .protected: make(.tool, .forbidden, "Protected", "http_request_denied")
        case .operationNotFound: make(.tool, .notFound, "OperationNotFound", "destination_not_found")
        case .methodNotAllowed: make(.tool, .methodNotAllowed, "MethodNotAllowed", "http_request_error")
        case .methodNotImplemented: make(.tool, .notImplemented, "MethodNotImplemented", "http_request_error")
        case .versionNotSupported: make(.tool, .httpVersionNotSupported, "VersionNotSupported", "http_request_error")
        case .requestTimeout: make(.tool, .requestTimeout, "RequestTimeout", "http_request_error")
        case .preconditionFailed: make(.tool, .preconditionFailed, "PreconditionFailed", "http_request_denied")
        case .bodyTooLarge: make(.tool, .contentTooLarge, "RequestTooLarge", "http_request_error")
        case .targetTooLong: make(.tool, .uriTooLong, "RequestTooLarge", "http_request_error")
        case .headersTooLarge: make(.tool, .requestHeaderFieldsTooLarge, "RequestTooLarge", "http_request_error")
        case .rateLimited, .queueFull:
            make(
                .proxy, .tooManyRequests, version == .v1 ? "TooManyRequests" : "RateLimitExceeded",
                "connection_limit_reached")
        case .upstreamUnreachable: make(.upstream, .badGateway, "UpstreamUnreachable", "destination_unavailable")
        case .upstreamNotTrusted: make(.upstream, .badGateway, "UpstreamUnreachable", "tls_certificate_error")
        case .upstreamInvalidResponse: make(.upstream, .badGateway, "UpstreamInvalidResponse", "http_protocol_error")
        case .upstreamTimeout: make(.upstream, .gatewayTimeout, "UpstreamTimeout", "http_response_timeout")
        case .outcomeUnknown: make(.upstream, .gatewayTimeout, "OutcomeUnknown", "http_response_incomplete")
        case .requestInProgress: make(.tool, .conflict, "RequestInProgress", "http_request_denied")
        case .idempotencyKeyReused:
            make(.tool, .unprocessableContent, "IdempotencyKeyReused", "http_request_denied")
        case .deleteBudgetExceeded: make(.tool, .tooManyRequests, "DeleteBudgetExceeded", "http_request_denied")
        case .auditReasonRequired: make(.tool, .preconditionRequired, "AuditReasonRequired", "http_request_denied")
        case .approvalRequired: make(.tool, .preconditionRequired, "ApprovalRequired", "http_request_denied")
        case .approvalDenied: make(.tool, .forbidden, "ApprovalDenied", "http_request_denied")
        case .approvalNotFound: make(.tool, .notFound, "ApprovalNotFound", "http_request_error")
        case .archiveUnavailable: make(.proxy, .serviceUnavailable, "ArchiveUnavailable", "proxy_configuration_error")
        case .auditUnavailable: make(.proxy, .serviceUnavailable, "AuditUnavailable", "proxy_configuration_error")
        case .fleetUnavailable: make(.proxy, .serviceUnavailable, "FleetUnavailable", "destination_unavailable")
        case .tokenUnavailable: make(.proxy, .serviceUnavailable, "TokenUnavailable", "proxy_configuration_error")
        case .issuerUnavailable: make(.proxy, .serviceUnavailable, "IssuerUnavailable", "proxy_configuration_error")
        case .overloaded: make(.proxy, .serviceUnavailable, "Overloaded", "connection_limit_reached")
        case .tooManyConnections: make(.proxy, .serviceUnavailable, "TooManyConnections", "connection_limit_reached")
        case .notCached: make(.tool, .gatewayTimeout, "NotCached", "destination_unavailable")
        case .shuttingDown: make(.proxy, .serviceUnavailable, "ShuttingDown", "destination_unavailable")
        case .loopDetected: make(.tool, .loopDetected, "LoopDetected", "proxy_loop_detected")
        case .internalError: make(.proxy, .internalServerError, "InternalError", "proxy_internal_error")
        }
    }

    private func make(
        _ cause: FailureCause, _ status: HTTPResponse.Status, _ code: String, _ proxyError: String
    ) -> FailureRow {
        FailureRow(status: status, code: code, proxyError: proxyError, cause: cause)
    }
}

extension HTTPResponse.Status {
    fileprivate static let loopDetected = HTTPResponse.Status(code: 508, reasonPhrase: "Loop Detected")
}
