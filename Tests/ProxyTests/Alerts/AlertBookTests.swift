// Which alerts go out: one of a kind and subject in ten minutes, and once when what was told is over.

import Testing

@testable import Proxy

@Suite struct AlertBookTests {
    private let start = ContinuousClock.now

    private func at(_ seconds: Int) -> ContinuousClock.Instant { start + .seconds(seconds) }

    private func alert(_ subject: String, _ kind: Alert.Kind = .pause) -> Alert {
        Alert(kind: kind, subject: subject, severity: .warning, text: subject, details: [])
    }

    @Test("what has begun is told once while it lasts, and once when it is over")
    func once() {
        var book = AlertBook()
        #expect(book.over(.pause, "a") == false, "nothing was told")
        #expect(book.begun(alert("a"), lasts: true, now: at(0)) == .tell)
        #expect(book.begun(alert("a"), lasts: true, now: at(5)) == .known)
        #expect(book.begun(alert("a"), lasts: true, now: at(5_000)) == .known)
        #expect(book.begun(alert("b"), lasts: true, now: at(5)) == .tell)
        #expect(book.begun(alert("a", .sink), lasts: true, now: at(5)) == .tell)
        #expect(book.open(.pause).sorted() == ["a", "b"])
        #expect(book.over(.pause, "a") == true && book.over(.pause, "a") == false)
        #expect(book.open(.pause) == ["b"])
    }

    @Test("what begins again within ten minutes is held, and told when they are over if it still lasts")
    func again() {
        var book = AlertBook()
        #expect(book.begun(alert("a"), lasts: true, now: at(0)) == .tell)
        #expect(book.over(.pause, "a") == true)
        #expect(book.begun(alert("a"), lasts: true, now: at(100)) == .tooSoon)
        #expect(book.over(.pause, "a") == false && book.due == nil, "nobody knows of it")
        #expect(book.begun(alert("a"), lasts: true, now: at(200)) == .tooSoon)
        #expect(book.due == at(600) && book.passed(now: at(599)).isEmpty)
        #expect(book.passed(now: at(600)).map(\.subject) == ["a"])
        #expect(book.due == nil && book.passed(now: at(2_000)).isEmpty)
        #expect(book.over(.pause, "a") == true)
        #expect(book.begun(alert("a"), lasts: true, now: at(1_199)) == .tooSoon)
        #expect(book.over(.pause, "a") == false)
        #expect(book.begun(alert("a"), lasts: true, now: at(1_200)) == .tell)
    }

    @Test("what only happens is never over, and is told again after ten minutes")
    func events() {
        var book = AlertBook()
        #expect(book.begun(alert("a", .protected), lasts: false, now: at(0)) == .tell)
        #expect(book.over(.protected, "a") == false)
        #expect(book.begun(alert("a", .protected), lasts: false, now: at(599)) == .tooSoon)
        #expect(book.due == nil)
        #expect(book.begun(alert("a", .protected), lasts: false, now: at(600)) == .tell)
    }

    @Test("a flood of subjects is not remembered without end, nor told")
    func flood() {
        var book = AlertBook()
        let verdicts = (0..<2_000).map { book.begun(alert("\($0)", .unknownOutcome), lasts: false, now: at(0)) }
        #expect(verdicts.count { $0 == .tell } == AlertBook.capacity)
        #expect(book.begun(alert("x", .unknownOutcome), lasts: false, now: at(599)) == .tooSoon)
        #expect(book.begun(alert("x", .unknownOutcome), lasts: false, now: at(600)) == .tell, "the rest is forgotten")
    }
}
