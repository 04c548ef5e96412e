// How many deletes a caller may ask for in a span of time. Counted at the intent, given back for what was never sent,
// recomputed from the log at start.

import Configuration
import RateLimiting
import Synchronization

/// The rule, as a value: at most `limit` deletes of one caller in any span of the window's length.
struct DeleteBudgetState {
    private var limit: Int
    private var span: Duration
    private var spent: [String: [ContinuousClock.Instant]] = [:]
    private var sweepAt = 64

    init(_ window: GateWindow) {
        limit = window.limit
        span = window.span
    }

    /// Takes one delete out of the caller's budget; how long to wait when there is none left.
    mutating func take(_ caller: String, now: ContinuousClock.Instant) -> Duration? {
        if spent.count >= sweepAt { sweep(now: now) }
        var times = spent[caller, default: []]
        times.removeAll { $0 + span <= now }
        defer { spent[caller] = times }
        if times.count >= limit, let first = times.first { return first + span - now }
        times.append(now)
        return nil
    }

    /// How long a caller would have to wait for a delete; nil: it would not. Takes none.
    func wait(_ caller: String, now: ContinuousClock.Instant) -> Duration? {
        let times = spent[caller, default: []].filter { $0 + span > now }
        return times.count >= limit ? times.first.map { $0 + span - now } : nil
    }

    /// How long ago what was taken before was taken.
    func ages(_ caller: String, before now: ContinuousClock.Instant) -> [Duration] {
        spent[caller, default: []].filter { $0 < now }.map { $0.duration(to: now) }
    }

    /// Puts back what `take` took at this time: the delete was never sent.
    mutating func giveBack(_ caller: String, takenAt time: ContinuousClock.Instant) {
        guard let index = spent[caller]?.lastIndex(of: time) else { return }
        spent[caller]?.remove(at: index)
    }

    /// Forgets callers of whom nothing counts any more: an issuer can vouch for any number of persons.
    private mutating func sweep(now: ContinuousClock.Instant) {
        spent = spent.filter { entry in entry.value.contains { $0 + span > now } }
        sweepAt = 2 * spent.count + 64
    }

    /// Another window holds from now on. What was taken within the former span is known; `recorded` tells what the log says of
    /// the time before, oldest first.
    mutating func change(
        to window: GateWindow, recorded: [(caller: String, at: ContinuousClock.Instant)], now: ContinuousClock.Instant
    ) {
        let known = now - span
        (limit, span) = (window.limit, window.span)
        for (caller, times) in spent { spent[caller] = times.filter { $0 > known } }
        for (caller, at) in recorded.reversed() where at <= known { spent[caller, default: []].insert(at, at: 0) }
    }

    /// Counts a delete that an earlier process recorded. To be called oldest first, before any `take`.
    mutating func recall(_ caller: String, at time: ContinuousClock.Instant) {
        spent[caller, default: []].append(time)
    }
}

/// The budgets of all callers. Usable from every thread.
final class DeleteBudget: Sendable {
    private typealias InForce = (window: GateWindow, state: DeleteBudgetState)

    /// Nil: there is no limit, and nothing is counted.
    private let inForce: Mutex<InForce?>
    /// Others whose deletes count too; nil: there are none.
    let shared: SharedBudget?

    init(_ window: GateWindow?, shared: SharedBudget? = nil) {
        self.shared = shared
        inForce = Mutex(window.map { ($0, DeleteBudgetState($0)) })
    }

    /// Counts it for the whole fleet, after `take` has for this process. Throws 429 where the others have left none, 503 where
    /// nobody can tell; then it is not counted here either.
    func takeShared(_ caller: String, takenAt now: ContinuousClock.Instant) async throws(Failure) {
        guard let shared, let window = inForce.withLock({ $0?.window }) else { return }
        // What this process's log holds, but for the one that was just taken.
        let spent = inForce.withLock { $0?.state.ages(caller, before: now) ?? [] }
        do throws(Failure) {
            guard let wait = try await shared.take(caller, window, spent) else { return }
            throw Self.spent(caller, window.limit, wait)
        } catch {
            inForce.withLock { $0?.state.giveBack(caller, takenAt: now) }
            throw error
        }
    }

    /// Throws 429 `DeleteBudgetExceeded` when the caller has none left.
    func take(_ caller: String, now: ContinuousClock.Instant) throws(Failure) {
        let refusal = inForce.withLock { budget in
            budget?.state.take(caller, now: now).map { ($0, budget?.window.limit ?? 0) }
        }
        guard let (wait, limit) = refusal else { return }
        throw Self.spent(caller, limit, wait)
    }

    /// What `take` would throw now. Takes none.
    func refusal(_ caller: String, now: ContinuousClock.Instant) -> Failure? {
        inForce.withLock { budget in
            budget?.state.wait(caller, now: now).map { Self.spent(caller, budget?.window.limit ?? 0, $0) }
        }
    }

    private static func spent(_ caller: String, _ limit: Int, _ wait: Duration) -> Failure {
        Failure(
            .deleteBudgetExceeded,
            "The caller '\(CallerID.shown(caller))' has used up its \(limit) deletes (audit.delete_budget).",
            retryAfter: wait)
    }

    func giveBack(_ caller: String, takenAt time: ContinuousClock.Instant) {
        shared?.giveBack(caller)
        inForce.withLock { $0?.state.giveBack(caller, takenAt: time) }
    }

    func recall(_ caller: String, at time: ContinuousClock.Instant) {
        inForce.withLock { $0?.state.recall(caller, at: time) }
    }

    /// Another window, or none, holds from now on. What was taken under a former one stays taken.
    ///
    /// - Parameter recorded: the deletes of the log within the new span, oldest first.
    func change(
        to window: GateWindow?, recorded: [(caller: String, at: ContinuousClock.Instant)], now: ContinuousClock.Instant
    ) {
        inForce.withLock { budget in
            guard let window else { return budget = nil }
            guard budget == nil else {
                budget?.state.change(to: window, recorded: recorded, now: now)
                budget?.window = window
                return
            }
            var state = DeleteBudgetState(window)
            for (caller, at) in recorded { state.recall(caller, at: at) }
            budget = (window, state)
        }
    }
}
