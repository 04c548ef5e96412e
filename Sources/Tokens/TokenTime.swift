// Time and chance as this module gets them: injected, so that tests move the one by hand and choose the other.

import Glibc

/// The time and the randomness of a `TokenSource`.
public struct TokenTime: Sendable {
    /// Reads the clock.
    public let now: @Sendable () -> ContinuousClock.Instant
    /// Suspends until the instant; throws when its task is cancelled.
    public let sleep: @Sendable (_ until: ContinuousClock.Instant) async throws -> Void
    /// A number in `0..<1`.
    public let random: @Sendable () -> Double

    /// Time since 1970-01-01 UTC: the only time that two processes share. It may jump; it is believed for a token that
    /// another process left in the state file, and for nothing else.
    public let wallTime: @Sendable () -> Duration

    /// Time and chance from the given functions.
    public init(
        now: @escaping @Sendable () -> ContinuousClock.Instant,
        sleep: @escaping @Sendable (_ until: ContinuousClock.Instant) async throws -> Void,
        random: @escaping @Sendable () -> Double,
        wallTime: @escaping @Sendable () -> Duration = TokenTime.systemWallTime
    ) {
        self.now = now
        self.sleep = sleep
        self.random = random
        self.wallTime = wallTime
    }

    /// The machine's monotonic clock, which goes on counting while the machine sleeps (as tokens do), and its
    /// random numbers.
    public static let system = TokenTime(
        now: { ContinuousClock.now },
        sleep: { try await Task.sleep(until: $0, clock: .continuous) },
        random: { Double.random(in: 0..<1) }
    )

    /// The machine's clock of the time of day.
    public static let systemWallTime: @Sendable () -> Duration = {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }
}
