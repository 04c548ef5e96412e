// The generations of lists: pages of two different pictures are never answered together.

import Testing

@testable import Caching

/// A book that can be asked inside an expectation.
private final class Box {
    private var book = ListBook()

    var cost: Int { book.cost }
    var latest: ListBook.Generation { book.latest }

    func generation(of list: CacheKey) -> ListBook.Generation { book.generation(of: list) }

    func fetched(
        _ page: ListPage, digest: String, previous: String?, began: ListBook.Generation
    ) -> ListBook.Generation? {
        book.fetched(page, digest: digest, previous: previous, began: began)
    }

    func removeAll() { book.removeAll() }
}

@Suite("The generations of lists")
struct ListBookTests {
    private static let first = StoreFixture.page(of: "/reports", isFirst: true)
    private static let later = StoreFixture.page(of: "/reports", isFirst: false)
    private let book = Box()

    private var generation: ListBook.Generation { book.generation(of: Self.first.list) }

    /// A fetch during which nothing else happens.
    private func fetch(
        _ page: ListPage, _ digest: String, previous: String? = nil
    ) -> ListBook.Generation? {
        book.fetched(page, digest: digest, previous: previous, began: book.latest)
    }

    @Test("a list gets a generation of its own with its first answer")
    func unseen() {
        let before = generation
        let stored = fetch(Self.first, "a")
        #expect(stored == generation && generation > before)
        #expect(book.generation(of: StoreFixture.key("/tests")) != stored)
    }

    @Test("an unchanged first page keeps the generation, and later pages join it")
    func unchanged() {
        let before = fetch(Self.first, "a")
        #expect(fetch(Self.later, "b") == before)
        #expect(fetch(Self.first, "a", previous: "a") == before)
        #expect(fetch(Self.first, "a") == before, "also when its copy has been evicted")
        #expect(fetch(Self.later, "b", previous: "b") == before)
    }

    @Test("a changed first page begins a generation, also when its old copy has been evicted")
    func firstChanged() {
        let before = fetch(Self.first, "a")
        let after = fetch(Self.first, "b", previous: "a")
        #expect(after == generation && after != before)
        let again = fetch(Self.first, "c")
        #expect(again == generation && again != after)
    }

    @Test("a changed later page begins a generation, one without a copy to compare does not")
    func laterChanged() {
        let before = fetch(Self.first, "a")
        #expect(fetch(Self.later, "b") == before)
        let after = fetch(Self.later, "c", previous: "b")
        #expect(after == generation && after != before)
        #expect(fetch(Self.first, "a") == after, "the first page can be as it was")
    }

    @Test("a first page that comes after later ones begins a generation: nobody knows whether they fit")
    func laterFirst() {
        let before = fetch(Self.later, "b")
        #expect(before == generation)
        let after = fetch(Self.first, "a")
        #expect(after == generation && after != before)
    }

    @Test("what was begun before a change is not kept after it")
    func begunBefore() {
        _ = fetch(Self.first, "a")
        let began = book.latest
        _ = fetch(Self.first, "b")
        #expect(book.fetched(Self.later, digest: "x", previous: nil, began: began) == nil)
        #expect(book.fetched(Self.first, digest: "x", previous: nil, began: began) == nil)
        let present = generation
        #expect(fetch(Self.first, "b") == present, "and a refused one leaves no trace")
    }

    @Test("of two fetches of an unseen list only the one that is stored first is kept")
    func twoOfUnseen() {
        let began = book.latest
        #expect(book.fetched(Self.first, digest: "a", previous: nil, began: began) != nil)
        #expect(book.fetched(Self.later, digest: "b", previous: nil, began: began) == nil)
    }

    @Test("what was begun before another list changed is kept")
    func othersChange() {
        let page = StoreFixture.page(of: "/tests", isFirst: true)
        let stored = fetch(page, "a")
        let began = book.latest
        _ = fetch(Self.first, "a")
        _ = fetch(Self.first, "b")
        #expect(book.fetched(page, digest: "a", previous: "a", began: began) == stored)
    }

    @Test("lists and partitions do not touch each other")
    func others() {
        let other = StoreFixture.page(of: "/reports", isFirst: true, partition: "another")
        _ = fetch(Self.first, "a")
        let before = fetch(other, "a")
        _ = fetch(Self.first, "b")
        #expect(book.generation(of: other.list) == before)
    }

    @Test("when there are too many all are forgotten, no generation comes twice, and the bytes are accounted for")
    func overflow() {
        let before = fetch(Self.first, "a")
        let one = book.cost
        #expect(one > Self.first.list.byteCount)
        for number in 1..<ListBook.capacity {
            _ = fetch(StoreFixture.page(of: "/reports/\(number)", isFirst: true), "a")
        }
        #expect(generation == before && book.cost > ListBook.capacity * 128)
        let next = fetch(StoreFixture.page(of: "/one/too/many", isFirst: true), "a")
        #expect(generation != before && next != before && book.cost < 2 * one)
        let again = fetch(Self.first, "a")
        #expect(again != before && again == generation)
        book.removeAll()
        #expect(book.cost == 0 && generation != again)
    }

    @Test(
        "what was begun before a change is not kept after it, also when the list was forgotten in between")
    func forgottenBetween() {
        let began = book.latest
        _ = fetch(Self.first, "a")
        _ = fetch(Self.first, "b")
        book.removeAll()
        #expect(book.fetched(Self.later, digest: "x", previous: nil, began: began) == nil)
    }
}
