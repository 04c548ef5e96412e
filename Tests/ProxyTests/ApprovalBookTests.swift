// The rules of approvals, step by step, with the clock moved by hand and restarts in between.

import Ground
import Testing

@testable import Audit
@testable import Proxy

@Suite("The rules of approvals") struct ApprovalBookTests {
    private let start = ContinuousClock.now
    private let wall = WallTime(seconds: 1_800_000_000)
    private let boss = AuditCaller(name: "boss", via: "key")

    private func delete(_ what: String = "r1", by caller: String = "tool") -> AskedDelete {
        AskedDelete(
            call: AuditCall(
                id: "c-\(what)", operation: "v2.reports.delete", method: "POST", target: "/t", objects: [what],
                caller: AuditCaller(name: caller, via: "key")),
            fields: [], body: Array("{\"jobs\":[\"\(what)\"]}".utf8), binding: "\(caller) \(what)")
    }

    /// Asks, and has that recorded.
    private func ask(
        _ book: inout ApprovalBook, _ delete: AskedDelete, id: String, after: Duration = .zero
    ) -> ApprovalBook.Asked {
        let asked = book.ask(delete, newID: id, wallTime: wall + after, now: start + after)
        if case .waits(let id, _, true) = asked { book.recorded(id, true) }
        return asked
    }

    private func approve(_ book: inout ApprovalBook, _ id: String, after: Duration = .zero) throws {
        _ = try book.decide(id, by: "boss", now: start + after)
        book.decided(id, isApproved: true, by: boss, reason: "", now: start + after)
    }

    @Test("a delete waits an hour for a decision, and the same call waits with it; approved, it passes once")
    func once() throws {
        var book = ApprovalBook()
        let end = start + .seconds(3600)
        #expect(ask(&book, delete(), id: "1") == .waits(id: "1", until: end, isNew: true))
        #expect(ask(&book, delete(), id: "2", after: .seconds(9)) == .waits(id: "1", until: end, isNew: false))
        #expect(book.waiting(now: start).map(\.id) == ["1"])
        try approve(&book, "1", after: .seconds(60))
        #expect(book.waiting(now: start + .seconds(60)).isEmpty)
        #expect(ask(&book, delete("r2"), id: "3", after: .seconds(61)) != .passes(id: "1", by: boss))
        #expect(ask(&book, delete(), id: "4", after: .seconds(62)) == .passes(id: "1", by: boss))
        let over = start + .seconds(660)
        #expect(ask(&book, delete(), id: "5", after: .seconds(63)) == .isUnderWay(id: "1", until: over))
        book.spent("1")
        guard case .waits(id: "6", until: _, isNew: true) = ask(&book, delete(), id: "6", after: .seconds(64)) else {
            Issue.record("it passed twice")
            return
        }
    }

    @Test("a call that was never sent gives its approval back, for what is left of its ten minutes")
    func givenBack() throws {
        var book = ApprovalBook()
        _ = ask(&book, delete(), id: "1")
        try approve(&book, "1")
        for second in [1, 300, 598] {
            #expect(ask(&book, delete(), id: "x", after: .seconds(second)) == .passes(id: "1", by: boss))
            book.giveBack("1", now: start + .seconds(second + 1))
        }
        #expect(ask(&book, delete(), id: "x", after: .milliseconds(599_999)) == .passes(id: "1", by: boss))
        book.giveBack("1", now: start + .seconds(600))
        #expect(ask(&book, delete(), id: "2", after: .seconds(600)) != .passes(id: "1", by: boss))
    }

    @Test("an hour without a decision is the end of it, and so are ten minutes after one")
    func expired() throws {
        var book = ApprovalBook()
        _ = ask(&book, delete(), id: "1")
        #expect(book.waiting(now: start + .seconds(3599)).count == 1)
        #expect(book.waiting(now: start + .seconds(3600)).isEmpty)
        #expect(throws: ApprovalBook.Refusal.unknown) {
            try book.decide("1", by: "boss", now: start + .seconds(3600))
        }
        _ = ask(&book, delete(), id: "2", after: .seconds(4000))
        try approve(&book, "2", after: .seconds(4000))
        guard case .waits(id: "3", until: _, isNew: true) = ask(&book, delete(), id: "3", after: .seconds(4600)) else {
            Issue.record("an old approval let it through")
            return
        }
    }

    @Test("denied, it is denied for ten minutes, with the reason; then it can be asked for again")
    func denied() throws {
        var book = ApprovalBook()
        _ = ask(&book, delete(), id: "1")
        _ = try book.decide("1", by: "boss", now: start)
        book.decided("1", isApproved: false, by: boss, reason: "still needed", now: start)
        let until = start + .seconds(600)
        #expect(
            ask(&book, delete(), id: "2", after: .seconds(599))
                == .denied(by: boss, reason: "still needed", until: until))
        #expect(
            ask(&book, delete(), id: "2", after: .seconds(600))
                == .waits(id: "2", until: start + .seconds(4200), isNew: true))
    }

    @Test("nobody decides about a delete of one's own, nobody twice, and of two approvers the first")
    func deciders() throws {
        var book = ApprovalBook()
        _ = ask(&book, delete(), id: "1")
        #expect(throws: ApprovalBook.Refusal.own) { try book.decide("1", by: "tool", now: start) }
        #expect(throws: ApprovalBook.Refusal.unknown) { try book.decide("9", by: "boss", now: start) }
        _ = try book.decide("1", by: "boss", now: start)
        #expect(throws: ApprovalBook.Refusal.unknown) { try book.decide("1", by: "other", now: start) }
        // What cannot be written does not count, and others may decide.
        book.decided("1", isApproved: nil, by: boss, reason: "", now: start)
        #expect(book.waiting(now: start).map(\.id) == ["1"])
        _ = try book.decide("1", by: "other", now: start)
        #expect(ask(&book, delete(), id: "2") == .waits(id: "1", until: start + .seconds(3600), isNew: false))
        book.decided("1", isApproved: true, by: AuditCaller(name: "other"), reason: "", now: start)
        #expect(throws: ApprovalBook.Refusal.unknown) { try book.decide("1", by: "boss", now: start) }
        #expect(ask(&book, delete(), id: "2") == .passes(id: "1", by: AuditCaller(name: "other")))
    }

    @Test("what is not on disk is seen by no approver, and what could not be written never waited")
    func unrecorded() {
        var book = ApprovalBook()
        _ = book.ask(delete(), newID: "1", wallTime: wall, now: start)
        #expect(book.waiting(now: start).isEmpty)
        #expect(throws: ApprovalBook.Refusal.unknown) { try book.decide("1", by: "boss", now: start) }
        book.recorded("1", false)
        #expect(ask(&book, delete(), id: "2") == .waits(id: "2", until: start + .seconds(3600), isNew: true))
        book.recorded("2", false)
        #expect(book.waiting(now: start).map(\.id) == ["2"])
    }

    @Test("so many wait and no more, of each caller and of all; there is room again when the first is over")
    func bounded() {
        var limits = ApprovalBook.Limits()
        (limits.most, limits.mostOfCaller) = (3, 2)
        var book = ApprovalBook(limits: limits)
        _ = ask(&book, delete("a"), id: "1")
        _ = ask(&book, delete("b"), id: "2", after: .seconds(10))
        #expect(ask(&book, delete("c"), id: "3", after: .seconds(20)) == .full(until: start + .seconds(3600)))
        _ = ask(&book, delete("a", by: "other"), id: "4", after: .seconds(20))
        #expect(
            ask(&book, delete("a", by: "third"), id: "5", after: .seconds(20)) == .full(until: start + .seconds(3600)))
        guard case .waits = ask(&book, delete("c"), id: "6", after: .seconds(3600)) else {
            Issue.record("no room after the first was over")
            return
        }
    }

    @Test("the outlook is what would come, and changes nothing")
    func outlook() throws {
        var book = ApprovalBook()
        #expect(book.outlook(of: delete(), now: start) == .waits(id: "", until: start + .seconds(3600), isNew: true))
        #expect(book.waiting(now: start).isEmpty)
        _ = ask(&book, delete(), id: "1")
        try approve(&book, "1")
        for _ in 0..<2 { #expect(book.outlook(of: delete(), now: start) == .passes(id: "1", by: boss)) }
        #expect(ask(&book, delete(), id: "x") == .passes(id: "1", by: boss))
    }

    // MARK: Restarts

    private func record(
        _ event: String, _ id: String, _ delete: AskedDelete? = nil, seq: UInt64, expires: Duration = .zero
    ) -> AuditRecord {
        var text = "{\"seq\":\(seq),\"time\":\"\(AuditTime(microseconds: wall.seconds * 1_000_000).text)\","
        text += "\"event\":\"\(event)\""
        let end = AuditTime(microseconds: (wall.seconds + expires.components.seconds) * 1_000_000).text
        if let delete {
            let body = String(decoding: delete.body, as: UTF8.self)
            text += ",\"id\":\"c\",\"operation\":\"v2.reports.delete\",\"method\":\"POST\",\"target\":\"/t\","
            text += "\"objects\":[\"x\"],\"caller\":{\"name\":\"tool\",\"via\":\"key\"},\"approval\":{\"id\":\"\(id)\","
            text += "\"binding\":\"\(delete.binding)\",\"expires\":\"\(end)\",\"body\":\(JSONText.quoted(body))}"
        } else if event != "outcome" {
            text += ",\"id\":\"c\",\"approval\":{\"id\":\"\(id)\",\"expires\":\"\(end)\",\"by\":{\"name\":\"boss\","
            text += "\"via\":\"key\"},\"reason\":\"no\"}"
        } else {
            text += ",\"id\":\"c\",\"intent\":\(id),\"result\":\"not_sent\""
        }
        let zeros = String(repeating: "0", count: 64)
        text += ",\"prev\":\"\(zeros)\",\"hash\":\"\(zeros)\"}"
        guard let record = AuditRecord(Array(text.utf8).span) else { preconditionFailure("no record: \(text)") }
        return record
    }

    @Test("after a restart it waits on, is approved or denied as before, and what was used is used")
    func recalled() throws {
        let asked = record("approval_asked", "1", delete(), seq: 1, expires: .seconds(3000))
        let approved = record("approved", "1", seq: 2, expires: .seconds(300))
        let intent = record("intent", "1", seq: 3)
        let notSent = record("outcome", "3", seq: 4)
        func book(_ records: [AuditRecord]) -> ApprovalBook {
            var book = ApprovalBook()
            book.recall(records, wallTime: wall, now: start)
            return book
        }
        var waiting = book([asked, asked])
        #expect(waiting.waiting(now: start).map(\.delete) == [delete().with(record: asked)])
        #expect(ask(&waiting, delete(), id: "x") == .waits(id: "1", until: start + .seconds(3000), isNew: false))
        var good = book([asked, approved])
        #expect(ask(&good, delete(), id: "x", after: .seconds(299)) == .passes(id: "1", by: boss))
        var old = book([asked, approved])
        #expect(ask(&old, delete(), id: "x", after: .seconds(300)) != .passes(id: "1", by: boss))
        var denied = book([asked, record("approval_denied", "1", seq: 2, expires: .seconds(300))])
        #expect(
            ask(&denied, delete(), id: "x") == .denied(by: boss, reason: "no", until: start + .seconds(300)))
        // Killed between intent and outcome: it may have been sent.
        var used = book([asked, approved, intent])
        #expect(ask(&used, delete(), id: "x") == .waits(id: "x", until: start + .seconds(3600), isNew: true))
        var unused = book([asked, approved, intent, notSent])
        #expect(ask(&unused, delete(), id: "x") == .passes(id: "1", by: boss))
        var again = book([asked, approved, intent, notSent, record("intent", "1", seq: 5)])
        #expect(ask(&again, delete(), id: "x") == .waits(id: "x", until: start + .seconds(3600), isNew: true))
    }
}

extension AskedDelete {
    /// The same with the call as a record has it.
    fileprivate func with(record: AuditRecord) -> AskedDelete {
        AskedDelete(call: record.call, fields: fields, body: body, binding: binding)
    }
}
