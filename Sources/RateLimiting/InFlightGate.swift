// Lets at most N calls be upstream at once: the shell around `InFlightState`, with its lock, its one timer and those
// who are suspended in it. Letting in and out without a queue takes the lock once and neither suspends nor allocates.

import Synchronization

/// A gate with a bounded number of permits and a bounded, first-come queue. Safe to use from any thread.
public final class InFlightGate: Sendable {
    /// How many may be in and wait.
    public struct Limits: Sendable, Equatable {
        /// Permits out at the same time; at least 1.
        public let maxInFlight: Int
        /// Callers that may wait; 0 refuses whenever all permits are out.
        public let maxQueue: Int
        /// The longest that anybody waits.
        public let maxWait: Duration

        /// Limits; values out of range are put at the nearest end.
        public init(maxInFlight: Int, maxQueue: Int, maxWait: Duration) {
            self.maxInFlight = max(maxInFlight, 1)
            self.maxQueue = max(maxQueue, 0)
            self.maxWait = max(maxWait, .zero)
        }
    }

    /// How the gate stands. A snapshot.
    public struct Statistics: Sendable, Equatable {
        /// Permits that are out.
        public let inFlight: Int
        /// Callers that wait.
        public let queued: Int
        /// Moving average of how long a permit is held; nil before the first came back.
        public let averageHold: Duration?
    }

    private typealias Instant = ContinuousClock.Instant
    /// The moment of admission, or why not.
    private typealias Outcome = Result<Instant, GateRefusal>
    private typealias Waiter = CheckedContinuation<Outcome, Never>

    private struct Core {
        var state: InFlightState
        var waiters: [InFlightState.WaiterID: Waiter] = [:]
        var timer: (due: Instant, task: Task<Void, Never>)?
    }

    private let time: GateTime
    private let core: Mutex<Core>
    private let waiterIDs = Atomic<UInt64>(0)

    /// An empty gate.
    public init(limits: Limits, time: GateTime = .system) {
        self.time = time
        self.core = Mutex(Core(state: InFlightState(limits: limits)))
    }

    /// A permit if one is free and nobody waits for it; never suspends.
    public func tryEnter() -> Permit? {
        let now = time.now()
        guard core.withLock({ $0.state.tryEnter(now: now) }) else { return nil }
        return Permit(gate: self, admittedAt: now)
    }

    /// A permit, after a wait of at most `wait` and never more than the limits' `maxWait`.
    ///
    /// First come, first served. A caller whose task is cancelled gives its place back at once and gets `.cancelled`,
    /// never a permit.
    public func enter(wait: Duration? = nil) async throws(GateRefusal) -> Permit {
        if let permit = tryEnter() { return permit }
        let permit = Permit(gate: self, admittedAt: try await turn(wait: wait).get())
        // Cancelled after the permit was given, but before it could be used: it goes back as `permit` ends here.
        if Task.isCancelled { throw .cancelled }
        return permit
    }

    /// Puts other limits in force. Those who are in or wait stay.
    public func update(limits: Limits) {
        settle { state, now in state.changed(to: limits, now: now) }
    }

    /// How it stands now.
    public var statistics: Statistics {
        core.withLock {
            Statistics(inFlight: $0.state.inFlight, queued: $0.state.queued, averageHold: $0.state.averageHold)
        }
    }

    fileprivate func leave(admittedAt: ContinuousClock.Instant) {
        settle { state, now in state.left(heldFor: admittedAt.duration(to: now), now: now) }
    }

    // MARK: The shell

    private func turn(wait: Duration?) async -> Outcome {
        let id = waiterIDs.wrappingAdd(1, ordering: .relaxed).newValue
        return await withTaskCancellationHandler {
            await withCheckedContinuation { queue(id, wait: wait, $0) }
        } onCancel: {
            let waiter = core.withLock { core in
                core.state.cancelled(id) ? core.waiters.removeValue(forKey: id) : nil
            }
            waiter?.resume(returning: .failure(.cancelled))
        }
    }

    private func queue(_ id: InFlightState.WaiterID, wait: Duration?, _ waiter: Waiter) {
        let answer = core.withLock { core -> Outcome? in
            // Cancellation sets the flag before it runs the handler: either it is seen here, or the handler comes
            // after this lock and finds the waiter.
            if Task.isCancelled { return .failure(.cancelled) }
            let now = time.now()
            switch core.state.enter(id, wait: wait, now: now) {
            case .admitted: return .success(now)
            case .refused(let refusal): return .failure(refusal)
            case .queued:
                core.waiters[id] = waiter
                rearm(&core)
                return nil
            }
        }
        if let answer { waiter.resume(returning: answer) }
    }

    /// Runs one event of the state machine and resumes those whom it names, outside the lock.
    private func settle(_ event: (inout InFlightState, Instant) -> InFlightState.Turn) {
        let now = time.now()
        let resumed = core.withLock { core -> [(Waiter, Outcome)] in
            resumptions(of: event(&core.state, now), now: now, &core)
        }
        for (waiter, result) in resumed { waiter.resume(returning: result) }
    }

    private func resumptions(
        of turn: InFlightState.Turn, now: Instant, _ core: inout Core
    ) -> [(Waiter, Outcome)] {
        var resumed: [(Waiter, Outcome)] = []
        for id in turn.admitted {
            if let waiter = core.waiters.removeValue(forKey: id) { resumed.append((waiter, .success(now))) }
        }
        for refused in turn.refused {
            if let waiter = core.waiters.removeValue(forKey: refused.id) {
                resumed.append((waiter, .failure(refused.refusal)))
            }
        }
        return resumed
    }

    /// Sees to it that the timer ends no later than the earliest deadline. One that ends too early, since its waiter
    /// has gone, finds nothing to do: cheaper than moving it at every departure.
    private func rearm(_ core: inout Core) {
        guard let due = core.state.nextDeadline else { return }
        if let timer = core.timer {
            guard due < timer.due else { return }
            timer.task.cancel()
        }
        core.timer = (due, Task.detached { await self.wake(due) })
    }

    private func wake(_ due: Instant) async {
        try? await time.sleep(due)
        let now = time.now()
        let resumed = core.withLock { core -> [(Waiter, Outcome)] in
            // A timer that was replaced is cancelled under this lock.
            if Task.isCancelled { return [] }
            core.timer = nil
            let resumed = resumptions(of: core.state.deadlinePassed(now: now), now: now, &core)
            rearm(&core)
            return resumed
        }
        for (waiter, result) in resumed { waiter.resume(returning: result) }
    }
}

/// The right to have one call upstream. It goes back to its gate when it ends: at the end of its scope or when it is
/// released, whichever comes first, and the compiler sees to it that this happens once.
public struct Permit: ~Copyable, Sendable {
    private let gate: InFlightGate
    /// When it was given.
    public let admittedAt: ContinuousClock.Instant

    fileprivate init(gate: InFlightGate, admittedAt: ContinuousClock.Instant) {
        self.gate = gate
        self.admittedAt = admittedAt
    }

    /// Gives it back now.
    public consuming func release() {}

    deinit { gate.leave(admittedAt: admittedAt) }
}
