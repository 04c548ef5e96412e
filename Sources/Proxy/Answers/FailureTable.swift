// The error table: one row a reason. What a tool sees when the proxy itself answers.

import ClashAPI
import HTTPTypes

/// How a failure looks on the wire.
struct FailureAnswer {
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
    func answer(_ version: APIVersion) -> FailureAnswer {
        switch self {
        case .invalidRequest: row(.tool, .badRequest, "InvalidRequest", "http_request_error")
        case .callerKeyMissing: row(.tool, .unauthorized, "HeaderNotFound", "http_request_denied")
        case .callerKeyUnknown: row(.tool, .unauthorized, "InvalidCallerKey", "http_request_denied")
        case .tokenMissing: row(.tool, .unauthorized, "HeaderNotFound", "http_request_denied")
        case .permissionDenied: row(.tool, .forbidden, "InsufficientPermissions", "http_request_denied")
        case .originNotAllowed: row(.tool, .forbidden, "OriginNotAllowed", "http_request_denied")
        case .operationNotFound: row(.tool, .notFound, "OperationNotFound", "destination_not_found")
        case .methodNotAllowed: row(.tool, .methodNotAllowed, "MethodNotAllowed", "http_request_error")
        case .methodNotImplemented: row(.tool, .notImplemented, "MethodNotImplemented", "http_request_error")
        case .versionNotSupported: row(.tool, .httpVersionNotSupported, "VersionNotSupported", "http_request_error")
        case .requestTimeout: row(.tool, .requestTimeout, "RequestTimeout", "http_request_error")
        case .preconditionFailed: row(.tool, .preconditionFailed, "PreconditionFailed", "http_request_denied")
        case .bodyTooLarge: row(.tool, .contentTooLarge, "RequestTooLarge", "http_request_error")
        case .targetTooLong: row(.tool, .uriTooLong, "RequestTooLarge", "http_request_error")
        case .headersTooLarge: row(.tool, .requestHeaderFieldsTooLarge, "RequestTooLarge", "http_request_error")
        case .rateLimited, .queueFull:
            row(
                .proxy, .tooManyRequests, version == .v1 ? "TooManyRequests" : "RateLimitExceeded",
                "connection_limit_reached")
        case .upstreamUnreachable: row(.upstream, .badGateway, "UpstreamUnreachable", "destination_unavailable")
        case .upstreamNotTrusted: row(.upstream, .badGateway, "UpstreamUnreachable", "tls_certificate_error")
        case .upstreamInvalidResponse: row(.upstream, .badGateway, "UpstreamInvalidResponse", "http_protocol_error")
        case .upstreamTimeout: row(.upstream, .gatewayTimeout, "UpstreamTimeout", "http_response_timeout")
        case .outcomeUnknown: row(.upstream, .gatewayTimeout, "OutcomeUnknown", "http_response_incomplete")
        case .deleteBudgetExceeded: row(.tool, .tooManyRequests, "DeleteBudgetExceeded", "http_request_denied")
        case .auditReasonRequired: row(.tool, .preconditionRequired, "AuditReasonRequired", "http_request_denied")
        case .auditUnavailable: row(.proxy, .serviceUnavailable, "AuditUnavailable", "proxy_configuration_error")
        case .tokenUnavailable: row(.proxy, .serviceUnavailable, "TokenUnavailable", "proxy_configuration_error")
        case .overloaded: row(.proxy, .serviceUnavailable, "Overloaded", "connection_limit_reached")
        case .tooManyConnections: row(.proxy, .serviceUnavailable, "TooManyConnections", "connection_limit_reached")
        case .notCached: row(.tool, .gatewayTimeout, "NotCached", "destination_unavailable")
        case .shuttingDown: row(.proxy, .serviceUnavailable, "ShuttingDown", "destination_unavailable")
        case .loopDetected: row(.tool, .loopDetected, "LoopDetected", "proxy_loop_detected")
        case .internalError: row(.proxy, .internalServerError, "InternalError", "proxy_internal_error")
        }
    }

    private func row(
        _ cause: FailureCause, _ status: HTTPResponse.Status, _ code: String, _ proxyError: String
    ) -> FailureAnswer {
        FailureAnswer(status: status, code: code, proxyError: proxyError, cause: cause)
    }
}

extension HTTPResponse.Status {
    fileprivate static let loopDetected = HTTPResponse.Status(code: 508, reasonPhrase: "Loop Detected")
}
