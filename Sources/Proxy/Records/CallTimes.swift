// Where the time of a request went.

/// What a call upstream spends time on besides the call itself.
enum CallPart: String, Sendable {
    /// Waiting for turns, pauses before repeats included.
    case queue
    case token
    case audit
}

/// The waits of one request, and its calls upstream. What is left of its time is its own or its tool's.
struct CallTimes: Sendable {
    /// Waiting for turns, pauses before repeats included.
    var queueTime = Duration.zero
    var tokenTime = Duration.zero
    /// The read of what is deleted, the intent, the outcome, and the reads that settle it.
    var auditTime = Duration.zero
    var upstreamTime = Duration.zero

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

    mutating func add(_ time: Duration, to part: CallPart) {
        switch part {
        case .queue: queueTime += time
        case .token: tokenTime += time
        case .audit: auditTime += time
        }
    }

    static func += (times: inout CallTimes, more: CallTimes) {
        times.queueTime += more.queueTime
        times.tokenTime += more.tokenTime
        times.auditTime += more.auditTime
        times.upstreamTime += more.upstreamTime
    }
}
