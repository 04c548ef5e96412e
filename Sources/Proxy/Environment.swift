// Time, randomness and ids for the whole process, in one value that tests replace.
// What decides about a request takes them from here. Not so the idle timers of connections, which are NIO's, and what
// is drawn once for secrets and seeds.

import Glibc
import Ground
import RateLimiting
import Synchronization

/// The outside world as the proxy sees it. Sendable; every closure may be called from any thread.
package struct Environment: Sendable {
    /// The clocks, sleep and chance, as the rooms below take them.
    package var time: Time
    /// 16 random bytes for a new correlation id.
    package var randomBits: @Sendable () -> (UInt64, UInt64)

    /// Makes an environment out of its parts; `system` is the one a running process uses.
    package init(time: Time, randomBits: @escaping @Sendable () -> (UInt64, UInt64)) {
        self.time = time
        self.randomBits = randomBits
    }

    /// The machine's own clocks and random source.
    package static let system = Environment(time: .system, randomBits: { RandomSupply.shared.twoWords() })

    /// Monotonic time. For durations and deadlines; never goes backwards.
    var now: @Sendable () -> ContinuousClock.Instant { time.now }
    /// Wall-clock time. For log lines, dates, and the age of a token that another process has left in the state file.
    var wallTime: @Sendable () -> WallTime { time.wallTime }
    /// A uniformly random number in 0..<1, for jitter.
    var random: @Sendable () -> Double { time.random }
    /// Suspends until the instant; throws `CancellationError` when the task is cancelled.
    var sleep: @Sendable (_ until: ContinuousClock.Instant) async throws -> Void { time.sleep }
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

extension Duration {
    /// Whole seconds, rounded up and at least 1: what `Retry-After` may honestly say.
    var wholeSecondsUp: Int {
        let (seconds, attoseconds) = components
        return max(1, Int(seconds) + (attoseconds > 0 ? 1 : 0))
    }
}
