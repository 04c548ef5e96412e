// The shell around `MemberState`: its lock, its one timer, its one question to the engine, and those of its calls that wait.

import Ground
import Synchronization

/// This process's place in a fleet. Safe to use from any thread.
package final class FleetSeat: Sendable {
    /// A call may go, if it goes before `until`.
    package struct Pass: Sendable {
        package let until: ContinuousClock.Instant
    }

    /// What the seat tells the process that it is in. Called from any thread, one after the other, and brief.
    package struct Ears: Sendable {
        package var others: @Sendable (_ calls: Int, _ runs: Int) -> Void
        package var adopt: @Sendable ([[FleetCount]]) -> Void
        package var pauses: @Sendable ([FleetPause]) -> Void
        package var tell: @Sendable (MemberState.Word) -> Void

        package init(
            others: @escaping @Sendable (_ calls: Int, _ runs: Int) -> Void,
            adopt: @escaping @Sendable ([[FleetCount]]) -> Void,
            pauses: @escaping @Sendable ([FleetPause]) -> Void, tell: @escaping @Sendable (MemberState.Word) -> Void
        ) {
            (self.others, self.adopt, self.pauses, self.tell) = (others, adopt, pauses, tell)
        }
    }

    /// How it stands, for people and metrics.
    package struct Standing: Sendable {
        package let engine: String
        package let name: String
        package let id: FleetMemberID
        /// Living members, this one among them, as last heard.
        package let members: Int
        /// Why the engine cannot be asked; nil: it can.
        package let cut: String?
        package let used: [Int]
        package let policy: FleetPolicy
        package let waiting: Int
    }

    private typealias Waiter = CheckedContinuation<Pass?, Never>

    private struct Core {
        var state: MemberState
        var timer: DeadlineTimer
        var waiters: [MemberState.Ticket: Waiter] = [:]
        var ears: Ears?
        var started: CheckedContinuation<FleetError?, Never>?
        var hasLeft = false
    }

    package let ledger: any FleetLedger
    package let id: FleetMemberID
    private let time: Time
    private let start: ContinuousClock.Instant
    private let core: Mutex<Core>
    private let tickets = Atomic<UInt64>(0)

    package init(_ settings: MemberState.Settings, ledger: any FleetLedger, time: Time) {
        self.ledger = ledger
        id = settings.id
        self.time = time
        start = time.now()
        core = Mutex(Core(state: MemberState(settings, now: 0), timer: DeadlineTimer(time: time)))
    }

    /// Takes its place. Returns when it has it, or when it is known that the engine cannot be asked for now.
    ///
    /// - Throws: what forbids to take part; one that comes too early after another's death waits for it to be noticed.
    package func take(_ ears: Ears) async throws(FleetError) {
        core.withLock { $0.ears = ears }
        let patience = time.now() + .milliseconds(Ledger.memberLife + 500)
        while true {
            let error = await withCheckedContinuation { continuation in
                core.withLock { $0.started = continuation }
                event { state, now in state.passed(now: now) }
            }
            guard let error, error.forbidsStart else { return }
            guard case .full = error, time.now() < patience else {
                await leave()
                throw error
            }
            try? await time.sleep(time.now() + .milliseconds(100))
        }
    }

    /// Gives its place up: its counts stay.
    package func leave() async {
        let waiters = core.withLock { core in
            core.hasLeft = true
            core.timer.cancel()
            defer { core.waiters = [:] }
            return core.waiters.values.map { $0 }
        }
        for waiter in waiters { waiter.resume(returning: nil) }
        await ledger.leave(id)
    }

    private static let patience = Duration.milliseconds(150)

    /// Waits until a call may go; nil when `deadline` has come before, or its task was cancelled.
    package func pass(_ ask: FleetAsk, deadline: ContinuousClock.Instant) async -> Pass? {
        let ticket = tickets.wrappingAdd(1, ordering: .relaxed).newValue
        // Who would not wait at all has to wait for the ledger's word all the same.
        let until = max(deadline, time.now() + Self.patience)
        let guardian = Task { [time] in
            try? await time.sleep(until)
            if !Task.isCancelled { self.giveUp(ticket) }
        }
        defer { guardian.cancel() }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in
                let isOver = core.withLock { core in
                    if Task.isCancelled || core.hasLeft { return true }
                    core.waiters[ticket] = waiter
                    return false
                }
                if isOver { return waiter.resume(returning: nil) }
                event { state, now in state.wants(ticket, ask, now: now) }
            }
        } onCancel: {
            giveUp(ticket)
        }
    }

    private func giveUp(_ ticket: MemberState.Ticket) {
        let waiter = core.withLock { core in
            core.state.left(ticket)
            return core.waiters.removeValue(forKey: ticket)
        }
        waiter?.resume(returning: nil)
    }

    /// Who takes part; none where the engine cannot be asked, or does not answer within a quarter of a second.
    package func members() async -> [FleetMember] {
        guard standing.cut == nil else { return [] }
        return await withTaskGroup(of: [FleetMember]?.self) { group in
            group.addTask { [self] in try? await ledger.members(asking: id) }
            group.addTask { [time] in
                try? await time.sleep(time.now() + .milliseconds(250))
                return nil
            }
            defer { group.cancelAll() }
            return (await group.next() ?? nil) ?? []
        }
    }

    /// Returns after so long.
    package func wait(_ duration: Duration) async { try? await time.sleep(time.now() + duration) }

    /// Whether a pass still holds, right before the send.
    package func holds(_ pass: Pass) -> Bool { time.now() < pass.until }

    /// How it stands.
    package var standing: Standing {
        core.withLock { core in
            let state = core.state
            return Standing(
                engine: ledger.engine, name: state.settings.name, id: id,
                members: state.cutBecause == nil ? max(state.view?.members.count ?? 1, 1) : 1, cut: state.cutBecause,
                used: state.view?.used ?? [], policy: state.settings.policy, waiting: state.waiting)
        }
    }

    // MARK: The shell

    private var now: Nanoseconds { start.duration(to: time.now()).clampedNanoseconds }

    private func event(_ event: (inout MemberState, Nanoseconds) -> [MemberState.Action]) {
        let (given, ears, told) = core.withLock { core -> ([(Waiter, Pass)], Ears?, [MemberState.Action]) in
            guard !core.hasLeft else { return ([], nil, []) }
            core.state.membersGoAlone = ledger.membersGoAlone
            let actions = event(&core.state, now)
            var given: [(Waiter, Pass)] = []
            var told: [MemberState.Action] = []
            for action in actions {
                switch action {
                case .ask(let question, let number): ask(question, number)
                case .give(let ticket, let until):
                    guard let waiter = core.waiters.removeValue(forKey: ticket) else { continue }
                    given.append((waiter, Pass(until: start.advanced(by: .nanoseconds(until)))))
                default: told.append(action)
                }
            }
            rearm(&core)
            return (given, core.ears, told)
        }
        if let ears { for action in told { tell(action, ears) } }
        // An engine that does not answer is no reason not to start.
        if told.contains(where: { if case .tell(.cut) = $0 { true } else { false } }) { joined(nil) }
        for (waiter, pass) in given { waiter.resume(returning: pass) }
    }

    private func tell(_ action: MemberState.Action, _ ears: Ears) {
        switch action {
        case .others(let calls, let runs): ears.others(calls, runs)
        case .adopt(let history): ears.adopt(history)
        case .pauses(let pauses): ears.pauses(pauses)
        case .tell(let word):
            ears.tell(word)
        case .ask, .give: break
        }
    }

    private func ask(_ question: MemberState.Question, _ number: UInt64) {
        Task.detached { [weak self] in
            guard let self else { return }
            let answer = await answer(to: question)
            // After the answer is taken in: what was sent before this process began is known when `take` returns.
            event { state, now in state.answered(answer, number: number, now: now) }
            if case .join = question { joined(answer) }
        }
    }

    private func joined(_ answer: MemberState.Answer?) {
        let started = core.withLock { core in core.started.take() }
        if case .failed(let error) = answer {
            started?.resume(returning: error)
        } else {
            started?.resume(returning: nil)
        }
    }

    private func answer(to question: MemberState.Question) async -> MemberState.Answer {
        do throws(FleetError) {
            switch question {
            case .join(let hello): return .joined(try await ledger.join(hello))
            case .acquire(let asks, let seen): return .granted(try await ledger.acquire(asks, by: id, seen: seen))
            case .report(let report, let seen): return .reported(try await ledger.report(report, by: id, seen: seen))
            }
        } catch {
            return .failed(error)
        }
    }

    private func rearm(_ core: inout Core) {
        let due = start.advanced(by: .nanoseconds(core.state.nextEvent(now: now)))
        core.timer.set(to: due) { [weak self] in
            guard let self else { return }
            let counts = self.core.withLock { $0.timer.fired() }
            if counts { event { state, now in state.passed(now: now) } }
        }
    }
}
