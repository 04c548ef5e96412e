// One part of the cache: what it holds is shard.counted exactly and never more than it may be.

import HTTPTypes
import TestSupport
import Testing

@testable import Caching

@Suite("A shard's memory")
struct ShardTests {
    private static let capacity = 64 << 10

    private let shard = ShardBox(capacity: capacity)

    private func key(_ number: Int) -> CacheKey { StoreFixture.key("/reports/\(number)") }

    @Test("the cost of an answer is more than its bytes, fields and tags")
    func cost() {
        let plain = StoreFixture.answer()
        #expect(StoreFixture.answer(bytes: 5000).cost >= plain.cost + 5000)
        #expect(StoreFixture.answer(tags: ["a", "b"]).cost == plain.cost + 16)
        #expect(StoreFixture.answer(objects: ["a"]).cost == plain.cost + 8)
        let long = String(repeating: "x", count: 900)
        let fields = CachedAnswer(
            status: .ok, fields: [.contentType: "application/json", .eTag: long], body: plain.body, digest: "text",
            freshness: plain.freshness, receivedAt: plain.receivedAt)
        #expect(fields.cost >= plain.cost + 900)
        let rendered = CachedAnswer(
            status: .ok, fields: [.contentType: "application/json"], body: plain.body, digest: "text",
            freshness: plain.freshness, receivedAt: plain.receivedAt, rendering: Rendering())
        #expect(rendered.cost == plain.cost + 700, "what is made of it for a wire counts")
        let page = StoreFixture.page(of: "/reports?filter=" + long, isFirst: true)
        #expect(StoreFixture.answer(page: page).cost >= plain.cost + 900)
    }

    @Test("bytes follow every store, replacement, refresh, removal, purge and sweep")
    func accounting() {
        let small = StoreFixture.answer("small", tags: ["a"])
        shard.store(small, key(1))
        #expect(shard.used == shard.counted && shard.used >= small.cost)
        let large = StoreFixture.answer("large", bytes: 9000, tags: ["a"])
        shard.store(large, key(1))
        #expect(shard.used == shard.counted && shard.used >= large.cost && shard.nodes.count == 1)
        #expect(shard.refresh(large, with: small, key(1)))
        #expect(shard.used == shard.counted && shard.used < large.cost)
        shard.store(StoreFixture.answer("other", tags: ["b"]), key(2))
        shard.store(StoreFixture.answer("old", lifetime: 0), key(3))
        #expect(shard.purge("a") == 1)
        #expect(shard.used == shard.counted && shard.nodes.count == 2)
        #expect(shard.sweep(at: 11, bound: 10) == 1)
        #expect(shard.used == shard.counted && shard.nodes.count == 1)
        shard.remove(key(2))
        #expect(shard.used == 0 && shard.nodes.isEmpty)
        shard.remove(key(2))
        #expect(shard.purgeAll() == 0 && shard.used == 0)
    }

    @Test("a refresh is for the copy that was asked about and for no other")
    func refresh() {
        let (old, new) = (StoreFixture.answer("old"), StoreFixture.answer("new"))
        #expect(!shard.refresh(old, with: new, key(1)), "never stored")
        shard.store(old, key(1))
        shard.store(StoreFixture.answer("other"), key(1))
        #expect(!shard.refresh(old, with: new, key(1)), "replaced meanwhile")
        #expect(shard.find(key(1))?.digest == "other")
        #expect(shard.used == shard.counted)
    }

    @Test("an answer larger than the shard is not kept and leaves what is asked for in place")
    func tooLarge() {
        for number in 0..<10 {
            shard.store(StoreFixture.answer("page \(number)"), key(number))
            _ = shard.find(key(number))
        }
        #expect(shard.store(StoreFixture.answer(bytes: 2 * Self.capacity), key(99)) == .noRoom)
        #expect(shard.nodes.count == 10 && shard.used == shard.counted && shard.evictions == 1)
        #expect(
            shard.store(StoreFixture.answer(bytes: 2 * Self.capacity), key(3)) == .noRoom, "nor in place of another")
        #expect(shard.find(key(3)) == nil && shard.used == shard.counted && shard.used <= Self.capacity)
    }

    @Test("buffers of fetches count, may take half of the shard, and push entries out")
    func reserving() {
        for number in 0..<1000 { shard.store(StoreFixture.answer("page \(number)"), key(number)) }
        let full = shard.nodes.count
        #expect(shard.reserve(Self.capacity / 2))
        #expect(!shard.reserve(1))
        #expect(shard.used <= Self.capacity && shard.nodes.count < full * 6 / 10)
        #expect(shard.used == shard.counted + Self.capacity / 2)
        shard.release(Self.capacity / 2 - 10)
        #expect(shard.used == shard.counted + 10)
        #expect(!shard.reserve(Self.capacity))
        #expect(shard.reserve(1))
        shard.release(11)
        #expect(shard.used == shard.counted)
    }

    @Test("a shard without room holds nothing and breaks nothing")
    func empty() {
        for capacity in [0, 1, 200] {
            let shard = ShardBox(capacity: capacity)
            let page = StoreFixture.page(of: "/reports", isFirst: true)
            #expect(shard.store(StoreFixture.answer(page: page), key(1)) == .noRoom)
            shard.setVary([.accept], for: key(1))
            #expect(!shard.reserve(capacity + 1))
            #expect(shard.used <= capacity && shard.nodes.isEmpty)
        }
    }

    @Test("pages of an old generation are not found, and the bytes of lists are shard.counted")
    func lists() {
        let first = StoreFixture.page(of: "/reports", isFirst: true, count: 3)
        let later = StoreFixture.page(of: "/reports", isFirst: false, count: 3)
        shard.store(StoreFixture.answer("1 old", page: first), key(1))
        shard.store(StoreFixture.answer("2 old", page: later), key(2))
        #expect(shard.find(key(2))?.digest == "2 old")
        #expect(shard.used > shard.counted + first.list.byteCount)
        shard.store(StoreFixture.answer("1 new", page: first), key(1))
        #expect(shard.find(key(1))?.digest == "1 new")
        #expect(shard.find(key(2)) == nil)
        shard.store(StoreFixture.answer("2 new", page: later), key(2))
        #expect(shard.find(key(2))?.digest == "2 new" && shard.find(key(1))?.digest == "1 new")
    }

    @Test("a later page is compared with its copy of the present generation, not with an older one")
    func staleCopies() {
        let first = StoreFixture.page(of: "/reports", isFirst: true, count: 3)
        let later = StoreFixture.page(of: "/reports", isFirst: false, count: 3)
        shard.store(StoreFixture.answer("1 old", page: first), key(1))
        shard.store(StoreFixture.answer("2 old", page: later), key(2))
        shard.store(StoreFixture.answer("1 new", page: first), key(1))
        shard.store(StoreFixture.answer("2 new", page: later), key(2))
        #expect(shard.find(key(1))?.digest == "1 new", "page 2 had changed together with page 1")
        shard.store(StoreFixture.answer("2 newer", page: later), key(2))
        #expect(shard.find(key(1)) == nil, "page 2 has changed since")
        #expect(shard.find(key(2))?.digest == "2 newer")
    }

    @Test("whatever happens in whatever order, the bytes are exact and within the capacity", arguments: 0..<10)
    func random(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        let shard = ShardBox(capacity: Int.random(in: 2000...40_000, using: &random))
        var reserved: [Int] = []
        for step in 0..<1500 {
            let key = key(Int.random(in: 0..<60, using: &random))
            let answer = StoreFixture.answer(
                "\(step)", bytes: Int.random(in: 0...3000, using: &random), lifetime: step, tags: ["\(step % 7)"])
            switch Int.random(in: 0..<12, using: &random) {
            case 0..<5: shard.store(answer, key)
            case 5..<8: _ = shard.find(key)
            case 8: if let old = shard.nodes[key]?.answer { _ = shard.refresh(old, with: answer, key) }
            case 9:
                let bytes = Int.random(in: 0...5000, using: &random)
                if shard.reserve(bytes) { reserved.append(bytes) }
                if reserved.count > 3 { shard.release(reserved.removeFirst()) }
            case 10: shard.purge("\(step % 7)")
            default:
                shard.remove(key)
                shard.sweep(at: step - 200, bound: 0)
            }
            #expect(shard.used == shard.counted + reserved.reduce(0, +) && shard.used <= shard.capacity)
        }
    }

    @Test(
        "however many lists are asked for, each finds room for its page")
    func manyLists() {
        for number in 0..<1000 {
            let page = StoreFixture.page(of: "/reports?filter=\(number)", isFirst: true)
            #expect(shard.store(StoreFixture.answer(page: page), key(number)) == nil)
        }
    }
}

private final class Rendering: AnswerRendering {
    let byteCount = 700
}
