// A clock that moves only when a test moves it. Sleeps on it end when `advance` reaches their deadline or when their
// task is cancelled, and a test can await "n sleepers are waiting", so that no test ever sleeps or polls itself.
// Relies on nothing but its lock; every method may be called from any thread.

import Synchronization

/// A hand-moved clock. Its instants are those of `ContinuousClock`, so it can stand in wherever that one is injected.
public final class TestClock: Clock, Sendable {
    /// The instants of the clock that this one stands in for.
    public typealias Instant = ContinuousClock.Instant

    private struct Sleeper {
        let deadline: Instant
        let continuation: CheckedContinuation<Void, any Error>
    }

    private struct Watcher {
        let isSatisfied: @Sendable ([Instant]) -> Bool
        let continuation: CheckedContinuation<Void, any Error>
    }

    private struct State {
        var now: Instant
        var nextID: UInt64 = 0
        var sleepers: [UInt64: Sleeper] = [:]
        var watchers: [UInt64: Watcher] = [:]

        /// Takes out the watchers whose condition holds now.
        mutating func satisfied() -> [CheckedContinuation<Void, any Error>] {
            let deadlines = sleepers.values.map(\.deadline)
            let done = watchers.filter { $0.value.isSatisfied(deadlines) }
            for id in done.keys { watchers[id] = nil }
            return done.values.map(\.continuation)
        }
    }

    private let start: Instant
    private let state: Mutex<State>

    /// A clock that stands still at an arbitrary instant.
    public init() {
        let start = ContinuousClock.now
        self.start = start
        self.state = Mutex(State(now: start))
    }

    /// Where the clock stands.
    public var now: Instant { state.withLock { $0.now } }

    /// How far the clock has been moved since it was made.
    public var elapsed: Duration { start.duration(to: now) }

    /// One nanosecond.
    public var minimumResolution: Duration { .nanoseconds(1) }

    /// The instant that lies `offset` after the clock's making.
    public func instant(_ offset: Duration) -> Instant { start.advanced(by: offset) }

    // MARK: Moving

    /// Moves the clock and wakes every sleeper whose deadline was reached, the earliest first.
    /// Sleepers see the new `now`; those that go back to sleep are not woken a second time by the same move.
    public func advance(by duration: Duration) {
        let (woken, satisfied) = state.withLock { state in
            state.now = state.now.advanced(by: max(duration, .zero))
            let now = state.now
            let due = state.sleepers.filter { $0.value.deadline <= now }
            for id in due.keys { state.sleepers[id] = nil }
            let woken = due.values.sorted { $0.deadline < $1.deadline }.map(\.continuation)
            return (woken, state.satisfied())
        }
        for continuation in woken + satisfied { continuation.resume() }
    }

    /// Moves the clock to `instant`; does nothing if it stands there or later.
    public func advance(to instant: Instant) { advance(by: now.duration(to: instant)) }

    // MARK: Sleeping

    /// Suspends until the clock has been moved to `deadline`. Throws `CancellationError` when the task is cancelled.
    public func sleep(until deadline: Instant, tolerance: Duration? = nil) async throws {
        try await suspend { state, continuation in
            if deadline <= state.now { return nil }
            state.nextID += 1
            state.sleepers[state.nextID] = Sleeper(deadline: deadline, continuation: continuation)
            return state.nextID
        }
    }

    // MARK: Watching

    /// How many sleepers wait now.
    public var sleeperCount: Int { state.withLock { $0.sleepers.count } }

    /// The earliest deadline that somebody sleeps for.
    public var nextDeadline: Instant? { state.withLock { $0.sleepers.values.map(\.deadline).min() } }

    /// Suspends until at least `count` sleepers wait. Throws `CancellationError` when the task is cancelled.
    public func waitForSleepers(_ count: Int = 1) async throws {
        try await wait { $0.count >= count }
    }

    /// Suspends until somebody sleeps for exactly `deadline`. Throws `CancellationError` when the task is cancelled.
    public func waitForSleeper(until deadline: Instant) async throws {
        try await wait { $0.contains(deadline) }
    }

    /// Suspends until nobody sleeps any more. Throws `CancellationError` when the task is cancelled.
    public func waitForNoSleepers() async throws {
        try await wait { $0.isEmpty }
    }

    private func wait(_ isSatisfied: @escaping @Sendable ([Instant]) -> Bool) async throws {
        try await suspend { state, continuation in
            if isSatisfied(state.sleepers.values.map(\.deadline)) { return nil }
            state.nextID += 1
            state.watchers[state.nextID] = Watcher(isSatisfied: isSatisfied, continuation: continuation)
            return state.nextID
        }
    }

    /// Suspends as a sleeper or watcher. `register` returns the id under which it stored the continuation, or nil
    /// when there is nothing to wait for.
    private func suspend(
        _ register: @Sendable (inout State, CheckedContinuation<Void, any Error>) -> UInt64?
    ) async throws {
        let ticket = Mutex<UInt64?>(nil)
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                enum Outcome { case waiting, nothingToDo, cancelled }
                let (outcome, satisfied) = state.withLock { state in
                    // Cancellation sets the flag before it runs the handler: either it is seen here, or the handler
                    // comes after this lock and finds the ticket.
                    if Task.isCancelled { return (Outcome.cancelled, [CheckedContinuation<Void, any Error>]()) }
                    guard let id = register(&state, continuation) else { return (.nothingToDo, []) }
                    ticket.withLock { $0 = id }
                    return (.waiting, state.satisfied())
                }
                for watcher in satisfied { watcher.resume() }
                switch outcome {
                case .waiting: break
                case .nothingToDo: continuation.resume()
                case .cancelled: continuation.resume(throwing: CancellationError())
                }
            }
        } onCancel: {
            let (continuation, satisfied) = state.withLock { state in
                guard let id = ticket.withLock({ $0 }) else {
                    return (CheckedContinuation<Void, any Error>?.none, [CheckedContinuation<Void, any Error>]())
                }
                let gone =
                    state.sleepers.removeValue(forKey: id)?.continuation
                    ?? state.watchers.removeValue(forKey: id)?.continuation
                return (gone, state.satisfied())
            }
            continuation?.resume(throwing: CancellationError())
            for watcher in satisfied { watcher.resume() }
        }
    }
}
