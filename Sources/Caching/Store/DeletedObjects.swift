// Objects that were deleted through this proxy a moment ago. Upstream carries some deletes out as jobs, so its pages may
// still show them for a while: such a page is passed on, but not kept.

import DequeModule
import Synchronization

/// Remembers deleted objects for a bounded time, and a bounded number of them. Usable from every thread.
final class DeletedObjects: Sendable {
    typealias Instant = ContinuousClock.Instant

    private struct State {
        var until: [TagHash: Instant] = [:]
        var order: Deque<(tag: TagHash, until: Instant)> = []
        /// Some had to be forgotten before their time; until then any object may be one of them.
        var forgottenUntil: Instant?
    }

    private let state = Mutex(State())

    static let memory: Duration = .seconds(300)
    static let capacity = 8192

    func add(_ tags: TagSet, now: Instant) {
        guard !tags.isEmpty else { return }
        state.withLock { state in
            let until = now + Self.memory
            for tag in tags.elements {
                state.until[tag] = until
                state.order.append((tag, until))
            }
            while let first = state.order.first, first.until <= now || state.order.count > Self.capacity {
                state.order.removeFirst()
                if first.until > now { state.forgottenUntil = first.until }
                // Deleted again since: the later entry counts.
                if state.until[first.tag] == first.until { state.until[first.tag] = nil }
            }
        }
    }

    func containsAny(of tags: TagSet, now: Instant) -> Bool {
        state.withLock { state in
            if state.until.isEmpty || tags.isEmpty { return false }
            if let until = state.forgottenUntil, until > now { return true }
            // A page may hold thousands of ids.
            if tags.count > state.until.count {
                return state.until.contains { tag, until in until > now && tags.contains(tag) }
            }
            return tags.elements.contains { tag in state.until[tag].map { $0 > now } ?? false }
        }
    }
}
