// The one gate of the process: the shell around `GateState`, with its lock, its one timer and those who are suspended in
// it. A call that need not wait takes the lock once and does not suspend.

import Ground
import Synchronization

/// Lets calls through as the limits, upstream's pauses and fairness allow. Safe to use from any thread.
package final class Gate: Sendable {
    private typealias Outcome = Result<GateState.Ticket, Refusal>
    private typealias Waiter = CheckedContinuation<Outcome, Never>

    private struct Core {
        var state: GateState
        var timer: DeadlineTimer
        var waiters: [GateState.ID: Waiter] = [:]
    }

    private let time: Time
    private let start: ContinuousClock.Instant
    private let core: Mutex<Core>
    private let ids = Atomic<UInt64>(0)

    /// A gate that begins as if half a burst had been spent. `seed` is for jitter. `passesTokens`: tools bring their own tokens,
    /// and the windows are those of each token's client.
    package init(limits: GateLimits, passesTokens: Bool = false, time: Time = .system, seed: UInt64) {
        self.time = time
        start = time.now()
        let state = GateState(limits: limits, passesTokens: passesTokens, seed: seed)
        core = Mutex(Core(state: state, timer: DeadlineTimer(time: time)))
    }

    // MARK: Coming

    /// A permit if the call may go now and nobody who waits could; never suspends.
    package func tryAdmit(_ request: GateRequest) -> Permit? {
        let id = ids.wrappingAdd(1, ordering: .relaxed).newValue
        return settle { state, now in state.tried(id, request, now: now) }
            .map { Permit(gate: self, ticket: $0) }
    }

    /// A permit, as soon as it is the call's turn.
    ///
    /// Refused at once if that can surely not be within `request.wait`, and else when that is over. A caller whose
    /// task is cancelled gives its place back at once and gets `.cancelled`, never a permit.
    ///
    /// - Parameter waits: hears how it stands if it has to wait, before it does. Called under the gate's lock: brief, and
    ///   without a word to the gate.
    package func admit(
        _ request: GateRequest, waits: (@Sendable (Wait) -> Void)? = nil
    ) async throws(Refusal) -> Permit {
        if let permit = tryAdmit(request) { return permit }
        let id = ids.wrappingAdd(1, ordering: .relaxed).newValue
        let ticket = try await turn(id, waits) { state, now in state.arrived(id, request, now: now) }.get()
        let permit = Permit(gate: self, ticket: ticket)
        // Cancelled after the permit was given, but before it could be used: it goes back as `permit` ends here.
        if Task.isCancelled { throw Refusal(reason: .cancelled, retryAfter: nil) }
        return permit
    }

    /// Why such a call would be refused at once if it asked for its turn now; nil if it would go or wait. For callers
    /// that wait for a turn which somebody else asks for. Counts as a refusal.
    package func refusal(of request: GateRequest) -> Refusal? {
        settle { state, now in state.judged(request, now: now) }
    }

    /// What to tell a caller whose patience has ended while it waited for a turn which somebody else asks for. Counts
    /// as a refusal.
    package func refusalOfLate(_ request: GateRequest) -> Refusal {
        settle { state, now in state.cameTooLate(request, now: now) }
    }

    // MARK: What permits do

    func sending(_ ticket: inout GateState.Ticket) -> Bool {
        settle { state, now in state.sending(&ticket, now: now) }
    }

    func mayStillSend(_ ticket: GateState.Ticket) -> Bool {
        settle { state, now in
            let turn = state.passed(now: now)
            return (state.mayStillSend(ticket, now: now), turn)
        }
    }

    func left(_ ticket: GateState.Ticket) {
        settle { state, now in ((), state.left(ticket, now: now)) }
    }

    /// - Parameter place: of the latest send; it ends here if it has not ended yet.
    func again(
        _ ticket: GateState.Ticket, _ place: Place?, _ waits: (@Sendable (Wait) -> Void)?
    ) async -> Result<GateState.Ticket, Refusal> {
        await turn(ticket.id, waits) { state, now in
            var ticket = ticket
            if let place, !place.claimEnd() { ticket.phase = .outside }
            return state.arrivedAgain(ticket, now: now)
        }
    }

    /// - Parameter isOver: whether the place has ended, asked under the lock: who ended it gives it back after that.
    func becomesLong(_ ticket: GateState.Ticket, isOver: () -> Bool) -> Bool {
        core.withLock { core in isOver() || core.state.becomesLong(ticket.id) }
    }

    var placeDemand: PlaceDemand {
        settle { state, now in
            let turn = state.passed(now: now)
            return (state.placeDemand(now: now), turn)
        }
    }

    func accepted(_ ticket: GateState.Ticket) {
        settle { state, now in ((), state.accepted(ticket, now: now)) }
    }

    func refusedUpstream(_ ticket: GateState.Ticket, _ cause: LimitCause, _ retryAfter: RetryAfter) -> Closing {
        settle { state, now in
            let (closing, whose, turn) = state.refusedUpstream(ticket, cause: cause, retryAfter: retryAfter, now: now)
            let told = Closing(
                scope: closing.scope, cause: cause, remaining: .nanoseconds(max(closing.end - now, 0)), whose: whose)
            return (told, turn)
        }
    }

    // MARK: Upstream is down

    /// Upstream is down, or still is: whoever waits is let go with this reason, and whoever comes is refused. `next`: after
    /// how long it is looked at again, which the refused are told.
    package func shut(_ reason: Refusal.Reason, next: Duration) {
        settle { state, now in
            ((), state.shut(.init(reason: reason, until: now + next.clampedNanoseconds), now: now))
        }
    }

    /// Upstream is back.
    package func open() {
        settle { state, now in ((), state.opened(now: now)) }
    }

    // MARK: What others see

    /// How long calls like this one can surely not go; nil if they may or might. Whoever has an older answer need not
    /// wait that long.
    package func pause(for request: GateRequest) -> Duration? {
        settle { state, now in
            let turn = state.passed(now: now)
            return (state.pause(for: request.lane, now: now), turn)
        }
    }

    /// `RateLimit-Policy` and `RateLimit` for the answer to such a call; nil without windows.
    package func rateLimitFields(for request: GateRequest) -> RateLimitFields? {
        settle { state, now in
            let turn = state.passed(now: now)
            return (state.rateLimitFields(for: request.lane, own: request, now: now), turn)
        }
    }

    /// Whether such a call would have to wait for windows of its caller's own, though others could go.
    package func isHeldByOwnWindows(_ request: GateRequest) -> Bool {
        guard !request.windows.isEmpty else { return false }
        return settle { state, now in
            let turn = state.passed(now: now)
            return (!state.limits.observe && state.callers.opening(of: request, now: now) > now, turn)
        }
    }

    /// What is left of all that limits such a call.
    package func budget(for request: GateRequest) -> GateBudget {
        settle { state, now in
            let turn = state.passed(now: now)
            return (state.budget(for: request, now: now), turn)
        }
    }

    /// What is left of the configured windows; where tools bring their own tokens, to the client that has used most.
    package var busiestBudget: GateBudget {
        settle { state, now in
            let turn = state.passed(now: now)
            return (state.busiestBudget(now: now), turn)
        }
    }

    /// How it stands now.
    package var statistics: GateStatistics {
        settle { state, now in
            let turn = state.passed(now: now)
            return (state.statistics(now: now), turn)
        }
    }

    /// Whether nobody is in, nobody waits and no pause holds.
    package var isIdle: Bool {
        settle { state, now in
            let turn = state.passed(now: now)
            return (state.isIdle(now: now), turn)
        }
    }

    /// Puts other limits in force. Those who are in or wait stay, and what was spent stays spent.
    ///
    /// - Parameter shares: `GateRequest.maxInFlight` of callers by name, for their calls that wait already. Whoever is not
    ///   named keeps what it has until its next call says otherwise.
    package func update(limits: GateLimits, shares: [String: Int] = [:]) {
        settle { state, now in ((), state.changed(to: limits, shares: shares, now: now)) }
    }

    // MARK: The shell

    private var now: Nanoseconds { start.duration(to: time.now()).clampedNanoseconds }

    private func turn(
        _ id: GateState.ID, _ waits: (@Sendable (Wait) -> Void)?,
        _ arrive: (inout GateState, Nanoseconds) -> (GateState.Entry, GateState.Turn)
    ) async -> Outcome {
        await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in
                let answer = settleCore { core, now -> (Outcome?, GateState.Turn) in
                    // Cancellation sets the flag before it runs the handler: either it is seen here, or the handler
                    // comes after this lock and finds the waiter.
                    let (entry, turn) = arrive(&core.state, now)
                    switch entry {
                    case .admitted(let ticket): return (.success(ticket), turn)
                    case .refused(let refusal): return (.failure(refusal), turn)
                    case .queued(let wait):
                        if Task.isCancelled, core.state.cancelled(id) {
                            return (.failure(Refusal(reason: .cancelled, retryAfter: nil)), turn)
                        }
                        core.waiters[id] = waiter
                        waits?(wait)
                        return (nil, turn)
                    }
                }
                if let answer { waiter.resume(returning: answer) }
            }
        } onCancel: {
            let waiter = core.withLock { core in
                core.state.cancelled(id) ? core.waiters.removeValue(forKey: id) : nil
            }
            waiter?.resume(returning: .failure(Refusal(reason: .cancelled, retryAfter: nil)))
        }
    }

    func settle<Answer>(_ event: (inout GateState, Nanoseconds) -> (Answer, GateState.Turn)) -> Answer {
        settleCore { core, now in event(&core.state, now) }
    }

    /// Runs one event of the state machine and resumes those whom it names, outside the lock.
    private func settleCore<Answer>(_ event: (inout Core, Nanoseconds) -> (Answer, GateState.Turn)) -> Answer {
        let (answer, resumed) = core.withLock { core -> (Answer, [(Waiter, Outcome)]) in
            // Read under the lock, so that the state sees time run one way.
            let now = now
            let (answer, turn) = event(&core, now)
            rearm(&core, now: now)
            return (answer, resumptions(of: turn, &core))
        }
        for (waiter, outcome) in resumed { waiter.resume(returning: outcome) }
        return answer
    }

    private func resumptions(of turn: GateState.Turn, _ core: inout Core) -> [(Waiter, Outcome)] {
        var resumed: [(Waiter, Outcome)] = []
        for ticket in turn.admitted {
            if let waiter = core.waiters.removeValue(forKey: ticket.id) { resumed.append((waiter, .success(ticket))) }
        }
        for (id, refusal) in turn.refused {
            if let waiter = core.waiters.removeValue(forKey: id) { resumed.append((waiter, .failure(refusal))) }
        }
        return resumed
    }

    /// Sees to it that the timer fires no later than the next event.
    private func rearm(_ core: inout Core, now: Nanoseconds) {
        guard let due = core.state.nextEvent(now: now) else { return }
        core.timer.pull(to: start.advanced(by: .nanoseconds(due))) { self.wake() }
    }

    private func wake() {
        settleCore { core, now in
            guard core.timer.fired() else { return ((), GateState.Turn()) }
            return ((), core.state.passed(now: now))
        }
    }
}
