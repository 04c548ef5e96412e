// A 304 makes a stored answer fresh again, unless it is not the answer any more that was asked about.

import HTTPTypes
import Testing

@testable import Caching

@Suite("Refreshing stored answers")
struct RefreshTests {
    private let store = StoreFixture.store()
    private let key = StoreFixture.key("/reports/1")
    private let old = StoreFixture.answer("same", tags: ["report:1"], objects: ["report:1"])
    private let new = StoreFixture.answer("same", at: 40, tags: ["report:1"], objects: ["report:1"])

    /// A 304 that comes after `meanwhile`.
    private func refresh(
        _ new: CachedAnswer? = nil, language: String? = nil, meanwhile: () -> Void = {}
    ) -> CacheReason? {
        let new = new ?? self.new
        let ticket = store.begin(key)
        defer { store.end(ticket) }
        meanwhile()
        return store.refresh(
            old, with: new, under: key, request: StoreFixture.request(language: language), ticket: ticket,
            now: StoreFixture.at(40))
    }

    @Test("a 304 makes an expired answer fresh again")
    func refreshed() {
        store.fetch(old, under: key)
        #expect(store.text(key, at: 40) == nil)
        #expect(refresh() == nil)
        #expect(store.text(key, at: 69) == "same" && store.text(key, at: 70) == nil)
        #expect(store.statistics.entries == 1)
    }

    @Test("after a purge a 304 brings nothing back")
    func purged() {
        store.fetch(old, under: key)
        let tags = TagSet(["report:1"])
        #expect(refresh { store.invalidate(.tagged(tags), now: StoreFixture.start) } == .invalidated)
        #expect(store.statistics.entries == 0)
        #expect(refresh() == .superseded, "nor one that was asked for after it")
        store.fetch(old, under: key)
        #expect(refresh { store.invalidate(.everything, now: StoreFixture.start) } == .invalidated)
    }

    @Test("a write that concerns the answer refuses a 304 even if the same page was stored anew meanwhile")
    func storedAgain() {
        store.fetch(old, under: key)
        let reason = refresh {
            store.invalidate(.tagged(TagSet(["report:1"])), now: StoreFixture.start)
            store.fetch(old, under: key)
        }
        #expect(reason == .invalidated)
        #expect(store.text(key) == "same", "what was fetched after the write stays")
    }

    @Test("a 304 is refused for a page that shows a deleted object, that was replaced, or whose list has changed")
    func refused() {
        store.fetch(old, under: key)
        let deleted = TagSet(["report:1"])
        let other = CacheInvalidation.tagged(TagSet(["other"]))
        #expect(refresh { store.fetch(StoreFixture.answer("newer"), under: key) } == .superseded)
        #expect(store.text(key) == "newer")
        #expect(refresh { store.invalidate(other, deleted: deleted, now: StoreFixture.at(30)) } == .deletedID)
    }

    @Test("a 304 of an older fetch does not undo a newer one, and a newer 304 outranks an older answer")
    func order() {
        store.fetch(old, under: key)
        let (early, late) = (store.begin(key), store.begin(key))
        func land(_ ticket: CacheStore.Ticket) -> CacheReason? {
            defer { store.end(ticket) }
            return store.refresh(
                old, with: new, under: key, request: HTTPFields(), ticket: ticket, now: StoreFixture.at(40))
        }
        #expect(land(late) == nil)
        #expect(land(early) == .superseded)
        let slow = store.begin(key)
        let (fresh, quick) = (StoreFixture.answer("same", at: 80), store.begin(key))
        #expect(
            store.refresh(
                new, with: fresh, under: key, request: HTTPFields(), ticket: quick, now: StoreFixture.at(80)) == nil)
        #expect(
            store.store(
                StoreFixture.answer("older"), under: key, vary: [], request: HTTPFields(), ticket: slow,
                now: StoreFixture.at(81)) == .superseded)
        #expect(store.text(key, at: 90) == "same")
        for ticket in [slow, quick] { store.end(ticket) }
    }

    @Test("a 304 for a page of an old picture is refused")
    func listChanged() {
        let first = StoreFixture.page(of: "/reports", isFirst: true)
        let later = StoreFixture.page(of: "/reports", isFirst: false)
        let list = StoreFixture.key("/reports")
        let page = StoreFixture.answer("2", page: later)
        store.fetch(StoreFixture.answer("1", page: first), under: list)
        store.fetch(page, under: key)
        let ticket = store.begin(key)
        store.fetch(StoreFixture.answer("1 new", page: first), under: list)
        #expect(
            store.refresh(
                page, with: StoreFixture.answer("2", at: 40, page: later), under: key, request: HTTPFields(),
                ticket: ticket, now: StoreFixture.at(40)) == .listChanged)
        store.end(ticket)
        #expect(store.text(key, at: 41) == nil)
    }

    @Test("a 304 refreshes the variant that was asked about")
    func variant() {
        let german = StoreFixture.answer("hallo")
        store.fetch(
            old, under: key, vary: [StoreFixture.language], request: StoreFixture.request(language: "en"))
        store.fetch(
            german, under: key, vary: [StoreFixture.language], request: StoreFixture.request(language: "de"))
        #expect(refresh(language: "de") == .superseded, "the German page is another")
        #expect(refresh(language: "en") == nil)
        #expect(store.text(key, request: StoreFixture.request(language: "en"), at: 50) == "same")
        #expect(store.text(key, request: StoreFixture.request(language: "de"), at: 50) == nil)
    }
}
