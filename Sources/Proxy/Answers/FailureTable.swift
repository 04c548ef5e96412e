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
}

extension FailureReason {
    /// The row of this reason. The 429 code differs by API version, as upstream's own does.
    func answer(_ version: APIVersion) -> FailureAnswer {
        switch self {
        case .invalidRequest: row(.badRequest, "InvalidRequest", "http_request_error")
        case .callerKeyMissing: row(.unauthorized, "HeaderNotFound", "http_request_denied")
        case .callerKeyUnknown: row(.unauthorized, "InvalidCallerKey", "http_request_denied")
        case .tokenMissing: row(.unauthorized, "HeaderNotFound", "http_request_denied")
        case .permissionDenied: row(.forbidden, "InsufficientPermissions", "http_request_denied")
        case .originNotAllowed: row(.forbidden, "OriginNotAllowed", "http_request_denied")
        case .operationNotFound: row(.notFound, "OperationNotFound", "destination_not_found")
        case .methodNotAllowed: row(.methodNotAllowed, "MethodNotAllowed", "http_request_error")
        case .methodNotImplemented: row(.notImplemented, "MethodNotImplemented", "http_request_error")
        case .versionNotSupported: row(.httpVersionNotSupported, "VersionNotSupported", "http_request_error")
        case .requestTimeout: row(.requestTimeout, "RequestTimeout", "http_request_error")
        case .preconditionFailed: row(.preconditionFailed, "PreconditionFailed", "http_request_denied")
        case .bodyTooLarge: row(.contentTooLarge, "RequestTooLarge", "http_request_error")
        case .targetTooLong: row(.uriTooLong, "RequestTooLarge", "http_request_error")
        case .headersTooLarge: row(.requestHeaderFieldsTooLarge, "RequestTooLarge", "http_request_error")
        case .rateLimited, .queueFull:
            row(
                .tooManyRequests, version == .v1 ? "TooManyRequests" : "RateLimitExceeded",
                "connection_limit_reached")
        case .upstreamUnreachable: row(.badGateway, "UpstreamUnreachable", "destination_unavailable")
        case .upstreamNotTrusted: row(.badGateway, "UpstreamUnreachable", "tls_certificate_error")
        case .upstreamInvalidResponse: row(.badGateway, "UpstreamInvalidResponse", "http_protocol_error")
        case .upstreamTimeout: row(.gatewayTimeout, "UpstreamTimeout", "http_response_timeout")
        case .outcomeUnknown: row(.gatewayTimeout, "OutcomeUnknown", "http_response_incomplete")
        case .deleteBudgetExceeded: row(.tooManyRequests, "DeleteBudgetExceeded", "http_request_denied")
        case .auditReasonRequired: row(.preconditionRequired, "AuditReasonRequired", "http_request_denied")
        case .auditUnavailable: row(.serviceUnavailable, "AuditUnavailable", "proxy_configuration_error")
        case .tokenUnavailable: row(.serviceUnavailable, "TokenUnavailable", "proxy_configuration_error")
        case .tooManyConnections: row(.serviceUnavailable, "TooManyConnections", "connection_limit_reached")
        case .notCached: row(.gatewayTimeout, "NotCached", "destination_unavailable")
        case .shuttingDown: row(.serviceUnavailable, "ShuttingDown", "destination_unavailable")
        case .loopDetected: row(.loopDetected, "LoopDetected", "proxy_loop_detected")
        case .internalError: row(.internalServerError, "InternalError", "proxy_internal_error")
        }
    }

    private func row(_ status: HTTPResponse.Status, _ code: String, _ proxyError: String) -> FailureAnswer {
        FailureAnswer(status: status, code: code, proxyError: proxyError)
    }
}

extension HTTPResponse.Status {
    fileprivate static let loopDetected = HTTPResponse.Status(code: 508, reasonPhrase: "Loop Detected")
}
