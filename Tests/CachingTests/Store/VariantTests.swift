// Answers that depend on more than the key: Vary.

import HTTPTypes
import Testing

@testable import Caching

@Suite("Variants of stored answers")
struct VariantTests {
    private let store = StoreFixture.store()
    private let key = StoreFixture.key("/reports/1")
    private let english = StoreFixture.request(language: "en")
    private let german = StoreFixture.request(language: "de")

    @Test("an answer that depends on a field is for requests with the same value of it")
    func variants() {
        store.fetch(StoreFixture.answer("hello"), under: key, vary: [StoreFixture.language], request: english)
        #expect(store.text(key, request: english) == "hello")
        #expect(store.forward(key, request: german) == .varyMiss)
        #expect(store.forward(key, request: StoreFixture.request()) == .varyMiss)
        store.fetch(StoreFixture.answer("hallo"), under: key, vary: [StoreFixture.language], request: german)
        #expect(store.text(key, request: english) == "hello" && store.text(key, request: german) == "hallo")
        #expect(store.forward(StoreFixture.key("/reports/2"), request: german) == .uriMiss)
    }

    @Test("when an answer depends on other fields than before, what was stored by the old ones is not found")
    func otherNames() {
        store.fetch(StoreFixture.answer("old"), under: key)
        store.fetch(StoreFixture.answer("hello"), under: key, vary: [StoreFixture.language], request: english)
        #expect(store.forward(key, request: german) == .varyMiss)
        store.fetch(
            StoreFixture.answer("both"), under: key, vary: [.userAgent, StoreFixture.language], request: english)
        #expect(store.text(key, request: english) == "both")
        store.fetch(StoreFixture.answer("plain"), under: key, request: english)
        #expect(store.text(key, request: german) == "plain")
    }

    @Test("all variants are purged together and counted with the rest")
    func purge() {
        for language in ["en", "de", "fr"] {
            store.fetch(
                StoreFixture.answer(tags: ["report:1"]), under: key, vary: [StoreFixture.language],
                request: StoreFixture.request(language: language))
        }
        #expect(store.statistics.entries == 3)
        #expect(store.invalidate(.tagged(TagSet(["report:1"])), now: StoreFixture.start) == 3)
        #expect(store.text(key, request: german) == nil)
    }

    @Test("more rules than a shard remembers make misses, never the wrong variant")
    func manyRules() {
        let shard = StoreFixture.store(maxBytes: 4 << 20, maxEntryBytes: 1 << 20)
        let keys = (0..<600).map { StoreFixture.key("/reports/\($0)") }
        for key in keys {
            shard.fetch(StoreFixture.answer("hello"), under: key, vary: [StoreFixture.language], request: english)
            #expect(shard.text(key, request: english) == "hello")
        }
        #expect(!keys.contains { shard.text($0, request: german) != nil })
    }

    @Test(
        "where there is hardly room a variant is not kept rather than given to everybody")
    func noRoomForTheRule() {
        // As small as the configuration permits: shards of 4 KiB.
        let store = StoreFixture.store(maxBytes: 64 << 10, maxEntryBytes: 1 << 10)
        let target = "/itwins/1/reports"
        let busy = store.reserve(2048, for: StoreFixture.key(target))
        #expect(busy)
        for number in 0..<40 {
            let page = StoreFixture.page(of: "\(target)?filter=\(number)", isFirst: true)
            store.fetch(StoreFixture.answer(page: page), under: StoreFixture.key("\(target)?filter=\(number)"))
            let varied = StoreFixture.key("\(target)?lang=\(number)")
            store.fetch(StoreFixture.answer("hello"), under: varied, vary: [StoreFixture.language], request: english)
            #expect(store.text(varied, request: german) == nil)
        }
    }

    @Test(
        "an older fetch does not change what a newer one found the answer to depend on")
    func olderRule() {
        let (early, late) = (store.begin(key), store.begin(key))
        for (ticket, text, vary) in [(late, "hello", [StoreFixture.language]), (early, "plain", [])] {
            _ = store.store(
                StoreFixture.answer(text), under: key, vary: vary, request: english, ticket: ticket,
                now: StoreFixture.start)
        }
        #expect(store.text(key, request: english) == "hello" && store.text(key, request: german) == nil)
        for ticket in [early, late] { store.end(ticket) }
    }

    @Test(
        "after a purge it is the whole answer that is missing, not a variant of it")
    func missAfterPurge() {
        store.fetch(StoreFixture.answer(), under: key, vary: [StoreFixture.language], request: english)
        store.invalidate(.everything, now: StoreFixture.start)
        #expect(store.forward(key, request: english) == .uriMiss)
    }
}
