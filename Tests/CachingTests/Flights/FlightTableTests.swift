// Who joins whose fetch.

import TestSupport
import Testing

@testable import Caching

@Suite("The table of flights", .timeLimit(.minutes(8)))
struct FlightTableTests {
    private let fixture = FlightFixture()

    @Test("the first of a key leads, those who want the same follow, others lead for themselves")
    func sharing() {
        let (role, flight, _) = fixture.board()
        #expect(role == .lead)
        #expect(fixture.board().role == .follow && fixture.board().flight === flight)
        flight?.sent()
        #expect(fixture.board().flight === flight, "also once it was sent")
        #expect(fixture.board(fixture.key("/tests")).role == .lead)
        #expect(fixture.table.count == 2)
    }

    @Test("after its end, and when it was given up, the next one leads anew")
    func afterwards() async {
        let (_, flight, _) = fixture.board()
        flight?.end("page")
        let (role, second, waiter) = fixture.board()
        #expect(role == .lead && second !== flight, "even if the table has not heard of the end")
        guard let second, let waiter else { return }
        let leader = Task.immediate { FlightFixture.text(await second.landing(of: waiter)) }
        leader.cancel()
        #expect(await leader.value == "left")
        let (third, flying, _) = fixture.board()
        #expect(third == .lead && flying !== second)
        fixture.table.remove(second, fixture.key())
        #expect(fixture.board().flight === flying, "the end of an old flight does not take the new one")
        if let flying { fixture.table.remove(flying, fixture.key()) }
        #expect(fixture.table.count == 0)
    }

    @Test("who is more urgent does not queue behind one who is less, but shares what was sent")
    func ranks() throws {
        let (_, batch, _) = fixture.board(rank: 5)
        #expect(fixture.board(rank: 5).role == .follow && fixture.board(rank: 6).flight === batch)
        let (role, urgent, _) = fixture.board(rank: 0)
        #expect(role == .lead && urgent !== batch)
        #expect(fixture.board(rank: 5).flight === urgent, "the less urgent gain by it")
        let slow = try #require(fixture.table.refresh(fixture.key("/slow"), rank: 9))
        slow.sent()
        #expect(fixture.board(fixture.key("/slow"), rank: 0).flight === slow)
    }

    @Test("who wants something new shares what still queues, not what was sent")
    func wantsNew() {
        let (_, flight, _) = fixture.board()
        #expect(fixture.board(wantsNew: true).flight === flight)
        flight?.sent()
        let (role, new, _) = fixture.board(wantsNew: true)
        #expect(role == .lead && new !== flight)
        #expect(fixture.board().flight === new)
    }

    @Test("after a write nobody joins what was sent before it; what queues is joined as before")
    func detaching() async {
        let (_, sent, _) = fixture.board(fixture.key("/sent"))
        sent?.sent()
        let early = sent.flatMap { fixture.wait($0) }
        let (_, queued, _) = fixture.board(fixture.key("/queued"))
        fixture.table.detachSent()
        #expect(fixture.table.count == 1)
        #expect(fixture.board(fixture.key("/queued")).flight === queued)
        let (role, new, _) = fixture.board(fixture.key("/sent"))
        #expect(role == .lead && new !== sent)
        sent?.end("old")
        #expect(await early?.value == "old", "who asked before the write gets the answer of then")
        if let sent { fixture.table.remove(sent, fixture.key("/sent")) }
        #expect(fixture.board(fixture.key("/sent")).flight === new)
    }

    @Test("one that was refused for now queues again: it is joined after a write, and not by who is more urgent")
    func held() {
        let (_, flight, _) = fixture.board(rank: 5)
        flight?.sent()
        flight?.held()
        fixture.table.detachSent()
        #expect(fixture.board(rank: 5, wantsNew: true).flight === flight)
        #expect(fixture.board(rank: 0).flight !== flight)
    }

    @Test("answers that cannot be shared are remembered: everybody fetches alone, until the memory ends")
    func uncacheable() {
        fixture.table.remember(fixture.key(), .setCookie)
        #expect(fixture.board().role == .alone(.setCookie))
        #expect(fixture.board(fixture.key("/tests")).role == .lead)
        fixture.clock.advance(by: .seconds(59))
        #expect(fixture.board().role == .alone(.setCookie))
        fixture.clock.advance(by: .seconds(1))
        #expect(fixture.board().role == .lead)
        fixture.table.remember(fixture.key("/other"), .isPrivate)
        fixture.table.remember(fixture.key("/other"), .varyAny)
        #expect(fixture.board(fixture.key("/other")).role == .alone(.varyAny))
        fixture.table.forget(fixture.key("/other"))
        #expect(fixture.board(fixture.key("/other")).role == .lead)
    }

    @Test("of keys that cannot be shared a bounded number is remembered")
    func memoryIsBounded() {
        for number in 0..<4097 { fixture.table.remember(fixture.key("/reports/\(number)"), .tooLarge) }
        let alone = (0..<4097).count {
            if case .alone = fixture.board(fixture.key("/reports/\($0)")).role { true } else { false }
        }
        #expect((1...4096).contains(alone))
    }

    @Test("of each key there is one refresh, and none beside a flight")
    func refresh() {
        let refresh = fixture.table.refresh(fixture.key(), rank: 9)
        #expect(refresh != nil)
        #expect(fixture.table.refresh(fixture.key(), rank: 9) == nil)
        #expect(fixture.table.refresh(fixture.key("/tests"), rank: 9) != nil)
        if let refresh { fixture.table.remove(refresh, fixture.key()) }
        #expect(fixture.board().role == .lead)
        #expect(fixture.table.refresh(fixture.key(), rank: 9) == nil)
    }

    @Test("a flight for one is in no table, and ends like any other")
    func alone() async {
        let (flight, waiter) = fixture.table.alone(rank: 0, deadline: fixture.deadline())
        #expect(fixture.table.count == 0 && fixture.board().flight !== flight)
        flight.end("page", leader: "for one")
        #expect(FlightFixture.text(await flight.landing(of: waiter)) == "for one")
    }
}
