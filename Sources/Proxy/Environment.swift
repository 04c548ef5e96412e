// Time, randomness and ids for the whole process, in one value that tests replace.
// What decides about a request takes them from here. Not so the idle timers of connections, which are NIO's, and what
// is drawn once for secrets and seeds.

import Glibc
import Ground
import Synchronization
import Tokens

/// The outside world as the proxy sees it. Sendable; every closure may be called from any thread.
public struct Environment: Sendable {
    /// Monotonic time. For durations and deadlines; never goes backwards.
    public var now: @Sendable () -> ContinuousClock.Instant
    /// Wall-clock time as seconds and nanoseconds since 1970-01-01 UTC. For log lines, dates, and the age of a token that
    /// another process has left in the state file.
    public var wallTime: @Sendable () -> WallTime
    /// A uniformly random number in 0..<1, for jitter.
    public var random: @Sendable () -> Double
    /// 16 random bytes for a new correlation id.
    public var randomBits: @Sendable () -> (UInt64, UInt64)
    /// Suspends until the instant; throws `CancellationError` when the task is cancelled.
    public var sleep: @Sendable (_ until: ContinuousClock.Instant) async throws -> Void

    /// Makes an environment out of its parts; `system` is the one a running process uses.
    public init(
        now: @escaping @Sendable () -> ContinuousClock.Instant,
        wallTime: @escaping @Sendable () -> WallTime,
        random: @escaping @Sendable () -> Double,
        randomBits: @escaping @Sendable () -> (UInt64, UInt64),
        sleep: @escaping @Sendable (_ until: ContinuousClock.Instant) async throws -> Void
    ) {
        self.now = now
        self.wallTime = wallTime
        self.random = random
        self.randomBits = randomBits
        self.sleep = sleep
    }

    /// The machine's own clocks and random source.
    public static let system = Environment(
        now: { ContinuousClock.now },
        wallTime: { wallClock() },
        random: { Double.random(in: 0..<1) },
        randomBits: { RandomSupply.shared.twoWords() },
        sleep: { try await Task.sleep(until: $0, clock: .continuous) }
    )

    private static func wallClock() -> WallTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return WallTime(seconds: Int64(time.tv_sec), nanoseconds: Int32(time.tv_nsec))
    }
}

/// The kernel's random numbers, fetched many at a time: every request needs some, and a system call for each is dear.
private final class RandomSupply: Sendable {
    static let shared = RandomSupply()

    private let words = Mutex<[UInt64]>([])

    func twoWords() -> (UInt64, UInt64) {
        words.withLock { words in
            if words.isEmpty { words = Self.fetch() }
            return (words.removeLast(), words.removeLast())
        }
    }

    /// 256 bytes, the most that `getentropy` gives at once; it does not fail for so many.
    private static func fetch() -> [UInt64] {
        var words = [UInt64](repeating: 0, count: 32)
        let result = getentropy(&words, words.count * MemoryLayout<UInt64>.size)
        precondition(result == 0, "the kernel has no random numbers")
        return words
    }
}

/// A point of wall-clock time, UTC.
public struct WallTime: Sendable, Equatable {
    /// Whole seconds since 1970-01-01T00:00:00Z.
    public var seconds: Int64
    /// 0..<1,000,000,000.
    public var nanoseconds: Int32

    /// Makes a point of time from its two parts.
    public init(seconds: Int64, nanoseconds: Int32 = 0) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }
}

extension Duration {
    /// Whole seconds, rounded up and at least 1: what `Retry-After` may honestly say.
    var wholeSecondsUp: Int {
        let (seconds, attoseconds) = components
        return max(1, Int(seconds) + (attoseconds > 0 ? 1 : 0))
    }
}

extension Environment {
    /// The same clocks for the token source.
    var tokenTime: TokenTime {
        TokenTime(now: now, sleep: sleep, random: random) { [wallTime] in
            let time = wallTime()
            return .seconds(time.seconds) + .nanoseconds(Int64(time.nanoseconds))
        }
    }
    /// The same clock for the gate.
    var gateTime: Time { Time(now: now, sleep: sleep) }
}
