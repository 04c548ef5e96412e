// The shell around `FlightState`: continuations, one timer, the task that fetches.

import Ground
import Synchronization

/// One fetch shared by those who want the same. `Outcome` is what all of them get. Usable from every thread.
package final class Flight<Outcome: Sendable>: Sendable {
    /// Somebody who waits.
    package struct Waiter: Sendable {
        fileprivate let id: FlightState.WaiterID
    }

    /// How a wait ended.
    package enum Landing: Sendable {
        case ended(Outcome)
        /// The waiter's deadline came before the request was sent.
        case late
        /// The waiter's task was cancelled.
        case left
    }

    private struct Core {
        var state: FlightState
        var continuations: [FlightState.WaiterID: CheckedContinuation<Landing, Never>] = [:]
        var whenHeld: [FlightState.WaiterID: @Sendable () -> Void] = [:]
        var outcome: Outcome?
        /// What only the one who began the fetch gets.
        var leaderOutcome: Outcome?
        var leaderHasLeft = false
        var late: Set<FlightState.WaiterID> = []
        var lastID: FlightState.WaiterID = 0
        var timer: DeadlineTimer
        var drop: (@Sendable () -> Void)?
        var isDropped = false

        /// Whether somebody began it who will still come for an outcome: a refresh that nobody waits for has no leader.
        var expectsLeader: Bool { lastID > 0 && !leaderHasLeft }
    }

    private static var leaderID: FlightState.WaiterID { 1 }

    /// How urgent the one who began it was; smaller is more urgent.
    let rank: Int
    private let core: Mutex<Core>
    private let time: Time

    init(rank: Int, isBackground: Bool, time: Time) {
        self.rank = rank
        self.time = time
        core = Mutex(Core(state: FlightState(isBackground: isBackground), timer: DeadlineTimer(time: time)))
    }

    // MARK: Waiting

    /// Registers somebody; nil when it has ended already. The first is the leader.
    func join(deadline: ContinuousClock.Instant) -> Waiter? {
        core.withLock { core in
            core.lastID += 1
            guard core.state.join(core.lastID, deadline: deadline) else { return nil }
            // Whoever begins a fetch with no patience at all may find a turn that is free: that is seen in `landing`.
            if time.now() < deadline { rearm(&core) }
            return Waiter(id: core.lastID)
        }
    }

    /// Returns when the fetch has ended, the deadline has come, or the waiting task is cancelled. Once per waiter.
    ///
    /// - Parameter whenHeld: is called, on any thread, whenever the request is refused for now and will be sent again.
    package func landing(of waiter: Waiter, whenHeld: (@Sendable () -> Void)? = nil) async -> Landing {
        defer { core.withLock { $0.whenHeld[waiter.id] = nil } }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let already = core.withLock { core -> Landing? in
                    if let landing = Self.landing(waiter.id, core) { return landing }
                    if Task.isCancelled { return .left }
                    core.whenHeld[waiter.id] = whenHeld
                    core.continuations[waiter.id] = continuation
                    rearm(&core)
                    return nil
                }
                if let already {
                    if case .left = already { leave(waiter) }
                    continuation.resume(returning: already)
                }
            }
        } onCancel: {
            leave(waiter)
        }
    }

    private static func landing(_ id: FlightState.WaiterID, _ core: Core) -> Landing? {
        if core.late.contains(id) { return .late }
        if id == leaderID, let outcome = core.leaderOutcome { return .ended(outcome) }
        return core.outcome.map { .ended($0) }
    }

    private func leave(_ waiter: Waiter) {
        let (continuation, drop) = core.withLock { core in
            if waiter.id == Self.leaderID { core.leaderHasLeft = true }
            let isPointless = core.state.leave(waiter.id)
            return (core.continuations.removeValue(forKey: waiter.id), isPointless ? Self.drop(&core) : nil)
        }
        continuation?.resume(returning: .left)
        drop?()
    }

    // MARK: Flying

    /// Whether its request has not gone upstream yet.
    var isQueued: Bool { core.withLock { $0.state.phase == .queued } }

    /// Whether its request has gone upstream.
    package var wasSent: Bool { core.withLock { $0.state.phase != .queued } }

    /// Whether somebody as urgent as `rank` may wait for it: one who is more urgent does not queue behind.
    func serves(rank: Int) -> Bool {
        core.withLock { $0.state.phase == .sent || ($0.state.phase == .queued && !$0.isDropped && self.rank <= rank) }
    }

    /// How to give the fetch up while it queues. Called at most once.
    package func onDrop(_ drop: @escaping @Sendable () -> Void) {
        let isDropped = core.withLock { core in
            if !core.isDropped { core.drop = drop }
            return core.isDropped
        }
        if isDropped { drop() }
    }

    /// The request goes upstream now.
    package func sent() {
        core.withLock { core in
            core.state.sent()
            core.timer.cancel()
        }
    }

    /// The request was refused for now and waits again: deadlines count, and whoever is left by all is dropped.
    ///
    /// - Parameter until: it surely waits for so long, and whose deadline comes sooner is told at once.
    package func held(until: ContinuousClock.Instant? = nil) {
        let (late, waiting, drop) = core.withLock { core in
            core.state.held()
            let late = until.map { Self.late(&core, by: $0) } ?? []
            rearm(&core)
            return (late, Array(core.whenHeld.values), core.state.isPointless ? Self.drop(&core) : nil)
        }
        for continuation in late { continuation.resume(returning: .late) }
        for tell in waiting { tell() }
        drop?()
    }

    /// Takes out those whose time is over then.
    private static func late(
        _ core: inout Core, by instant: ContinuousClock.Instant
    ) -> [CheckedContinuation<Landing, Never>] {
        let late = core.state.deadlinePassed(now: instant).late
        core.late.formUnion(late)
        if late.contains(leaderID) { core.leaderHasLeft = true }
        return late.compactMap { core.continuations.removeValue(forKey: $0) }
    }

    /// Everybody gets `outcome`, but for the leader where there is something that only one can have.
    ///
    /// - Returns: whether `leader` goes to somebody: a leader that left before does not get it.
    @discardableResult
    package func end(_ outcome: Outcome, leader: Outcome? = nil) -> Bool {
        let (landings, isTaken) = core.withLock { core -> ([(CheckedContinuation<Landing, Never>, Landing)], Bool) in
            _ = core.state.ended()
            core.outcome = outcome
            // A leader that joined and does not wait yet will come for it; one that left will not.
            let isAwaited = core.continuations[Self.leaderID] != nil
            let isExpected = !isAwaited && core.expectsLeader && core.leaderOutcome == nil
            if isExpected { core.leaderOutcome = leader }
            core.timer.cancel()
            core.drop = nil
            defer { core.continuations = [:] }
            let landings = core.continuations.map { id, continuation in
                (continuation, Landing.ended(id == Self.leaderID ? leader ?? outcome : outcome))
            }
            return (landings, leader != nil && (isAwaited || isExpected))
        }
        for (continuation, landing) in landings { continuation.resume(returning: landing) }
        return isTaken
    }

    /// The leader has what it needs; the others wait on. False, and nothing happens, if it has left.
    @discardableResult
    package func endForLeader(_ outcome: Outcome) -> Bool {
        let (continuation, isTaken) = core.withLock { core in
            _ = core.state.leave(Self.leaderID)
            let continuation = core.continuations.removeValue(forKey: Self.leaderID)
            let isExpected = continuation == nil && core.expectsLeader
            if isExpected { core.leaderOutcome = outcome }
            if continuation != nil { core.leaderHasLeft = true }
            return (continuation, continuation != nil || isExpected)
        }
        continuation?.resume(returning: .ended(outcome))
        return isTaken
    }

    private static func drop(_ core: inout Core) -> (@Sendable () -> Void)? {
        core.isDropped = true
        defer { core.drop = nil }
        return core.drop
    }

    // MARK: Deadlines

    private func rearm(_ core: inout Core) {
        guard let due = core.state.nextDeadline else { return core.timer.cancel() }
        if core.timer.fires(by: due) { return }
        core.timer.pull(to: due) { [weak self] in self?.deadlinePassed() }
    }

    private func deadlinePassed() {
        typealias Ended = (continuations: [CheckedContinuation<Landing, Never>], drop: (@Sendable () -> Void)?)
        let (continuations, drop) = core.withLock { core -> Ended in
            guard core.timer.fired() else { return ([], nil) }
            let late = Self.late(&core, by: time.now())
            rearm(&core)
            return (late, core.state.isPointless ? Self.drop(&core) : nil)
        }
        for continuation in continuations { continuation.resume(returning: .late) }
        drop?()
    }
}
