// One pause after a refusal: closed until its end, then opening by a ramp, then only remembered, so that refusals
// which tell no wait are met with longer and longer pauses.

import Ground

struct CoolDown: Sendable, Equatable {
    /// The first pause where upstream told none, and the longest.
    static let firstDefault = 10 * Nanoseconds.oneSecond
    static let longestDefault = 900 * Nanoseconds.oneSecond

    let scope: CoolDownScope
    private(set) var cause: LimitCause
    private(set) var closedAt: Nanoseconds
    /// Never moves to an earlier instant.
    private(set) var end: Nanoseconds
    /// Pauses that followed each other without a quiet time between.
    private(set) var strikes = 1
    /// During the ramp: when the next call may go.
    private(set) var nextTurn: Nanoseconds

    init(scope: CoolDownScope, cause: LimitCause, now: Nanoseconds, end: Nanoseconds) {
        self.scope = scope
        self.cause = cause
        self.closedAt = now
        self.end = end
        self.nextTurn = end
    }

    /// The default pause before the `strike`-th (from 1).
    static func defaultPause(strike: Int) -> Nanoseconds {
        min(firstDefault << min(strike - 1, 10), longestDefault)
    }

    var rampEnd: Nanoseconds { end + Ramp.length }

    /// As long as the pause was, and at least a minute, must pass without another for it to be forgotten.
    var isForgottenAt: Nanoseconds { rampEnd + max(end - closedAt, 60 * .oneSecond) }

    /// When the next call may go, as far as this pause goes.
    func opening(now: Nanoseconds) -> Nanoseconds { now >= rampEnd ? now : max(now, nextTurn) }

    /// Another refusal. `isNew`: by a call that was sent after this pause began.
    mutating func refusedAgain(cause: LimitCause, isNew: Bool, now: Nanoseconds, end: Nanoseconds) {
        if isNew {
            strikes += 1
            closedAt = now
        }
        guard end > self.end else { return }
        self.cause = cause
        self.end = end
        nextTurn = end
    }

    /// A call goes. At full pace there is one every `interval` nanoseconds.
    mutating func admitted(now: Nanoseconds, interval: Double) {
        guard now >= end, now < rampEnd else { return }
        nextTurn = end + Ramp.end(of: interval, from: max(now, nextTurn) - end)
    }

    /// When, after this pause, the `count`-th call from now may go.
    func turn(ofCall count: Double, interval: Double, now: Nanoseconds) -> Nanoseconds {
        guard now < rampEnd else { return now }
        return end + Ramp.end(of: interval * max(count - 1, 0), from: max(now, nextTurn) - end)
    }
}
