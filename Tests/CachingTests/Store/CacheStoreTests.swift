// Stored answers as the proxy meets them: found, expired, refused, refreshed, purged.

import HTTPTypes
import Testing

@testable import Caching

@Suite("The store of answers")
struct CacheStoreTests {
    private let store = StoreFixture.store()
    private let key = StoreFixture.key("/reports/1")

    private func start() -> CacheStore.Ticket { store.begin(key) }

    private func finish(_ answer: CachedAnswer, _ ticket: CacheStore.Ticket, at seconds: Int = 0) -> CacheReason? {
        defer { store.end(ticket) }
        return store.store(
            answer, under: key, vary: [], request: HTTPFields(), ticket: ticket, now: StoreFixture.at(seconds))
    }

    @Test("an answer is fresh until its lifetime ends to the nanosecond, then expired by the time since")
    func freshness() throws {
        #expect(store.forward(key) == .uriMiss)
        #expect(store.fetch(StoreFixture.answer(lifetime: 30), under: key) == nil)
        #expect(store.text(key, at: 0) == "text")
        let end = StoreFixture.at(30)
        guard case .fresh = store.find(key, request: HTTPFields(), now: end - .nanoseconds(1)) else {
            Issue.record("not fresh before its end")
            return
        }
        for late in [0, 1, 4000] {
            guard case .expired(_, let staleness) = store.find(key, request: HTTPFields(), now: end + .seconds(late))
            else {
                Issue.record("not expired after its end")
                return
            }
            #expect(staleness == .seconds(late))
        }
    }

    @Test("the age that an answer had on arrival counts, and a clock read earlier does not make it younger")
    func initialAge() {
        let answer = CachedAnswer(
            status: .ok, fields: [:], body: StoreFixture.answer().body, digest: "",
            freshness: Freshness(lifetime: .seconds(30), initialAge: .seconds(20)), receivedAt: StoreFixture.at(100))
        #expect(answer.age(at: StoreFixture.at(105)) == .seconds(25))
        #expect(answer.timeToLive(at: StoreFixture.at(105)) == .seconds(5))
        #expect(answer.timeToLive(at: StoreFixture.at(130)) == .seconds(-20))
        #expect(answer.age(at: StoreFixture.at(90)) == .seconds(20))
    }

    @Test("what one partition stored no other finds")
    func partitions() {
        let other = StoreFixture.key("/reports/1", partition: "another")
        store.fetch(StoreFixture.answer("mine"), under: key)
        #expect(store.text(other) == nil)
        store.fetch(StoreFixture.answer("theirs"), under: other)
        #expect(store.text(key) == "mine" && store.text(other) == "theirs")
    }

    @Test("a newer answer takes the place of the older")
    func replaced() {
        store.fetch(StoreFixture.answer("old"), under: key)
        store.fetch(StoreFixture.answer("new"), under: key)
        #expect(store.text(key) == "new" && store.statistics.entries == 1)
    }

    @Test("a fetch that was begun before another does not replace what that one brought, however late it ends")
    func superseded() {
        let (early, late) = (start(), start())
        #expect(finish(StoreFixture.answer("late"), late) == nil)
        #expect(finish(StoreFixture.answer("early"), early) == .superseded)
        #expect(store.text(key) == "late")
        #expect(finish(StoreFixture.answer("later still"), start()) == nil)
    }

    @Test("what upstream says is not there is removed, and no other variant or partition")
    func removed() {
        let other = StoreFixture.key("/reports/1", partition: "another")
        let (english, german) = (StoreFixture.request(language: "en"), StoreFixture.request(language: "de"))
        store.fetch(StoreFixture.answer(), under: other)
        store.remove(key, request: english)
        for request in [english, german] {
            store.fetch(StoreFixture.answer(), under: key, vary: [StoreFixture.language], request: request)
        }
        store.remove(key, request: english)
        #expect(store.text(key, request: english) == nil && store.text(key, request: german) == "text")
        #expect(store.text(other) == "text" && store.statistics.entries == 2)
    }

    @Test("an invalidation drops what shares a tag with it, in every shard, and says how many that were")
    func invalidation() {
        for number in 0..<100 {
            store.fetch(
                StoreFixture.answer(tags: ["report:\(number)", "itwin:\(number % 2)"]),
                under: StoreFixture.key("/reports/\(number)"))
        }
        #expect(store.invalidate(.tagged(TagSet(["report:7", "report:none"])), now: StoreFixture.start) == 1)
        #expect(store.text(StoreFixture.key("/reports/7")) == nil)
        #expect(store.invalidate(.tagged(TagSet(["itwin:0"])), now: StoreFixture.start) == 50)
        #expect(store.text(StoreFixture.key("/reports/9")) == "text")
        #expect(store.invalidate(.everything, now: StoreFixture.start) == 49)
        #expect(store.statistics.entries == 0 && store.statistics.purged == 100)
    }

    @Test("a fetch begun before a write that concerns its answer is not stored after it, one begun after is")
    func begunBefore() {
        let answer = StoreFixture.answer(tags: ["report:1"])
        let (before, alike) = (start(), start())
        store.invalidate(.tagged(TagSet(["report:1"])), now: StoreFixture.start)
        #expect(finish(answer, before) == .invalidated)
        #expect(store.text(key) == nil)
        #expect(
            finish(StoreFixture.answer(tags: ["report:2"]), alike) == nil, "another report's page is as true as ever")
        #expect(finish(answer, start()) == nil)
    }

    @Test("a page that shows a deleted object is not kept for as long as deletes are remembered")
    func deletedObjects() {
        store.invalidate(.tagged(TagSet(["x"])), deleted: TagSet(["report:1"]), now: StoreFixture.start)
        let showing = StoreFixture.answer(objects: ["report:1", "report:2"])
        #expect(finish(showing, start()) == .deletedID)
        #expect(finish(StoreFixture.answer("clean", objects: ["report:2"]), start()) == nil)
        #expect(finish(showing, start(), at: 299) == .deletedID)
        #expect(store.text(key) == "clean")
        #expect(finish(showing, start(), at: 300) == nil)
    }

    @Test("a page is not stored when its list has changed since its fetch began")
    func listChanged() {
        let first = StoreFixture.page(of: "/reports", isFirst: true)
        let later = StoreFixture.page(of: "/reports", isFirst: false)
        let other = StoreFixture.key("/reports")
        store.fetch(StoreFixture.answer("old", page: first), under: other)
        let ticket = start()
        store.fetch(StoreFixture.answer("new", page: first), under: other)
        #expect(finish(StoreFixture.answer("2", page: later), ticket) == .listChanged)
        #expect(store.text(key) == nil)
        #expect(finish(StoreFixture.answer("2", page: later), start()) == nil)
    }

    @Test("the sweep takes what is too old for every use and nothing else, once a minute at most")
    func sweep() {
        store.limits = CacheLimits(staleWhileRevalidate: .seconds(30), staleIfError: .seconds(100))
        store.fetch(StoreFixture.answer(lifetime: 10), under: key)
        store.fetch(StoreFixture.answer(lifetime: 500), under: StoreFixture.key("/reports/2"))
        #expect(store.sweep(now: StoreFixture.at(110)) == 0)
        #expect(store.sweep(now: StoreFixture.at(169)) == 0, "it looked less than a minute ago")
        #expect(store.sweep(now: StoreFixture.at(170)) == 1)
        #expect(store.statistics.entries == 1)
        store.limits.staleWhileRevalidate = .seconds(1000)
        #expect(store.sweep(now: StoreFixture.at(1400)) == 0, "the longer of the two bounds counts")
        #expect(store.sweep(now: StoreFixture.at(1501)) == 1)
        #expect(store.statistics.bytes == 0 && store.statistics.purged == 0)
    }

    @Test("made smaller, it holds no more than it may at once, and made larger, more than it could")
    func resized() {
        let store = StoreFixture.store(maxBytes: 256_000, maxEntryBytes: 4_000)
        func fill() {
            for number in 0..<600 {
                store.fetch(StoreFixture.answer(bytes: 2_000), under: StoreFixture.key("/reports/\(number)"))
            }
        }
        fill()
        let before = store.statistics
        #expect(before.bytes > 128_000)
        store.limits = CacheLimits(maxBytes: 64_000, maxEntryBytes: 4_000)
        #expect(store.statistics.bytes <= 64_000 && store.statistics.entries > 0)
        #expect(store.statistics.evictions > before.evictions)
        fill()
        #expect(store.statistics.bytes <= 64_000 && store.maxBodyBytes <= 16_000)
        store.limits = CacheLimits(maxBytes: 1 << 20, maxEntryBytes: 100_000)
        fill()
        #expect(store.statistics.bytes > 256_000 && store.statistics.bytes <= 1 << 20)
        #expect(store.fetch(StoreFixture.answer(bytes: store.maxBodyBytes - 500), under: key) == nil)
    }

    @Test("its bytes stay within the limit with one shard and with sixteen, and one large entry fits")
    func bounds() {
        for (maxBytes, maxEntryBytes) in [(0, 0), (1, 1), (100_000, 100_000), (256_000, 4000), (1 << 20, 100)] {
            let store = StoreFixture.store(maxBytes: maxBytes, maxEntryBytes: maxEntryBytes)
            #expect(store.maxBodyBytes <= maxEntryBytes && store.maxBodyBytes <= maxBytes / 4)
            for number in 0..<600 {
                let key = StoreFixture.key("/reports/\(number)")
                store.fetch(StoreFixture.answer(bytes: number * 3), under: key)
                if number.isMultiple(of: 5), store.reserve(2000, for: key), number.isMultiple(of: 10) {
                    store.release(2000, for: key)
                }
                #expect(store.statistics.bytes <= maxBytes)
            }
            #expect(store.statistics.entries > 0 || maxBytes < 1000)
            #expect(store.statistics.evictions > 0)
        }
        let roomy = StoreFixture.store(maxBytes: 1 << 20, maxEntryBytes: 1 << 18)
        #expect(roomy.fetch(StoreFixture.answer(bytes: roomy.maxBodyBytes - 100), under: key) == nil)
    }
}
