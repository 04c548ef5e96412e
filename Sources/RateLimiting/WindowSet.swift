// Several windows at once: a call goes when all of them have room, and counts in each.

import Ground

struct WindowSet: Sendable {
    private(set) var windows: [PacedWindow]
    private var learned = LearnedPace()
    /// Admitted and not yet sent; counted here too, since windows may come and go meanwhile.
    private(set) var reserved = 0
    /// The learned pace at the instant of the last `advance`.
    private(set) var pace = 1.0
    /// What was sent within a day, for windows that are put in force later and are longer than all before. It is coarse, on
    /// the safe side: sends within 84 s count until the latest of them has left.
    private var history = SlidingWindow(GateWindow(limit: .max, span: .seconds(86_400)))

    init(_ windows: [GateWindow], isHeld: Bool, now: Nanoseconds) {
        self.windows = windows.map { PacedWindow($0, isHeld: isHeld, now: now) }
    }

    /// The time of all further questions. `isSteady`: no bursts are saved up.
    mutating func advance(to now: Nanoseconds, isSteady: Bool) {
        guard !windows.isEmpty else { return }
        pace = learned.share(now: now)
        for index in windows.indices { windows[index].advance(to: now, pace: pace, isSteady: isSteady) }
    }

    /// When one more call may be admitted; `never` where only the end of a reservation can tell.
    func opening(now: Nanoseconds) -> Nanoseconds {
        var latest = now
        for window in windows { latest = max(latest, window.opening(now: now, pace: pace)) }
        return latest
    }

    /// The same for a call that need not keep to the pace.
    func openingAheadOfPace(now: Nanoseconds) -> Nanoseconds {
        windows.reduce(now) { max($0, $1.hardOpening(now: now)) }
    }

    /// Whether nothing is counted.
    var isUnspent: Bool { reserved == 0 && windows.allSatisfy(\.isUnspent) }

    /// When no hard window is full any more, as far as is known.
    func hardOpening(now: Nanoseconds) -> Nanoseconds {
        var latest = now
        for window in windows {
            let opening = window.hardOpening(now: now)
            if opening != .never { latest = max(latest, opening) }
        }
        return latest
    }

    /// How long the `count`-th call from now will wait, if nobody else comes.
    func delay(forCalls count: Double, now: Nanoseconds) -> Nanoseconds {
        windows.reduce(0) { max($0, $1.delay(forCalls: count, now: now, pace: pace)) }
    }

    /// Nanoseconds from call to call; nil without windows.
    var interval: Double? { windows.map { $0.interval / pace }.max() }

    /// Calls that may go at once; nil without windows.
    var credit: Double? { windows.map(\.credit).min() }

    /// `paced` false takes no credit: for calls that go though they should not.
    mutating func reserve(now: Nanoseconds, paced: Bool = true) {
        reserved += 1
        for index in windows.indices { windows[index].reserve(now: now, paced: paced) }
    }

    /// `paced`: as it was reserved.
    mutating func cancelReservation(paced: Bool) {
        reserved -= 1
        for index in windows.indices { windows[index].cancelReservation(paced: paced) }
    }

    /// A send that was not reserved here.
    mutating func record(now: Nanoseconds) {
        remember(now)
        for index in windows.indices { windows[index].record(now: now) }
    }

    mutating func send(now: Nanoseconds) {
        reserved -= 1
        remember(now)
        for index in windows.indices { windows[index].send(now: now) }
    }

    /// Others have sent so many calls.
    mutating func othersSent(_ count: Int, now: Nanoseconds) {
        guard count > 0 else { return }
        history.advance(to: now)
        history.record(count, at: now)
        for index in windows.indices { windows[index].record(count, now: now) }
    }

    /// What was sent before takes the place of what was assumed, by window.
    mutating func adopt(_ sends: [[EarlierSends]], isHeld: Bool, now: Nanoseconds) {
        for (index, sends) in sends.enumerated() where index < windows.count {
            let window = windows[index].window
            windows[index] = PacedWindow(
                GateWindow(limit: window.limit, span: .nanoseconds(window.span)), after: sends, isHeld: isHeld, now: now
            )
        }
        let longest = sends.max { $0.reduce(0) { $0 + $1.count } < $1.reduce(0) { $0 + $1.count } } ?? []
        for send in longest.sorted(by: { $0.age > $1.age }) {
            history.record(send.count, at: now - send.age.clampedNanoseconds)
        }
    }

    /// Upstream refused a call; the pause ends at `end`.
    mutating func refused(now: Nanoseconds, end: Nanoseconds) {
        let spent = windows.map { Double($0.window.spent + $0.window.reserved) / Double($0.window.limit) }.max()
        guard let spent else { return }
        learned.refused(spent: spent, now: now, end: end)
        pace = learned.share(now: now)
    }

    private mutating func remember(_ now: Nanoseconds) {
        history.advance(to: now)
        history.record(1, at: now)
    }

    /// Puts other windows in force. Each goes on with the count of the shortest that was at least as long as it; one that is
    /// longer than all before with what is remembered.
    mutating func change(to limits: [GateWindow], isHeld: Bool, now: Nanoseconds) {
        let former = windows.sorted { $0.window.span < $1.window.span }
        windows = limits.map { limit in
            var window = PacedWindow(limit, isHeld: isHeld, now: now)
            let span = limit.span.clampedNanoseconds
            let other = former.first { $0.window.span >= span }
            window.inherit(from: other ?? former.last, reserved: reserved, now: now)
            if other == nil { window.inherit(sends: history, now: now) }
            return window
        }
    }
}
