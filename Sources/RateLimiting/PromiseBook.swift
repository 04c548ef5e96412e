// What refused calls were told. Different calls of a caller that are refused together are told one time after the other, so that
// they do not come back together. The same call that is refused again is told what it was told.

import Ground

/// Whoever asks again a second later may be one who was told already: it is told what it would be told first. So a tool that
/// asks again and again makes nobody's wait longer, its own neither.
struct PromiseBook: Sendable {
    private struct Promises {
        let since: Nanoseconds
        /// For the next call.
        var next: Nanoseconds
        /// By what tells calls apart.
        var told: [Int: Nanoseconds] = [:]
    }

    /// Different calls that are refused in so short a time: nobody is told to come back sooner.
    private static let together = Nanoseconds.oneSecond
    /// Further ahead nobody is promised a turn of its own.
    private static let longestQueue = 300 * Nanoseconds.oneSecond
    /// Calls of a caller of which each is known again.
    private static let mostKnown = 256

    private var promises: [String: Promises] = [:]
    private var sweepAt = 64

    /// Callers that are remembered.
    var count: Int { promises.count }

    /// When a call of the caller is to come back.
    ///
    /// - Parameters:
    ///   - content: what the same call is known by when it comes again; nil: each is another.
    ///   - first: when it could go if no other were refused with it.
    ///   - spacing: from one of its calls to the next.
    ///   - jitter: what is added to that, at most as much.
    mutating func promise(
        _ caller: String, content: Int?, first: Nanoseconds, spacing: Nanoseconds, jitter: Nanoseconds = 0,
        now: Nanoseconds
    ) -> Nanoseconds {
        if promises.count >= sweepAt {
            promises = promises.filter { now - $0.value.since < Self.together }
            sweepAt = 2 * promises.count + 64
        }
        var own = Promises(since: now, next: first)
        if let promises = promises[caller], now - promises.since < Self.together { own = promises }
        // What it was told may have become too early since, by a pause.
        if let content, let told = own.told[content] { return max(told, first) }
        let turn = own.next - first < Self.longestQueue ? max(own.next, first) : first
        let told = turn + jitter
        own.next = turn + spacing
        if let content, own.told.count < Self.mostKnown { own.told[content] = told }
        promises[caller] = own
        return told
    }

    /// Other limits hold: nothing that was told counts any more.
    mutating func forget() { promises = [:] }
}
