// What a write has made untrue, and the memory of it: a fetch that was begun before a write was answered must not be
// stored after it, however long it takes.

import Synchronization

/// What is to be dropped.
package enum CacheInvalidation: Sendable, Equatable {
    case tagged(TagSet)
    case everything

    func concerns(_ tags: TagSet) -> Bool {
        switch self {
        case .everything: true
        case .tagged(let written): written.intersects(tags)
        }
    }
}

/// The invalidations since the oldest fetch that is still under way. Usable from every thread.
///
/// The order that makes it safe: an invalidation is recorded here *before* the entries are purged, and a fetch is checked
/// against it under the lock under which it is stored. So either the record is seen and nothing is stored, or what was
/// stored is found by the purge.
final class InvalidationLog: Sendable {
    /// When a fetch was begun, as a count of invalidations.
    typealias Epoch = UInt64

    private struct State {
        var epoch: Epoch = 0
        /// Of epochs `epoch - recent.count + 1 ... epoch`.
        var recent: [CacheInvalidation] = []
        /// Fetches under way, by the epoch in which they were begun.
        var running: [Epoch: Int] = [:]
    }

    private let state = Mutex(State())

    /// More than this are summed up as "everything": only fetches that outlast so many writes are the poorer for it.
    static let capacity = 1024

    /// A fetch begins.
    func begin() -> Epoch {
        state.withLock { state in
            state.running[state.epoch, default: 0] += 1
            return state.epoch
        }
    }

    /// A fetch has ended, stored or not.
    func end(_ epoch: Epoch) {
        state.withLock { state in
            guard let count = state.running[epoch] else { return }
            state.running[epoch] = count > 1 ? count - 1 : nil
            Self.forget(&state)
        }
    }

    /// A write was answered, or may have been done.
    func record(_ invalidation: CacheInvalidation) {
        state.withLock { state in
            state.epoch += 1
            if state.recent.count < Self.capacity {
                state.recent.append(invalidation)
            } else {
                state.recent = [.everything]
            }
            Self.forget(&state)
        }
    }

    /// Records an invalidation that a running fetch itself has found out about, and gives that fetch a beginning after it; nil, and
    /// nothing is recorded, if something has been written meanwhile that concerns its answer. To be ended like others.
    func record(_ invalidation: CacheInvalidation, by tags: TagSet, since epoch: Epoch) -> Epoch? {
        state.withLock { state in
            let missed = Int(state.epoch - epoch)
            if missed > state.recent.count || state.recent.suffix(missed).contains(where: { $0.concerns(tags) }) {
                return nil
            }
            state.epoch += 1
            if state.recent.count < Self.capacity {
                state.recent.append(invalidation)
            } else {
                state.recent = [.everything]
            }
            state.running[state.epoch, default: 0] += 1
            Self.forget(&state)
            return state.epoch
        }
    }

    /// Whether an answer with these tags, fetched since `epoch`, may be untrue by now.
    func hasInvalidated(_ tags: TagSet, since epoch: Epoch) -> Bool {
        state.withLock { state in
            let missed = Int(state.epoch - epoch)
            guard missed > 0 else { return false }
            // Summed up: what was recorded between is not known any more.
            if missed > state.recent.count { return true }
            return state.recent.suffix(missed).contains { $0.concerns(tags) }
        }
    }

    var remembered: Int { state.withLock { $0.recent.count } }

    private static func forget(_ state: inout State) {
        guard let oldest = state.running.keys.min() else {
            state.recent.removeAll()
            return
        }
        let needed = Int(state.epoch - oldest)
        if state.recent.count > needed { state.recent.removeFirst(state.recent.count - needed) }
    }
}
