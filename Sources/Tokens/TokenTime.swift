// Time and chance as this module gets them: injected, so that tests move the one by hand and choose the other.

/// The monotonic time and the randomness of a `TokenSource`.
public struct TokenTime: Sendable {
    /// Reads the clock.
    public let now: @Sendable () -> ContinuousClock.Instant
    /// Suspends until the instant; throws when its task is cancelled.
    public let sleep: @Sendable (_ until: ContinuousClock.Instant) async throws -> Void
    /// A number in `0..<1`.
    public let random: @Sendable () -> Double

    /// Time and chance from the given functions.
    public init(
        now: @escaping @Sendable () -> ContinuousClock.Instant,
        sleep: @escaping @Sendable (_ until: ContinuousClock.Instant) async throws -> Void,
        random: @escaping @Sendable () -> Double
    ) {
        self.now = now
        self.sleep = sleep
        self.random = random
    }

    /// The machine's monotonic clock, which goes on counting while the machine sleeps (as tokens do), and its
    /// random numbers.
    public static let system = TokenTime(
        now: { ContinuousClock.now },
        sleep: { try await Task.sleep(until: $0, clock: .continuous) },
        random: { Double.random(in: 0..<1) }
    )
}
