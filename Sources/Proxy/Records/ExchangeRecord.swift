// What is known about one request when it ends: the content of its access-log line, and what the cache's counters count.

import Caching
import Ground

/// Who answered.
enum AnswerSource: String, Sendable {
    case cache
    case upstream
    case proxy
}

/// How a request ended; every request ends in exactly one of these.
enum Outcome: Sendable {
    /// An answer was relayed to its end: upstream's, a stored one, or that to a preflight.
    case answered
    /// The proxy answered with an error of its own.
    case refused(FailureReason)
    /// The answer broke off after its head; the connection was closed so that the cut shows.
    case cut(FailureReason)
    /// We left a tool that took nothing of its answer for `listen.idle_timeout`.
    case toolSilent
    /// We left a tool that took less than `listen.min_rate` of its answer while others waited for the place.
    case toolTooSlow
    /// The tool went away first; `sent` says whether upstream had got the request.
    case callerLeft(sent: Bool)

    var text: String {
        switch self {
        case .answered: "answered"
        case .refused(let reason): "refused:\(reason.rawValue)"
        case .cut(let reason): "cut:\(reason.rawValue)"
        case .toolSilent: "tool-silent"
        case .toolTooSlow: "tool-too-slow"
        case .callerLeft(let sent): sent ? "caller-left:sent" : "caller-left:not-sent"
        }
    }
}

/// The facts of one exchange. A value; owned by the exchange.
struct ExchangeRecord: Sendable {
    let correlationID: String
    let peer: String
    let started: ContinuousClock.Instant
    var method = "-"
    /// Without the query: it may hold values that are nobody's business.
    var path = "-"
    var caller = "-"
    /// How the caller has shown who it is, where that was not by a key.
    var via: StaticString?
    /// Who that is for sure, where an issuer vouches for it: what such a one is called is not unique, and may be the name of a
    /// caller of the configuration.
    var person: (issuer: String, subject: String)?
    var operation = "-"
    /// Nil where nothing is traced.
    var trace: TraceID?
    var source = AnswerSource.proxy
    /// 0 when nothing was answered.
    var status = 0
    var bytesIn = 0
    var bytesOut = 0
    /// What the cache did; nil where it was not asked.
    var cache: CacheVerdict?
    var times = CallTimes()
    /// Times that the request went upstream.
    var attempts = 0
    /// Upstream's own correlation id where it is not the one that was sent.
    var upstreamID: String?
    /// For the log; holds no secret.
    var detail = ""
    /// What its tool was told where an error of ours was the answer.
    var message = ""
    /// What happened on its way that does not always happen.
    var steps: [CallStep] = []
    /// What the cache was asked for; nil where it was not.
    var key: CacheKey?

    init(correlationID: String, peer: String, started: ContinuousClock.Instant) {
        self.correlationID = correlationID
        self.peer = peer
        self.started = started
    }
}

extension Duration {
    /// Milliseconds with one decimal.
    var tenths: String {
        if self == .zero { return "0.0" }
        let tenths = tenthsOfMilliseconds
        return "\(tenths / 10).\(tenths % 10)"
    }
}
