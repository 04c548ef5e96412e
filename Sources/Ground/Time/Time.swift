// Time and chance as every room gets them: injected, so that tests move the one by hand and choose the other.

import CGround
import Glibc

/// Where time and chance come from. Every function may be called from any thread.
package struct Time: Sendable {
    /// Reads the monotonic clock: for spans and deadlines. Never goes backwards.
    package var now: @Sendable () -> ContinuousClock.Instant
    /// Suspends until the instant; throws `CancellationError` when its task is cancelled.
    package var sleep: @Sendable (_ until: ContinuousClock.Instant) async throws -> Void
    /// A number in `0..<1`, evenly spread: for jitter, not for secrets.
    package var random: @Sendable () -> Double
    /// Reads the wall clock, which may jump: for dates, log lines, and what two processes have to agree on.
    package var wallTime: @Sendable () -> WallTime

    /// Time and chance from the given functions; what is not given is the machine's.
    package init(
        now: @escaping @Sendable () -> ContinuousClock.Instant,
        sleep: @escaping @Sendable (_ until: ContinuousClock.Instant) async throws -> Void,
        random: @escaping @Sendable () -> Double = { Double.random(in: 0..<1) },
        wallTime: @escaping @Sendable () -> WallTime = { WallTime.ofMachine() }
    ) {
        self.now = now
        self.sleep = sleep
        self.random = random
        self.wallTime = wallTime
    }

    /// The machine's clocks and random numbers. The monotonic one goes on counting while the machine sleeps, as tokens
    /// and other people's limits do.
    package static let system = Time(
        now: { ContinuousClock.now },
        sleep: { try await Task.sleep(until: $0, clock: .continuous) }
    )
}

extension WallTime {
    /// What the machine's clock of the time of day says now.
    package static func ofMachine() -> WallTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return WallTime(seconds: Int64(time.tv_sec), nanoseconds: Int32(time.tv_nsec))
    }
}
