// What it took to get one answer from upstream.

import HTTPTypes
import RateLimiting

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

/// The facts of a call as they come to be known. Confined to the executor of the task that makes the call.
final class CallProgress {
    var facts = CallFacts()
}
