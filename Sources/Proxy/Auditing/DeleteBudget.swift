// How many deletes a caller may ask for in a span of time. Counted at the intent, given back for what was never sent,
// recomputed from the log at start.

import Configuration
import RateLimiting
import Synchronization

/// The rule, as a value: at most `limit` deletes of one caller in any span of the window's length.
struct DeleteBudgetState {
    private let limit: Int
    private let span: Duration
    private var spent: [String: [ContinuousClock.Instant]] = [:]

    init(_ window: GateWindow) {
        limit = window.limit
        span = window.span
    }

    /// Takes one delete out of the caller's budget; how long to wait when there is none left.
    mutating func take(_ caller: String, now: ContinuousClock.Instant) -> Duration? {
        var times = spent[caller, default: []]
        times.removeAll { $0 + span <= now }
        defer { spent[caller] = times }
        if times.count >= limit, let first = times.first { return first + span - now }
        times.append(now)
        return nil
    }

    /// Puts back what `take` took at this time: the delete was never sent.
    mutating func giveBack(_ caller: String, takenAt time: ContinuousClock.Instant) {
        guard let index = spent[caller]?.lastIndex(of: time) else { return }
        spent[caller]?.remove(at: index)
    }

    /// Counts a delete that an earlier process recorded. To be called oldest first, before any `take`.
    mutating func recall(_ caller: String, at time: ContinuousClock.Instant) {
        spent[caller, default: []].append(time)
    }
}

/// The budgets of all callers. Usable from every thread.
final class DeleteBudget: Sendable {
    private let state: Mutex<DeleteBudgetState>
    private let window: GateWindow

    init(_ window: GateWindow) {
        self.window = window
        state = Mutex(DeleteBudgetState(window))
    }

    /// Throws 429 `DeleteBudgetExceeded` when the caller has none left.
    func take(_ caller: String, now: ContinuousClock.Instant) throws(Failure) {
        guard let wait = state.withLock({ $0.take(caller, now: now) }) else { return }
        throw Failure(
            .deleteBudgetExceeded,
            "The caller '\(caller)' has used up its \(window.limit) deletes (audit.delete_budget).", retryAfter: wait)
    }

    func giveBack(_ caller: String, takenAt time: ContinuousClock.Instant) {
        state.withLock { $0.giveBack(caller, takenAt: time) }
    }

    func recall(_ caller: String, at time: ContinuousClock.Instant) {
        state.withLock { $0.recall(caller, at: time) }
    }
}
