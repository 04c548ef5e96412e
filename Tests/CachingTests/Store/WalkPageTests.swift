// Pages that walks are cut out of: for whom a picture is kept when a newer one has come, and what ends it.

import HTTPTypes
import NIOCore
import Synchronization
import Testing

@testable import Caching

@Suite struct WalkPageTests {
    private let start = ContinuousClock.now

    private func key(_ name: String) -> CacheKey {
        var key = CacheKey(partition: "own", estimatedBytes: 32)
        key.appendTarget { $0 += "/list".utf8 }
        key.append(name)
        return key
    }

    private func page(_ digest: String, isFirst: Bool = true, count: Int? = 3, at offset: Int = 0) -> CachedAnswer {
        CachedAnswer(
            status: .ok, fields: [:], body: SplicedBody(bytes: ByteBuffer(string: digest)), digest: digest,
            freshness: Freshness(lifetime: .seconds(30)), receivedAt: start + .seconds(offset),
            tags: TagSet(["list"]),
            page: ListPage(list: key("first"), isFirst: isFirst, count: count, isForWalks: true))
    }

    private func store(_ store: CacheStore, _ answer: CachedAnswer, _ key: CacheKey, at offset: Int) {
        let ticket = store.begin(key)
        let reason = store.store(
            answer, under: key, vary: [], request: [:], ticket: ticket, now: start + .seconds(offset))
        #expect(reason == nil)
        store.end(ticket)
    }

    @Test("a walker is answered from its picture for sixty seconds after a newer one came, and no other is")
    func kept() throws {
        let cache = CacheStore(limits: CacheLimits(), countingFrom: 1000)
        let (first, later) = (key("first"), key("later"))
        store(cache, page("a"), first, at: 0)
        store(cache, page("b", isFirst: false), later, at: 1)
        let old = try #require(cache.walkPage(first, of: 0, now: start + .seconds(2))).generation
        #expect(old > 1000)
        store(cache, page("c", at: 3), first, at: 3)
        for (key, digest) in [(first, "a"), (later, "b")] {
            let page = try #require(cache.walkPage(key, of: old, now: start + .seconds(62)))
            #expect(page.answer.digest == digest && page.isReplaced && page.generation == old)
            #expect(cache.walkPage(key, of: old, now: start + .seconds(64))?.isReplaced != true)
        }
        let new = try #require(cache.walkPage(first, of: 0, now: start + .seconds(4)))
        #expect(new.answer.digest == "c" && !new.isReplaced && new.generation > old)
        #expect(cache.walkPage(later, of: 0, now: start + .seconds(4)) == nil, "it is of the picture before")
    }

    @Test("the same rows keep the picture")
    func same() throws {
        let cache = CacheStore(limits: CacheLimits())
        store(cache, page("a"), key("first"), at: 0)
        let old = try #require(cache.walkPage(key("first"), of: 0, now: start)).generation
        store(cache, page("a", at: 40), key("first"), at: 40)
        let page = try #require(cache.walkPage(key("first"), of: old, now: start + .seconds(41)))
        #expect(page.generation == old && !page.isReplaced && page.ttl == .seconds(29))
    }

    @Test("a write ends kept pictures at once")
    func written() throws {
        let cache = CacheStore(limits: CacheLimits())
        store(cache, page("a"), key("first"), at: 0)
        let old = try #require(cache.walkPage(key("first"), of: 0, now: start)).generation
        store(cache, page("b", at: 1), key("first"), at: 1)
        #expect(cache.walkPage(key("first"), of: old, now: start + .seconds(2))?.answer.digest == "a")
        cache.invalidate(.tagged(TagSet(["list"])), now: start + .seconds(2))
        #expect(cache.walkPage(key("first"), of: old, now: start + .seconds(2)) == nil)
    }

    @Test("what was made of a page goes with it, and is not kept when that has gone before")
    func made() throws {
        let cache = CacheStore(limits: CacheLimits())
        let (first, made) = (key("first"), key("made"))
        let source = page("a")
        store(cache, source, first, at: 0)
        let generation = try #require(cache.walkPage(first, of: 0, now: start)).generation
        cache.store(page("m"), under: made, madeOf: [(first, source)], generation: generation)
        #expect(cache.find(made, request: [:], now: start).isFresh)
        cache.invalidate(.tagged(TagSet(["list"])), now: start)
        #expect(!cache.find(made, request: [:], now: start).isFresh)
        cache.store(page("m"), under: made, madeOf: [(first, source)], generation: generation)
        #expect(!cache.find(made, request: [:], now: start).isFresh)
    }

    @Test("what another process makes untrue is cut by nobody, old picture or new, nor is what was made of it shown")
    func elsewhere() throws {
        let others = OtherProcesses()
        let cache = CacheStore(limits: CacheLimits(), shared: others)
        let (first, made) = (key("first"), key("made"))
        store(cache, page("a"), first, at: 0)
        let old = try #require(cache.walkPage(first, of: 0, now: start)).generation
        let source = page("b", at: 1)
        store(cache, source, first, at: 1)
        let generation = try #require(cache.walkPage(first, of: 0, now: start + .seconds(1))).generation
        func make() -> Bool {
            cache.store(page("m"), under: made, madeOf: [(first, source)], generation: generation)
            return cache.find(made, request: [:], now: start + .seconds(1)).isFresh
        }
        #expect(make())
        others.mayShowNow.withLock { $0 = false }
        #expect(cache.walkPage(first, of: 0, now: start + .seconds(1)) == nil, "nobody is heard")
        others.mayShowNow.withLock { $0 = true }
        others.changes.withLock { $0 += 1 }
        for picture in [0, old, generation] {
            #expect(cache.walkPage(first, of: picture, now: start + .seconds(1)) == nil)
        }
        #expect(!cache.find(made, request: [:], now: start + .seconds(1)).isFresh)
        #expect(!make(), "its source is untrue")
    }

    @Test("kept pages are bounded in bytes, and count among those that are held")
    func bounded() throws {
        var shard = Shard(capacity: 40_000)
        for round in 0..<100 {
            let answer = page("\(round)" + String(repeating: "x", count: 2_000), at: round)
            _ = shard.store(
                answer, under: key("first"), began: shard.latestGeneration, number: UInt64(round + 1),
                completed: UInt64(round + 1), now: start + .seconds(round))
            #expect(shard.used <= 40_000)
        }
        #expect(shard.used > 6_000 && shard.used < 20_000)
    }
}

extension CacheStore.Found {
    fileprivate var isFresh: Bool { if case .fresh = self { true } else { false } }
}

/// Others that make everything untrue at once.
private final class OtherProcesses: SharedFreshness {
    let changes = Mutex<UInt64>(0)
    let mayShowNow = Mutex(true)

    private var now: UInt64 { changes.withLock { $0 } }

    var mayShow: Bool { mayShowNow.withLock { $0 } }
    func moment() -> SharedMoment { SharedMoment(any: now, counters: []) }

    func stamp(of tags: [UInt64], since moment: SharedMoment) -> SharedStamp? {
        moment.any == now ? SharedStamp(any: now, own: now) : nil
    }

    func isCurrent(_ stamp: inout SharedStamp, _ tags: () -> [UInt64]) -> Bool { stamp.own == now }
}
