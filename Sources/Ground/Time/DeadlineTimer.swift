// The one timer of a shell around a state machine: it sleeps until the next deadline that the state knows.

/// A timer that its owner keeps under the lock that also guards the owner's state.
///
/// `fire` runs in a task of the timer's own. It takes the owner's lock and asks `fired()` first, because the timer may
/// have been replaced while it waited for the lock:
///
///     core.withLock { core in
///         guard core.timer.fired() else { return }
///         …
///     }
package struct DeadlineTimer: Sendable {
    private let time: Time
    private var armed: (due: ContinuousClock.Instant, task: Task<Void, Never>)?

    /// A timer that sleeps by this time, and is not armed.
    package init(time: Time) { self.time = time }

    /// When it fires; nil while it is not armed.
    package var due: ContinuousClock.Instant? { armed?.due }

    /// The task that sleeps, for those who have to see its end; nil while it is not armed.
    package var task: Task<Void, Never>? { armed?.task }

    /// Whether it fires no later than `due` as it is: then there is no need to make the closure that `pull` takes.
    package func fires(by due: ContinuousClock.Instant) -> Bool { armed.map { $0.due <= due } ?? false }

    /// Sees to it that it fires at `due` and at no other time; never for nil.
    package mutating func set(to due: ContinuousClock.Instant?, _ fire: @escaping @Sendable () -> Void) {
        if due == armed?.due { return }
        cancel()
        if let due { arm(due, fire) }
    }

    /// Sees to it that it fires no later than `due`. One that fires earlier finds nothing to do: cheaper than moving it
    /// each time.
    package mutating func pull(to due: ContinuousClock.Instant, _ fire: @escaping @Sendable () -> Void) {
        if fires(by: due) { return }
        cancel()
        arm(due, fire)
    }

    /// Sees to it that it does not fire.
    package mutating func cancel() {
        armed?.task.cancel()
        armed = nil
    }

    /// To be asked by `fire`, under the owner's lock: whether it still counts. If so, the timer is not armed any more.
    package mutating func fired() -> Bool {
        // One that was replaced was cancelled under this lock.
        if Task.isCancelled { return false }
        armed = nil
        return true
    }

    private mutating func arm(_ due: ContinuousClock.Instant, _ fire: @escaping @Sendable () -> Void) {
        armed = (
            due,
            Task.detached { [time] in
                try? await time.sleep(due)
                if !Task.isCancelled { fire() }
            }
        )
    }
}
