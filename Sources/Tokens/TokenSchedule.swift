// When a token may be used, when it is renewed, and when a failed try is repeated. Pure arithmetic on durations that
// count from the sending of the request that brought the token.

struct TokenSchedule: Sendable {
    /// How long before its end a token is renewed, as configured.
    let refreshBefore: Duration

    /// For a token that does not say how long it lives.
    static let lifeWithoutExpiry: Duration = .seconds(300)
    /// No token is believed for longer.
    static let longestLife: Duration = .seconds(86_400)
    /// From the sending of one token request to the sending of the next.
    static let shortestInterval: Duration = .seconds(1)
    /// A token that upstream refuses within so long is not blamed.
    static let trustedAge: Duration = .seconds(5)
    /// No pause between tries is longer, unless the endpoint itself asks for more.
    static let longestPause: Duration = .seconds(30)
    /// The longest pause where looking again costs no request: a sign-in or a file that was mended is soon seen.
    static let longestLocalPause: Duration = .seconds(5)
    /// What the endpoint may ask for at most.
    static let longestToldPause: Duration = .seconds(300)

    /// How long to count on a token whose answer told `life`.
    static func life(told life: Duration?) -> Duration {
        min(life ?? lifeWithoutExpiry, longestLife)
    }

    /// How long before a token's end its successor is asked for at the latest, so that one that is there in time need
    /// not be waited for: 5 seconds, a fifth of short lives, a whole second of tiny ones. The token itself is used to
    /// its very end, which counts from the sending of its request and so comes early rather than late; should it run
    /// out on its way all the same, upstream's 401 brings a new one and the call is sent again.
    static func leastNotice(life: Duration) -> Duration {
        min(.seconds(5), max(life / 5, min(.seconds(1), life / 2)))
    }

    /// When to renew, from the sending of the old request. Jitter only moves it earlier, never before half of the life
    /// is over.
    func refreshAge(life: Duration, random: Double) -> Duration {
        let half = life / 2
        let margin = max(min(refreshBefore, half), Self.leastNotice(life: life))
        let jitter = min(margin / 10, max(half - margin, .zero)) * random
        return max(life - margin - jitter, Self.shortestInterval)
    }

    /// The pause after the `failures`-th failure in a row (from 1): doubles, half of it by chance, at least a second
    /// and at most 30. A refusal that needs somebody to change something starts at ten seconds.
    static func pause(after failure: FetchFailure, failures: Int, random: Double) -> Duration {
        // Not again and again: a secret may be one that is another each time it is read.
        if failure.isMended, failures <= 2 { return shortestInterval }
        let first: Duration = failure.reason.isPermanent ? .seconds(10) : .seconds(1)
        let full = min(first * (1 << min(failures - 1, 5)), failure.reason.isLocal ? longestLocalPause : longestPause)
        let jittered = max(full / 2 + (full / 2) * random, shortestInterval)
        guard let told = failure.retryAfter else { return jittered }
        // Told is told: jitter may only lengthen it.
        return max(jittered, min(told, longestToldPause) + .seconds(1) * random)
    }
}
