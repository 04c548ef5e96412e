// The generations of lists: pages of two different pictures are never answered together.

import Testing

@testable import Caching

/// A book that can be asked inside an expectation.
private final class Box {
    private var book = ListBook()

    var cost: Int { book.cost }
    var latest: ListBook.Generation { book.latest }

    func generation(of list: CacheKey) -> ListBook.Generation { book.generation(of: list) }

    /// Fetches begun so far.
    private(set) var fetches: UInt64 = 0

    func begin() -> UInt64 {
        fetches += 1
        return fetches
    }

    func fetched(
        _ page: ListPage, digest: String, previous: String? = nil, began: ListBook.Generation, number: UInt64? = nil,
        freshUntil seconds: Int = 30
    ) -> ListBook.Generation? {
        book.fetched(
            ListBook.Fetched(
                page: page, digest: digest, previous: previous, began: began, number: number ?? begin(),
                freshUntil: StoreFixture.at(seconds)))
    }

    /// How a page stands that was stored at this moment, or when so many fetches had been begun.
    func standing(_ page: ListPage, _ generation: ListBook.Generation?, completed: UInt64? = nil) -> ListBook.Standing {
        book.standing(page, generation: generation ?? .max, completed: completed ?? fetches)
    }

    func confirm(_ page: ListPage, digest: String, freshUntil seconds: Int) {
        book.confirmed(page, digest: digest, number: begin(), freshUntil: StoreFixture.at(seconds))
    }

    func takeWant(_ page: ListPage, at seconds: Int) -> Bool {
        book.takeWantOfFirst(for: page, now: StoreFixture.at(seconds))
    }

    func mayKeep(_ page: ListPage) -> Bool { book.mayKeep(page) }

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
        _ page: ListPage, _ digest: String, previous: String? = nil, freshUntil seconds: Int = 30
    ) -> ListBook.Generation? {
        book.fetched(page, digest: digest, previous: previous, began: book.latest, freshUntil: seconds)
    }

    private func first(of count: Int) -> ListPage { StoreFixture.page(of: "/reports", isFirst: true, count: count) }

    private func later(of count: Int) -> ListPage { StoreFixture.page(of: "/reports", isFirst: false, count: count) }

    // MARK: With a count

    @Test("a later page is good beside an older first page while that one is fresh and shows the same count")
    func besideAnOlder() {
        let picture = fetch(first(of: 5), "a", freshUntil: 30)
        #expect(fetch(later(of: 5), "b", freshUntil: 60) == picture)
        #expect(book.standing(later(of: 5), picture) == .until(StoreFixture.at(30)))
        #expect(book.standing(first(of: 5), picture) == .good)
        #expect(!book.takeWant(later(of: 5), at: 29))
        #expect(book.takeWant(later(of: 5), at: 30), "beside an expired one it is not kept for long")
    }

    @Test("a first page that was fetched after a later one, unchanged, does not limit it")
    func besideANewer() {
        let picture = fetch(first(of: 5), "a", freshUntil: 30)
        _ = fetch(later(of: 5), "b")
        let completed = book.fetches
        #expect(fetch(first(of: 5), "a", freshUntil: 40) == picture)
        #expect(book.standing(later(of: 5), picture, completed: completed) == .good)
    }

    @Test("a later page that counts other rows begins a picture and wants the first page, once")
    func otherCount() {
        let before = fetch(first(of: 5), "a")
        let after = fetch(later(of: 4), "b")
        #expect(after != before && after == generation)
        #expect(book.standing(first(of: 5), before) == .none && book.standing(later(of: 4), after) == .good)
        #expect(book.takeWant(later(of: 4), at: 1) && !book.takeWant(later(of: 4), at: 1))
        let completed = book.fetches
        #expect(fetch(first(of: 4), "c") == after, "the first page that shows it joins it")
        #expect(book.standing(later(of: 4), after, completed: completed) == .good)
        let third = fetch(first(of: 3), "d")
        #expect(third != after && third == generation)
    }

    @Test("a later page that changed at the same count begins a picture and wants the first page")
    func sameCountOtherRows() {
        let before = fetch(first(of: 5), "a")
        _ = fetch(later(of: 5), "b")
        #expect(fetch(later(of: 5), "c", previous: "b") != before)
        #expect(book.takeWant(later(of: 5), at: 1))
    }

    @Test("later pages without a first one are one picture by their count")
    func laterAlone() {
        let picture = fetch(later(of: 5), "b")
        #expect(fetch(later(of: 5), "c") == picture && book.standing(later(of: 5), picture) == .good)
        #expect(!book.takeWant(later(of: 5), at: 1), "nobody has asked for the first one")
        #expect(fetch(first(of: 5), "a") == picture)
        #expect(fetch(later(of: 6), "d") != picture)
    }

    @Test("a 304 for the first page is as good as the page")
    func confirmedFirst() {
        let picture = fetch(first(of: 5), "a", freshUntil: 30)
        _ = fetch(later(of: 5), "b")
        let completed = book.fetches
        book.confirm(first(of: 5), digest: "other", freshUntil: 90)
        #expect(book.standing(later(of: 5), picture, completed: completed) == .until(StoreFixture.at(30)))
        book.confirm(first(of: 5), digest: "a", freshUntil: 90)
        #expect(book.standing(later(of: 5), picture, completed: completed) == .good)
    }

    // MARK: Without a count

    @Test("without a count a later page is good only beside a first page that was fetched after it, unchanged")
    func withoutCount() {
        let picture = fetch(Self.first, "a")
        _ = fetch(Self.later, "b")
        let completed = book.fetches
        #expect(book.standing(Self.later, picture, completed: completed) == .none)
        #expect(!book.takeWant(Self.later, at: 60), "which is not fetched for its sake")
        #expect(fetch(Self.first, "a") == picture)
        #expect(book.standing(Self.later, picture, completed: completed) == .good)
        let changed = fetch(Self.first, "c")
        #expect(changed != picture && book.standing(Self.later, picture, completed: completed) == .none)
    }

    @Test("a first page that was on its way when a later one without a count came proves nothing")
    func overlapping() {
        let picture = fetch(Self.first, "a")
        let (slow, began) = (book.begin(), book.latest)
        _ = fetch(Self.later, "b")
        let completed = book.fetches
        #expect(book.fetched(Self.first, digest: "a", began: began, number: slow) == picture)
        #expect(book.standing(Self.later, picture, completed: completed) == .none)
    }

    @Test("a later page without a count is kept only where there is a first page")
    func withoutFirst() {
        #expect(!book.mayKeep(Self.later) && book.mayKeep(Self.first) && book.mayKeep(later(of: 5)))
        _ = fetch(Self.first, "a")
        #expect(book.mayKeep(Self.later))
    }

    // MARK: Generations

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
        #expect(fetch(Self.first, "a") != after, "nobody knows whether the first page fits, though it is as it was")
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
        let (began, number) = (book.latest, book.begin())
        _ = fetch(Self.first, "b")
        #expect(book.fetched(Self.later, digest: "x", previous: nil, began: began, number: number) == nil)
        #expect(book.fetched(Self.first, digest: "x", previous: nil, began: began, number: number) == nil)
        let present = generation
        #expect(fetch(Self.first, "b") == present, "and a refused one leaves no trace")
    }

    @Test("of two fetches that overlap the one begun later wins, whichever is answered first")
    func begunLater() {
        let (began, older, newer) = (book.latest, book.begin(), book.begin())
        let old = book.fetched(first(of: 5), digest: "a", began: began, number: older)
        let new = book.fetched(first(of: 6), digest: "b", began: began, number: newer)
        #expect(new == generation && new != old, "answered last")
        #expect(book.fetched(first(of: 5), digest: "a", began: began, number: older) == nil, "answered first")
        #expect(book.fetched(first(of: 6), digest: "b", began: began, number: book.begin()) == new, "it is as it was")
    }

    @Test("a later page that overlaps a change is kept if it contradicts what there is or repeats its copy, else not")
    func laterBegunLater() {
        let began = book.latest
        let (older, newer) = (book.begin(), book.begin())
        let picture = book.fetched(first(of: 5), digest: "a", began: began, number: older)
        #expect(book.fetched(later(of: 5), digest: "b", began: began, number: newer) == nil, "it may be older still")
        let again = book.fetched(later(of: 5), digest: "b", previous: "b", began: began, number: newer)
        #expect(again == picture)
        let other = book.fetched(later(of: 6), digest: "b", began: began, number: newer)
        #expect(other == generation && other != picture && book.takeWant(later(of: 6), at: 0))
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
