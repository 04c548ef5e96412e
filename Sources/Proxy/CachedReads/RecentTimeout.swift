// Remembers for a moment that upstream did not answer in time, so that not every tool waits for the same timeout before it
// gets what is stored. Failures that show at once need no memory.

import Caching
import Synchronization

/// Usable from every thread.
final class RecentTimeout: Sendable {
    private let until: Mutex<ContinuousClock.Instant?> = Mutex(nil)

    /// Stored answers go out at once for so long, while one refresh at a time finds out how upstream is.
    static let memory = Duration.seconds(10)

    /// A fetch has ended; nil: with an answer.
    func fetchEnded(_ failure: FailureReason?, now: ContinuousClock.Instant) {
        switch failure {
        case .upstreamTimeout: until.withLock { $0 = now + Self.memory }
        case nil: until.withLock { $0 = nil }
        default: break
        }
    }

    func holds(now: ContinuousClock.Instant) -> Bool { until.withLock { $0.map { now < $0 } ?? false } }
}
