// Which starts of runs are one, and which are in each other's way.

import Testing

@testable import Proxy

@Suite struct StartBookTests {
    private let now = ContinuousClock.now
    private let same = StartBook.Join(hash: "same")
    private let other = StartBook.Join(hash: "other")

    @Test("the same start is one while the first is unanswered, and never where two keys differ")
    func joins() {
        var book = StartBook()
        #expect(book.begin(same, key: nil, test: "t", now: now) == .lead(1))
        #expect(book.begin(same, key: nil, test: "t", now: now) == .join(1))
        #expect(book.begin(same, key: "a", test: "t", now: now) == .join(1))
        #expect(!book.isCrowded(1))
        #expect(book.begin(same, key: "b", test: "t", now: now) == .lead(2), "its run is that of a")
        #expect(book.begin(same, key: nil, test: "t", now: now) == .join(1))
        #expect(book.begin(same, key: "a", test: "t", now: now) == .join(1))
        book.end(2, isKnown: true, now: now)
        book.end(1, isKnown: true, now: now)
        #expect(book.begin(same, key: "a", test: "t", now: now) == .lead(3))
        #expect(book.begin(same, key: "b", test: "t", now: now) == .lead(4))
        #expect(book.begin(same, key: nil, test: "t", now: now) == .join(3))
        #expect(book.begin(same, key: "b", test: "t", now: now) == .join(4))
        #expect(book.isCrowded(3) && book.isCrowded(4))
    }

    @Test("two starts of one test that are not one are in each other's way, also after one has ended")
    func crowds() {
        var book = StartBook()
        #expect(book.begin(same, key: nil, test: "t", now: now) == .lead(1))
        #expect(book.begin(other, key: nil, test: "u", now: now) == .lead(2))
        #expect(!book.isCrowded(1) && !book.isCrowded(2))
        #expect(book.begin(other, key: "k", test: "t", now: now) == .join(2), "the hash tells tests apart")
        let third = StartBook.Join(hash: "third")
        #expect(book.begin(third, key: nil, test: "t", now: now) == .lead(3))
        book.end(3, isKnown: true, now: now)
        #expect(book.isCrowded(1) && !book.isCrowded(2))
        #expect(book.begin(third, key: nil, test: nil, now: now) == .lead(4))
        #expect(book.isCrowded(2) && book.isCrowded(4), "it may be any test")
    }

    @Test("a start whose outcome was not found out is in the way of others for a minute")
    func past() {
        var book = StartBook()
        _ = book.begin(same, key: nil, test: "t", now: now)
        book.end(1, isKnown: false, now: now)
        _ = book.begin(same, key: nil, test: "t", now: now + .seconds(59))
        #expect(book.isCrowded(2))
        book.end(2, isKnown: true, now: now + .seconds(59))
        _ = book.begin(same, key: nil, test: "t", now: now + .seconds(60))
        #expect(!book.isCrowded(3))
    }
}
