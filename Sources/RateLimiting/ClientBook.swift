// What upstream counts together and closes together: the windows, the pace and the pauses of one of its clients.

import Ground

struct ClientBook: Sendable {
    private(set) var windows: WindowSet
    private(set) var runWindows: WindowSet
    var coolDowns = CoolDownTable()
    /// Calls that hold something here: a reservation, or a send whose place has not come back.
    private(set) var users = 0
    /// The instant of all questions, once it has been brought there.
    private(set) var now: Nanoseconds

    init(windows: [GateWindow], runWindows: [GateWindow], isHeld: Bool, now: Nanoseconds) {
        self.windows = WindowSet(windows, isHeld: isHeld, now: now)
        self.runWindows = WindowSet(runWindows, isHeld: isHeld, now: now)
        self.now = now
    }

    /// Passes the time. To be called before anything else is asked about `now`.
    mutating func advance(to now: Nanoseconds) {
        self.now = now
        coolDowns.advance(to: now)
        let isSteady = !coolDowns.isEmpty && coolDowns.isSteady(now: now)
        windows.advance(to: now, isSteady: isSteady)
        runWindows.advance(to: now, isSteady: isSteady)
    }

    // MARK: When

    /// When the next call may go, lanes aside.
    func openingOfAll(now: Nanoseconds) -> Nanoseconds {
        max(windows.opening(now: now), coolDowns.openingOfAll(now: now))
    }

    /// When the next call of a lane may go.
    func opening(of lane: Lane, now: Nanoseconds) -> Nanoseconds {
        let all =
            lane.isUrgent
            ? max(windows.openingAheadOfPace(now: now), coolDowns.openingOfAll(now: now)) : openingOfAll(now: now)
        if coolDowns.isEmpty && !lane.countsAsRun { return all }
        let runs = lane.countsAsRun ? runWindows.opening(now: now) : now
        return max(all, runs, coolDowns.opening(of: lane, now: now))
    }

    /// Until when calls of a lane can surely not go: a pause holds, or a hard window is full. `now` if they may or might.
    func closedUntil(_ lane: Lane, now: Nanoseconds) -> Nanoseconds {
        var end = max(coolDowns.end(for: lane, now: now) ?? now, windows.hardOpening(now: now))
        if lane.countsAsRun { end = max(end, runWindows.hardOpening(now: now)) }
        return end
    }

    /// Between calls where there is no window to tell.
    private static let defaultInterval = 10_000_000.0

    /// Nanoseconds from call to call at the present pace.
    func interval(countsAsRun: Bool) -> Double {
        let general = windows.interval ?? Self.defaultInterval
        return countsAsRun ? max(general, runWindows.interval ?? 0) : general
    }

    /// How long the call that goes after `turns - 1` others, of them `runs` starts of runs, will have waited for the pace.
    func wait(turns: Int, runs: Int, of lane: Lane, now: Nanoseconds) -> Nanoseconds {
        var wait = windows.delay(forCalls: Double(turns), now: now)
        if lane.countsAsRun { wait = max(wait, runWindows.delay(forCalls: Double(min(turns, runs + 1)), now: now)) }
        guard !coolDowns.isEmpty else { return wait }
        let interval = interval(countsAsRun: lane.countsAsRun)
        return max(wait, coolDowns.turn(ofCall: Double(turns), in: lane, interval: interval, now: now) - now)
    }

    /// How much of the fullest of its windows is used, 0...1 and more.
    var share: Double {
        (windows.windows + runWindows.windows).map { paced in
            Double(paced.window.spent + paced.window.reserved - paced.assumed) / Double(max(paced.window.limit, 1))
        }.max() ?? 0
    }

    /// Nobody uses it, it counts nothing and holds nobody: nothing is lost with it.
    var isIdle: Bool {
        users == 0 && windows.isUnspent && runWindows.isUnspent
            && !coolDowns.entries.contains { $0.rampEnd > now }
    }

    // MARK: What calls do

    /// A call is let in: one send is reserved for it. `paced` false: it goes ahead of the pace and costs none of it.
    mutating func reserve(_ lane: Lane, now: Nanoseconds, paced: Bool) {
        users += 1
        if !coolDowns.isEmpty {
            coolDowns.admitted(lane, now: now, interval: interval(countsAsRun: lane.countsAsRun))
        }
        windows.reserve(now: now, paced: paced)
        if lane.countsAsRun { runWindows.reserve(now: now, paced: paced) }
    }

    mutating func cancelReservation(_ lane: Lane, paced: Bool) {
        windows.cancelReservation(paced: paced)
        if lane.countsAsRun { runWindows.cancelReservation(paced: paced) }
    }

    /// A reserved send goes out.
    mutating func send(_ lane: Lane, now: Nanoseconds) {
        windows.send(now: now)
        if lane.countsAsRun { runWindows.send(now: now) }
    }

    /// A send that was counted elsewhere is found to be this client's.
    mutating func record(_ lane: Lane, now: Nanoseconds) {
        windows.record(now: now)
        if lane.countsAsRun { runWindows.record(now: now) }
    }

    /// Others have sent so many calls, of them so many starts of runs.
    mutating func othersSent(calls: Int, runs: Int, now: Nanoseconds) {
        windows.othersSent(calls, now: now)
        runWindows.othersSent(runs, now: now)
    }

    /// What was sent before, by window, those of runs last.
    mutating func adopt(_ sends: [[EarlierSends]], isHeld: Bool, now: Nanoseconds) {
        let count = windows.windows.count
        windows.adopt(Array(sends.prefix(count)), isHeld: isHeld, now: now)
        runWindows.adopt(Array(sends.dropFirst(count)), isHeld: isHeld, now: now)
    }

    /// The call's place is back.
    mutating func left() { users -= 1 }

    /// Upstream refused a call, and `closing` came of it: what that says about the pace is learnt.
    mutating func learn(from closing: CoolDownTable.Closing, countsAsRun: Bool, now: Nanoseconds) {
        guard closing.isNew else { return }
        if closing.scope == .everything { windows.refused(now: now, end: closing.end) }
        if case .operation = closing.scope, countsAsRun { runWindows.refused(now: now, end: closing.end) }
    }

    /// Puts other windows in force.
    mutating func change(windows: [GateWindow]?, runWindows: [GateWindow]?, isHeld: Bool, now: Nanoseconds) {
        if let windows { self.windows.change(to: windows, isHeld: isHeld, now: now) }
        if let runWindows { self.runWindows.change(to: runWindows, isHeld: isHeld, now: now) }
    }
}
