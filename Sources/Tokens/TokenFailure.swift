// Why there is no token. One type for everybody who asks; its text is made here from fixed sentences and standard
// RFC 6749 codes only, because error bodies of token endpoints may echo the secrets that were sent.

/// Why no token can be had now, and when it is worth asking again.
package struct TokenFailure: Error, Sendable, Equatable {
    /// Stable names, for logs and metrics as they are.
    package enum Reason: String, Sendable, CaseIterable {
        /// No connection, no name, no TLS, or it broke before an answer was complete.
        case endpointUnreachable = "endpoint_unreachable"
        /// The endpoint did not answer in time.
        case endpointTimeout = "endpoint_timeout"
        /// RFC 6749 `invalid_client`, or a bare 401: unknown client or wrong secret.
        case invalidClient = "invalid_client"
        /// RFC 6749 `invalid_grant`.
        case invalidGrant = "invalid_grant"
        /// RFC 6749 `unauthorized_client`: this client may not use this grant.
        case unauthorizedClient = "unauthorized_client"
        /// Any other 4xx: `invalid_request`, `invalid_scope`, `unsupported_grant_type`, a wrong URL.
        case requestRefused = "request_refused"
        /// 429 from the token endpoint.
        case rateLimited = "rate_limited"
        /// 5xx from the token endpoint.
        case serverError = "server_error"
        /// A success without a body.
        case emptyAnswer = "empty_answer"
        /// Not JSON, no access token, another token type, a token that cannot stand in a header, a redirect, too long.
        case badAnswer = "bad_answer"
        /// The client secret could not be read.
        case secretUnavailable = "secret_unavailable"
        /// `refresh_token` mode: there is no sign-in, or the endpoint does not accept it any more. Only a person can
        /// mend it; the message says how.
        case signInNeeded = "sign_in_needed"
        /// `refresh_token` mode: the state file cannot be read or written, or others could read it.
        case stateUnavailable = "state_unavailable"
        /// `refresh_token` mode: another process has been renewing the sign-in for too long.
        case stateLocked = "state_locked"
        /// The source was stopped.
        case stopped
        /// The task that waited for a token was cancelled. Says nothing about the endpoint.
        case cancelled
    }

    /// What went wrong.
    package let reason: Reason
    /// Until the next try at the token endpoint; asking earlier is in vain. Zero for `stopped` and `cancelled`.
    package let retryAfter: Duration
    /// One sentence that holds no secret and nothing of the endpoint's body but a standard error code.
    package let message: String

    static let stopped = TokenFailure(reason: .stopped, retryAfter: .zero, message: "the token source was stopped")
    static let cancelled = TokenFailure(reason: .cancelled, retryAfter: .zero, message: "the wait was cancelled")
}

extension TokenFailure.Reason {
    /// Whether the same request will be refused again until somebody changes something. Such a failure is retried
    /// seldom, but it is retried: the change may be made on the other side.
    var isPermanent: Bool {
        switch self {
        case .invalidClient, .invalidGrant, .unauthorizedClient, .requestRefused, .secretUnavailable: true
        case .endpointUnreachable, .endpointTimeout, .rateLimited, .serverError, .emptyAnswer, .badAnswer,
            .signInNeeded, .stateUnavailable, .stateLocked, .stopped, .cancelled:
            false
        }
    }

    /// Whether the failure lies on this machine and looking again costs no request.
    var isLocal: Bool { self == .signInNeeded || self == .stateUnavailable }
}

/// How one flight failed, before the state machine has decided when to try again.
struct FetchFailure: Error, Equatable {
    let reason: TokenFailure.Reason
    let message: String
    /// What the endpoint itself asked for.
    var retryAfter: Duration?
    /// What was complained of has been changed since: the next try should come soon.
    var isMended = false
}
