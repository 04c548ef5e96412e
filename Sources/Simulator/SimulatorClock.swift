// The simulator's only source of time for everything that has an expiry: tokens, runs, rate windows, dates.
// Latency and slow answers use the event loop's real timers instead, because a peer waits for them in real time.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Tells the simulator what time it is. Safe to call from any thread.
public struct SimulatorClock: Sendable {
    /// The time since 1970-01-01T00:00:00Z. Must not go backwards for rate windows to make sense.
    public let now: @Sendable () -> Duration

    /// Makes a clock from a function, for example one that reads a hand-moved value.
    public init(now: @escaping @Sendable () -> Duration) {
        self.now = now
    }

    /// The system's wall clock.
    public static let system = SimulatorClock {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return .seconds(Int64(time.tv_sec)) + .nanoseconds(Int64(time.tv_nsec))
    }
}

extension Duration {
    /// Whole seconds, rounded down.
    var wholeSeconds: Int64 { components.attoseconds < 0 ? components.seconds - 1 : components.seconds }

    /// Whole seconds, rounded up.
    var secondsRoundedUp: Int64 { components.attoseconds > 0 ? components.seconds + 1 : components.seconds }

    /// Milliseconds of the last, started second.
    var millisecondsOfSecond: Int64 { components.attoseconds / 1_000_000_000_000_000 }

    /// Nanoseconds in all, for event-loop timers.
    var wholeNanoseconds: Int64 { components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000 }
}
