// Time as this module gets it: injected, so that tests move it by hand.

/// The monotonic time of a gate.
public struct GateTime: Sendable {
    /// Reads the clock.
    public let now: @Sendable () -> ContinuousClock.Instant
    /// Suspends until the instant; throws when its task is cancelled.
    public let sleep: @Sendable (_ until: ContinuousClock.Instant) async throws -> Void

    /// Time from the given functions.
    public init(
        now: @escaping @Sendable () -> ContinuousClock.Instant,
        sleep: @escaping @Sendable (_ until: ContinuousClock.Instant) async throws -> Void
    ) {
        self.now = now
        self.sleep = sleep
    }

    /// The machine's monotonic clock.
    public static let system = GateTime(
        now: { ContinuousClock.now },
        sleep: { try await Task.sleep(until: $0, clock: .continuous) }
    )
}
