// What a read is answered with: a hit, a stale page, a new one, or upstream's answer as it comes.

import Caching
import Ground

/// The answer to a read.
enum ReadAnswer: Sendable {
    case stored(StoredReply)
    /// The flow reads it and says when it is done.
    case live(LiveAnswer, CacheVerdict)
}

/// An answer that is kept, for one tool.
struct StoredReply: Sendable {
    let answer: CachedAnswer
    let verdict: CacheVerdict
    /// Whether a call upstream was made or waited for on the way to it.
    let cameByCall: Bool
    /// Whether the tool said how long it would wait for a change, and was heard.
    private(set) var appliesWait = false

    /// The same for a tool that would have waited.
    var waited: StoredReply {
        var reply = self
        reply.appliesWait = true
        return reply
    }

    /// Out of the cache, or as old as if it were.
    var showsAge: Bool { verdict.source == .cache || answer.freshness.initialAge >= .seconds(1) }

    init(_ answer: CachedAnswer, _ verdict: CacheVerdict, cameByCall: Bool) {
        self.answer = answer
        self.verdict = verdict
        self.cameByCall = cameByCall
    }

    /// Fresh for so much longer.
    init(hit answer: CachedAnswer, ttl: Duration) {
        self.init(answer, .hit(ttl: max(ttl.clampedSeconds, 0)), cameByCall: false)
    }

    /// A page cut out of what is stored.
    init(walked answer: CachedAnswer, ttl: Duration, cameByCall: Bool) {
        self.init(answer, .walked(ttl: max(ttl.clampedSeconds, 0)), cameByCall: cameByCall)
    }

    /// After a wait for a change.
    init(waited answer: CachedAnswer, now: ContinuousClock.Instant) {
        let ttl = max(answer.timeToLive(at: now).clampedSeconds, 0)
        self.init(answer, .waited(ttl: ttl), cameByCall: false)
        appliesWait = true
    }

    /// In place of something newer.
    init(_ old: PageCache.StaleAnswer, cameByCall: Bool) {
        // Rounded away from freshness.
        let seconds = Int(old.ttl.components.seconds) - (old.ttl.components.attoseconds < 0 ? 1 : 0)
        self.init(old.answer, .stale(old.why, ttl: seconds), cameByCall: cameByCall)
    }
}
