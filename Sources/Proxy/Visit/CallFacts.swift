// What it took to get one answer from upstream.

import HTTPTypes
import RateLimiting
import Synchronization

/// Counts and times of one call upstream, tries included. A value.
struct CallFacts: Sendable {
    /// Waiting for turns, pauses before repeats included.
    var queueTime = Duration.zero
    var tokenTime = Duration.zero
    /// The read of what is deleted, the intent, the outcome, and the reads that settle it.
    var auditTime = Duration.zero
    var upstreamTime = Duration.zero
    /// Times that the request went upstream.
    var attempts = 0
    /// Whether upstream may have got it: libcurl's word, not a guess.
    var wasSent = false
    /// Upstream's own correlation id where it is not the one that was sent.
    var upstreamID: String?
    /// Upstream's status in the last try; nil when that brought no answer.
    var lastStatus: Int?
    /// What the limits leave, for the tool.
    var rateLimit: RateLimitFields?

    /// What is left of a request's time: the body's way here, the work of this process, the tool's own slowness.
    func otherTime(of total: Duration) -> Duration {
        max(total - queueTime - tokenTime - auditTime - upstreamTime, .zero)
    }

    /// `queue;dur=0.0, token;dur=0.1, audit;dur=0.0, upstream;dur=12.3` in milliseconds (W3C Server Timing). What is
    /// left of `total`, the time until the head, is a part of its own where it matters.
    func serverTiming(of total: Duration) -> String {
        let parts =
            "queue;dur=\(queueTime.tenths), token;dur=\(tokenTime.tenths), audit;dur=\(auditTime.tenths), "
            + "upstream;dur=\(upstreamTime.tenths)"
        let other = otherTime(of: total)
        return other > max(total / 20, .milliseconds(1)) ? "\(parts), other;dur=\(other.tenths)" : parts
    }
}

extension CallFacts {
    /// `RateLimit-Policy` and `RateLimit`, where there are limits.
    func addRateLimit(to fields: inout HTTPFields) {
        guard let rateLimit else { return }
        fields.append(HTTPField(name: .rateLimitPolicy, value: rateLimit.policy))
        fields.append(HTTPField(name: .rateLimit, value: rateLimit.limit))
    }
}

extension CallFacts {
    /// Adds what a fetch took, of which there may be several for one request.
    mutating func add(_ fetch: CallFacts) {
        queueTime += fetch.queueTime
        tokenTime += fetch.tokenTime
        auditTime += fetch.auditTime
        upstreamTime += fetch.upstreamTime
        attempts += fetch.attempts
        wasSent = wasSent || fetch.wasSent
        if fetch.attempts > 0 { (upstreamID, lastStatus) = (fetch.upstreamID, fetch.lastStatus) }
        rateLimit = fetch.rateLimit ?? rateLimit
    }
}

/// The facts of a call as they come to be known. Only the task that makes the call writes them; whoever waits for it may
/// read them meanwhile.
final class CallProgress: Sendable {
    /// What a call waits for.
    enum Part: Sendable {
        case turn
        case token
        case upstream
    }

    private let state = Mutex((facts: CallFacts(), waitsFor: Part.turn))

    var facts: CallFacts {
        get { state.withLock { $0.facts } }
        set { state.withLock { $0.facts = newValue } }
    }

    /// Now, or lately.
    var waitsFor: Part {
        get { state.withLock { $0.waitsFor } }
        set { state.withLock { $0.waitsFor = newValue } }
    }

    /// The facts with the wait that is not over; `total`: the time since the call began.
    func factsSoFar(of total: Duration) -> CallFacts {
        var (facts, part) = state.withLock { ($0.facts, $0.waitsFor) }
        let rest = facts.otherTime(of: total)
        switch part {
        case .turn: facts.queueTime += rest
        case .token: facts.tokenTime += rest
        case .upstream: facts.upstreamTime += rest
        }
        return facts
    }
}
