// What a token source tells about itself: a status for readiness, events for the log. Neither holds a secret.

/// How a token source stands. A snapshot.
package struct TokenStatus: Sendable, Equatable {
    /// Whether requests can be sent with the token that is held.
    package let isUsable: Bool
    /// Whether a token is being asked for.
    package let isRefreshing: Bool
    /// Of the held token; 0 before the first.
    package let generation: UInt64
    /// Until the held token runs out; zero when it has, nil when there is none.
    package let expiresIn: Duration?
    /// Until the next try is due; nil while one is on its way, before the start and after the stop.
    package let nextRefreshIn: Duration?
    /// Why the latest try failed; nil after a success.
    package let lastFailure: TokenFailure?
    /// Failures since the latest success.
    package let failuresInARow: Int
    /// Totals since the source was made.
    package let counters: TokenCounters

    /// `refresh_token` mode: whether only a person can mend it, by signing in. The held token may still be usable.
    /// `lastFailure` says what to do.
    package var needsSignIn: Bool { lastFailure?.reason == .signInNeeded }
}

/// Totals of a token source; they only grow.
package struct TokenCounters: Sendable, Equatable {
    /// Tries to get a token. In `refresh_token` mode not every one of them needs a request.
    package internal(set) var requested = 0
    /// Tokens received from the endpoint.
    package internal(set) var fetched = 0
    /// Tokens taken from the state file, where another process or an earlier one had left them.
    package internal(set) var shared = 0
    /// Failed tries by reason.
    package internal(set) var failed: [TokenFailure.Reason: Int] = [:]
    /// Refresh requests made because upstream refused the token.
    package internal(set) var refreshedAfterRefusal = 0
    /// Refusals passed on to the tool because the token was too new to be blamed.
    package internal(set) var refusalsPassedOn = 0
}

/// What a token source did, for the log.
package enum TokenEvent: Sendable, Equatable {
    /// A token is being asked for.
    case requested
    /// There is a new token. `life` as it will be counted on, `refreshIn` until it is renewed.
    case fetched(generation: UInt64, life: Duration, refreshIn: Duration)
    /// It failed for the `inARow`-th time; `failure.retryAfter` is until the next try. A failure that lies on this
    /// machine is looked into every few seconds and told only about every five minutes.
    case failed(TokenFailure, inARow: Int)
}
