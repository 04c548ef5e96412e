// The last requests that have ended, for who asks why one of them went as it did.

import Ground
import Synchronization

/// A ring of explanations: bounded in number, and in bytes by the limits of heads. Usable from every thread.
final class RecentRequests: Sendable {
    /// How many are kept.
    static let capacity = 2_000

    private struct Ring {
        var requests: [Explanation] = []
        /// Where the next one goes, once it is full.
        var next = 0
    }

    private let ring = Mutex(Ring())

    /// Keeps one; the oldest makes room for it.
    func add(_ request: Explanation) {
        ring.withLock { ring in
            if ring.requests.count < Self.capacity { return ring.requests.append(request) }
            ring.requests[ring.next] = request
            ring.next = (ring.next + 1) % Self.capacity
        }
    }

    /// The latest request with this correlation id; nil when there is none among those that are kept.
    func latest(_ id: String) -> Explanation? {
        ring.withLock { ring in
            let (newer, older) = (ring.requests[..<ring.next], ring.requests[ring.next...])
            return newer.last { $0.record.correlationID == id } ?? older.last { $0.record.correlationID == id }
        }
    }
}
