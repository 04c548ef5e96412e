// Who is evicted: S3-FIFO. New entries pass through a small queue; only those asked for again get into the main one, so
// that a job that walks a thousand pages once pushes out its own pages and not the dashboard's. Keys evicted from the
// small queue are remembered for a while: who comes back goes straight to the main queue.
// (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023.)

import DequeModule

/// One stored answer with its bookkeeping. Confined to its shard's lock.
final class CacheNode {
    let key: CacheKey
    /// Nil once it was removed; its place in a queue is passed over then.
    var answer: CachedAnswer?
    var generation: ListBook.Generation = 0
    /// Of the fetch that brought the answer.
    var number: UInt64 = 0
    /// The last fetch that had been begun when the answer was stored or confirmed.
    var completed: UInt64 = 0
    /// How often it was asked for since the queues last looked, 0...3.
    var uses: UInt8 = 0
    var isInMain = false

    init(key: CacheKey, answer: CachedAnswer) {
        self.key = key
        self.answer = answer
    }

    var cost: Int { answer.map { $0.cost + key.byteCount } ?? 0 }
}

struct EvictionQueues {
    private var small: Deque<CacheNode> = []
    private var main: Deque<CacheNode> = []
    private var smallBytes = 0
    private var ghosts: Set<Int> = []
    private var ghostOrder: Deque<Int> = []
    private var removed = 0

    /// Share of the capacity that new entries may hold before they are judged.
    private static let smallShare = 10

    mutating func insert(_ node: CacheNode) {
        node.isInMain = ghosts.remove(node.key.hashValue) != nil
        if node.isInMain {
            main.append(node)
        } else {
            small.append(node)
            smallBytes += node.cost
        }
    }

    /// The node's answer is about to be replaced by one that costs `change` more.
    mutating func resized(_ node: CacheNode, by change: Int) {
        if !node.isInMain { smallBytes += change }
    }

    /// The node is about to be removed by other hands.
    mutating func remove(_ node: CacheNode) {
        if !node.isInMain { smallBytes -= node.cost }
        removed += 1
        if removed > small.count / 2 + main.count / 2 + 64 { compact(except: node) }
    }

    /// The node that has to go next; nil when there is none. The caller removes its answer.
    mutating func evict(capacity: Int) -> CacheNode? {
        while true {
            if smallBytes * Self.smallShare > capacity || main.isEmpty {
                guard let node = small.popFirst() else {
                    smallBytes = 0
                    if main.isEmpty { return nil }
                    continue
                }
                guard node.answer != nil else { continue }
                smallBytes -= node.cost
                if node.uses == 0 {
                    remember(node.key)
                    return node
                }
                node.uses = 0
                node.isInMain = true
                main.append(node)
            } else if let node = main.popFirst(), node.answer != nil {
                if node.uses == 0 { return node }
                node.uses -= 1
                main.append(node)
            }
        }
    }

    private mutating func remember(_ key: CacheKey) {
        ghosts.insert(key.hashValue)
        ghostOrder.append(key.hashValue)
        while ghostOrder.count > max(small.count + main.count, 16), let oldest = ghostOrder.popFirst() {
            ghosts.remove(oldest)
        }
    }

    private mutating func compact(except node: CacheNode) {
        small.removeAll { $0.answer == nil || $0 === node }
        main.removeAll { $0.answer == nil || $0 === node }
        removed = 0
    }
}
