// What refused calls were told. Those of a caller that are refused together are told one time after the other, so that they do
// not come back together.

import Ground

/// Whoever asks again a second later may be one who was told already: it is told what it would be told first. So a tool that
/// asks again and again makes nobody's wait longer.
struct PromiseBook: Sendable {
    private struct Promise {
        let since: Nanoseconds
        var next: Nanoseconds
    }

    /// Calls that are refused in so short a time are different ones: nobody is told to come back sooner.
    private static let together = Nanoseconds.oneSecond
    /// Further ahead nobody is promised a turn of its own.
    private static let longestQueue = 300 * Nanoseconds.oneSecond

    private var promises: [String: Promise] = [:]
    private var sweepAt = 64

    /// Callers that are remembered.
    var count: Int { promises.count }

    /// When a call of the caller is to come back.
    ///
    /// - Parameters:
    ///   - first: when it could go if no other were refused with it.
    ///   - spacing: from one of its calls to the next.
    mutating func promise(_ caller: String, first: Nanoseconds, spacing: Nanoseconds, now: Nanoseconds) -> Nanoseconds {
        if promises.count >= sweepAt {
            promises = promises.filter { now - $0.value.since < Self.together }
            sweepAt = 2 * promises.count + 64
        }
        var told = first
        var since = now
        if let promise = promises[caller], now - promise.since < Self.together {
            since = promise.since
            if promise.next > told, promise.next - told < Self.longestQueue { told = promise.next }
        }
        promises[caller] = Promise(since: since, next: told + spacing)
        return told
    }
}
