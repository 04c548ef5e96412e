// How many repetitions upstream may cost: a share of the calls, so that retries cannot multiply the load of an outage.
// Counts in hundredths of a retry, so that the share is exact.

import Synchronization

/// The arithmetic of a retry budget.
struct RetryBudgetState: Sendable {
    private static let oneRetry = 100

    private let percent: Int
    private let capacity: Int
    private var credit: Int

    /// `percent` retries for a hundred calls; begins with `initial` retries and never saves up more than `capacity`.
    init(percent: Int, initial: Int, capacity: Int) {
        self.percent = min(max(percent, 0), 100)
        self.capacity = max(capacity, 0) * Self.oneRetry
        self.credit = min(max(initial, 0) * Self.oneRetry, self.capacity)
    }

    /// Whole retries left.
    var available: Int { credit / Self.oneRetry }

    mutating func recordCall() { credit = min(credit + percent, capacity) }

    mutating func tryRetry() -> Bool {
        guard credit >= Self.oneRetry else { return false }
        credit -= Self.oneRetry
        return true
    }
}

/// Bounds the repetitions of calls. Safe to use from any thread.
package final class RetryBudget: Sendable {
    private let state: Mutex<RetryBudgetState>

    /// A budget of `percent` retries for a hundred calls that begins with a credit of `initial` retries. What calm
    /// hours save up is capped at `capacity` retries, lest an outage that follows is met with all of it.
    package init(percent: Int = 20, initial: Int = 10, capacity: Int = 50) {
        state = Mutex(RetryBudgetState(percent: percent, initial: initial, capacity: capacity))
    }

    /// Counts a call by a tool. To be called once for each, not for its repetitions.
    package func recordCall() { state.withLock { $0.recordCall() } }

    /// Whether one repetition may be made; if so it is paid for.
    package func tryRetry() -> Bool { state.withLock { $0.tryRetry() } }

    /// Repetitions that could be made now.
    package var available: Int { state.withLock { $0.available } }
}
