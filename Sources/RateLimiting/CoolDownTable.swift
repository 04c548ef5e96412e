// All pauses of a gate, one per scope. Few at a time, so they are simply looked through.

import Ground

struct CoolDownTable: Sendable {
    private(set) var entries: [CoolDown] = []

    /// Whether nothing is closed, opening or remembered.
    var isEmpty: Bool { entries.isEmpty }

    /// Forgets what is over.
    mutating func advance(to now: Nanoseconds) {
        guard !entries.isEmpty else { return }
        entries.removeAll { $0.isForgottenAt <= now }
    }

    /// What a refusal did.
    struct Closing: Equatable {
        let scope: CoolDownScope
        let end: Nanoseconds
        /// The end lies later than before.
        let isLonger: Bool
        /// Not one of several calls that were under way together.
        let isNew: Bool
    }

    /// A call that was sent at `sentAt` was refused. `told` is the wait that upstream told, if it told one that can be
    /// believed; `jitter` (0..<1) only ever makes it longer.
    mutating func refused(
        _ scope: CoolDownScope, cause: LimitCause, told: Nanoseconds?, sentAt: Nanoseconds, now: Nanoseconds,
        jitter: Double
    ) -> Closing {
        let index = entries.firstIndex { $0.scope == scope }
        let isNew = index.map { sentAt > entries[$0].closedAt } ?? true
        let strikes = index.map { entries[$0].strikes } ?? 0
        // Those who were under way together and were told nothing share the first one's pause.
        if told == nil, !isNew, let index {
            return Closing(scope: scope, end: entries[index].end, isLonger: false, isNew: false)
        }
        let wait = told ?? CoolDown.defaultPause(strike: strikes + 1)
        let end = now + wait + Nanoseconds(jitter * Double(min(wait / 20, .oneSecond)))
        guard let index else {
            entries.append(CoolDown(scope: scope, cause: cause, now: now, end: end))
            return Closing(scope: scope, end: end, isLonger: true, isNew: true)
        }
        let former = entries[index].end
        entries[index].refusedAgain(cause: cause, isNew: isNew, now: now, end: end)
        return Closing(scope: scope, end: max(former, end), isLonger: end > former, isNew: isNew)
    }

    /// When the next call may go as far as pauses of everything go.
    func openingOfAll(now: Nanoseconds) -> Nanoseconds {
        entries.reduce(now) { $1.scope == .everything ? max($0, $1.opening(now: now)) : $0 }
    }

    /// When the next call of a lane may go, pauses of everything aside.
    func opening(of lane: Lane, now: Nanoseconds) -> Nanoseconds {
        entries.reduce(now) {
            $1.scope != .everything && $1.scope.covers(lane) ? max($0, $1.opening(now: now)) : $0
        }
    }

    /// The latest end of the pauses that hold a lane's calls; nil if none does.
    func end(for lane: Lane, now: Nanoseconds) -> Nanoseconds? {
        entries.reduce(nil) { latest, entry in
            guard entry.end > now, entry.scope.covers(lane) else { return latest }
            return max(latest ?? entry.end, entry.end)
        }
    }

    /// Whether a call of a lane that was admitted at `since` has to wait, or to queue again, because of a pause that
    /// began later.
    func hasBegun(since: Nanoseconds, for lane: Lane, now: Nanoseconds) -> Bool {
        entries.contains { $0.scope.covers(lane) && (now < $0.end || $0.closedAt >= since && now < $0.rampEnd) }
    }

    /// When the `count`-th call of a lane from now may go.
    func turn(ofCall count: Double, in lane: Lane, interval: Double, now: Nanoseconds) -> Nanoseconds {
        entries.reduce(now) {
            $1.scope.covers(lane) ? max($0, $1.turn(ofCall: count, interval: interval, now: now)) : $0
        }
    }

    /// Whether a pause of everything holds or is just over.
    func isSteady(now: Nanoseconds) -> Bool {
        entries.contains { $0.scope == .everything && now < $0.rampEnd }
    }

    mutating func admitted(_ lane: Lane, now: Nanoseconds, interval: Double) {
        for index in entries.indices where entries[index].scope.covers(lane) {
            entries[index].admitted(now: now, interval: interval)
        }
    }
}
