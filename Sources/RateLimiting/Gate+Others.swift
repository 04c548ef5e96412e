// What the gate is told of others who spend the same windows: an earlier process, or other sidecars.

import Ground

/// Calls that were sent so long ago.
package struct EarlierSends: Sendable, Equatable {
    /// Not negative.
    package let age: Duration
    package let count: Int

    /// Sends.
    package init(age: Duration, count: Int) { (self.age, self.count) = (age, count) }
}

extension Gate {
    /// What was sent before this gate began, by window, in the order of the limits, windows of runs last: takes the place of
    /// what was assumed. To be told before the first call.
    package func adopt(_ sends: [[EarlierSends]]) {
        settle { state, now in ((), state.adopted(sends, now: now)) }
    }

    /// Others have sent so many calls, of them so many starts of runs.
    package func othersSent(calls: Int, runs: Int) {
        settle { state, now in ((), state.othersSent(calls: calls, runs: runs, now: now)) }
    }

    /// Upstream told another a pause. What is known to be closed for longer stays so.
    ///
    /// - Returns: what came of it; nil where nothing did.
    package func othersWereRefused(_ scope: CoolDownScope, cause: LimitCause, remaining: Duration) -> Closing? {
        settle { state, now in
            let (closing, turn) = state.closedByOthers(
                scope, cause: cause, end: now + remaining.clampedNanoseconds, now: now)
            guard let closing, closing.isLonger else { return (nil, turn) }
            return (
                Closing(scope: scope, cause: cause, remaining: .nanoseconds(max(closing.end - now, 0))), turn
            )
        }
    }
}

extension GateState {
    mutating func adopted(_ sends: [[EarlierSends]], now: Nanoseconds) -> Turn {
        books.adopt(sends, now: now)
        room.unpark()
        return passed(now: now)
    }

    mutating func othersSent(calls: Int, runs: Int, now: Nanoseconds) -> Turn {
        books.othersSent(calls: calls, runs: runs, now: now)
        room.unpark()
        return passed(now: now)
    }

    mutating func closedByOthers(
        _ scope: CoolDownScope, cause: LimitCause, end: Nanoseconds, now: Nanoseconds
    ) -> (closing: CoolDownTable.Closing?, turn: Turn) {
        var turn = Turn()
        let closing = books.closedByOthers(scope, cause: cause, now: now, end: end)
        if closing?.isNew == true { room.forgetPace() }
        if let closing, closing.isLonger { refuseHopeless(&turn, closing, nil, now: now) }
        let passed = passed(now: now)
        turn.admitted += passed.admitted
        turn.refused += passed.refused
        return (closing, turn)
    }
}

extension CoolDownTable {
    /// A pause that was told to somebody else. What ends within a millisecond of what is known is the same.
    mutating func closedByOthers(
        _ scope: CoolDownScope, cause: LimitCause, now: Nanoseconds, end: Nanoseconds
    ) -> Closing? {
        guard end > now else { return nil }
        if let known = entries.first(where: { $0.scope == scope })?.end, end <= known + 5_000_000 { return nil }
        return refused(scope, cause: cause, told: end - now, sentAt: now, now: now, jitter: 0)
    }
}

extension PacedWindow {
    /// A window that begins with what was sent before it, oldest first.
    init(_ gateWindow: GateWindow, after sends: [EarlierSends], isHeld: Bool, now: Nanoseconds) {
        self.init(gateWindow, isHeld: isHeld, now: now)
        var earlier = SlidingWindow(gateWindow)
        let even = Double(gateWindow.span.clampedNanoseconds) / Double(gateWindow.limit)
        var (credit, last) = (burst, Nanoseconds.min)
        for send in sends.sorted(by: { $0.age > $1.age }) where send.count > 0 {
            let at = now - max(send.age, .zero).clampedNanoseconds
            earlier.record(send.count, at: at)
            if last != .min { credit = min(credit + Double(at - last) / even, burst) }
            credit = max(credit - Double(send.count), 0)
            last = at
        }
        if last != .min { credit = min(credit + Double(now - last) / even, burst) }
        earlier.advance(to: now)
        begin(with: earlier, credit: credit, now: now)
    }
}
