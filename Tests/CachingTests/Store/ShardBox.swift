// A shard that tests can ask inside an expectation, where a value cannot be changed.

@testable import Caching

/// Holds a shard for one test; used by one thread.
final class ShardBox {
    private var shard: Shard
    private var fetches: UInt64 = 0

    init(capacity: Int) { shard = Shard(capacity: capacity) }

    var used: Int { shard.used }
    var nodes: [CacheKey: CacheNode] { shard.nodes }
    var capacity: Int { shard.capacity }
    var evictions: Int { shard.evictions }

    /// The entries' bytes, counted anew.
    var counted: Int { shard.nodes.values.reduce(0) { $0 + ($1.answer?.cost ?? 0) + $1.key.byteCount } }

    func find(_ key: CacheKey) -> CachedAnswer? { shard.find(key)?.answer }

    /// Stores an answer whose fetch took no time.
    @discardableResult
    func store(_ answer: CachedAnswer, _ key: CacheKey) -> CacheReason? {
        fetches += 1
        return shard.store(
            answer, under: key, began: shard.latestGeneration, number: fetches, completed: fetches)
    }

    func refresh(_ old: CachedAnswer, with new: CachedAnswer, _ key: CacheKey) -> Bool {
        fetches += 1
        return shard.refresh(old, with: new, under: key, number: fetches, completed: fetches)
    }

    func setVary(_ names: [StoreFixture.FieldName], for key: CacheKey) {
        fetches += 1
        shard.setVary(names, for: key, number: fetches)
    }
    func reserve(_ bytes: Int) -> Bool { shard.reserve(bytes) }
    func release(_ bytes: Int) { shard.release(bytes) }
    @discardableResult
    func purge(_ tags: String...) -> Int { shard.purge(.tagged(TagSet(tags))) }
    func purgeAll() -> Int { shard.purge(.everything) }
    func remove(_ key: CacheKey) { shard.remove(key) }

    @discardableResult
    func sweep(at seconds: Int, bound: Int) -> Int {
        shard.sweep(
            now: StoreFixture.at(seconds),
            limits: CacheLimits(staleWhileRevalidate: .zero, staleIfError: .seconds(bound)))
    }
}
