// The last requests that have ended, for who asks why one of them went as it did.

import Ground
import Synchronization

/// Rings of explanations: bounded in number, and in bytes by the limits of heads. Usable from every thread.
final class RecentRequests: Sendable {
    /// How many are kept of those who showed who they are, or have not to.
    static let capacity = 2_000
    /// How many are kept of everybody else: whoever shows no key pushes out what none of the others asked for.
    static let strangers = 200

    private struct Ring {
        let capacity: Int
        var requests: [Explanation] = []
        /// Where the next one goes, once it is full.
        var next = 0

        init(capacity: Int) { self.capacity = capacity }

        mutating func add(_ request: Explanation) {
            if requests.count < capacity { return requests.append(request) }
            requests[next] = request
            next = (next + 1) % capacity
        }

        func latest(_ id: String) -> Explanation? {
            let (newer, older) = (requests[..<next], requests[next...])
            return newer.last { $0.record.correlationID == id } ?? older.last { $0.record.correlationID == id }
        }
    }

    private let known = Mutex(Ring(capacity: capacity))
    private let unknown = Mutex(Ring(capacity: strangers))

    /// Keeps one; the oldest makes room for it.
    func add(_ request: Explanation, ofStranger isStranger: Bool = false) {
        isStranger ? unknown.withLock { $0.add(request) } : known.withLock { $0.add(request) }
    }

    /// The latest request with this correlation id, a stranger's only where nobody else had it; nil when there is none
    /// among those that are kept.
    func latest(_ id: String) -> Explanation? {
        known.withLock { $0.latest(id) } ?? unknown.withLock { $0.latest(id) }
    }
}
