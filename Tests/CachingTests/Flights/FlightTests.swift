// One fetch with those who wait for it.

import TestSupport
import Testing

@testable import Caching

@Suite("A flight", .timeLimit(.minutes(8)))
struct FlightTests {
    private let fixture = FlightFixture()

    @Test("everybody gets the outcome, but for the leader where there is one for it alone")
    func outcomes() async {
        for leaderOutcome in [nil, "for one"] {
            let flight = fixture.flight()
            let waiting = (0..<4).map { _ in fixture.wait(flight) }
            flight.sent()
            flight.end("page", leader: leaderOutcome)
            for (index, task) in waiting.enumerated() {
                #expect(await task?.value == (index == 0 ? leaderOutcome ?? "page" : "page"))
            }
            #expect(fixture.wait(flight) == nil, "nobody boards what has landed")
        }
    }

    @Test("who joins and comes to wait only after the end gets the same")
    func waitsLater() async throws {
        let flight = fixture.flight()
        let leader = try #require(flight.join(deadline: fixture.deadline()))
        let follower = try #require(flight.join(deadline: fixture.deadline()))
        flight.end("page", leader: "for one")
        #expect(FlightFixture.text(await flight.landing(of: follower)) == "page")
        #expect(FlightFixture.text(await flight.landing(of: leader)) == "for one")
    }

    @Test("the leader can have what it needs before the others have the end")
    func leaderFirst() async throws {
        let flight = fixture.flight()
        let leader = fixture.wait(flight)
        let follower = fixture.wait(flight)
        flight.sent()
        flight.endForLeader("begun")
        #expect(await leader?.value == "begun")
        flight.end("page", leader: "too late")
        #expect(await follower?.value == "page")

        let other = fixture.flight()
        let slow = try #require(other.join(deadline: fixture.deadline()))
        other.endForLeader("begun")
        other.end("page", leader: "too late")
        #expect(FlightFixture.text(await other.landing(of: slow)) == "begun", "also if it comes to wait later")
    }

    @Test("whoever ends a flight hears whether the leader's own outcome goes to somebody")
    func taken() async throws {
        let waited = fixture.flight()
        let waiting = fixture.wait(waited)
        #expect(waited.end("page", leader: "for one"))
        #expect(await waiting?.value == "for one")

        let left = fixture.flight()
        let leaving = fixture.wait(left)
        left.sent()
        leaving?.cancel()
        #expect(await leaving?.value == "left")
        #expect(!left.endForLeader("begun") && !left.end("page", leader: "for one"))

        let early = fixture.flight()
        let first = fixture.wait(early)
        #expect(early.endForLeader("begun"))
        #expect(await first?.value == "begun")
        #expect(!early.end("page", leader: "too late"), "it has what it wanted")

        let slow = fixture.flight()
        let waiter = try #require(slow.join(deadline: fixture.deadline()))
        #expect(slow.end("page", leader: "for one"), "it will come for it")
        #expect(FlightFixture.text(await slow.landing(of: waiter)) == "for one")

        #expect(!fixture.flight(isBackground: true).end("page", leader: "for one"), "nobody ever waited")
        #expect(!fixture.flight(isBackground: true).endForLeader("begun"))
        #expect(!fixture.flight().end("page"), "there is nothing for it alone")
    }

    @Test("a leader that leaves while it queues takes nobody with it; the last one who leaves gives it up")
    func leaderLeaves() async {
        let flight = fixture.flight()
        let drops = Counter()
        flight.onDrop { drops.call() }
        let leader = fixture.wait(flight)
        let follower = fixture.wait(flight)
        leader?.cancel()
        #expect(await leader?.value == "left")
        #expect(drops.count == 0)
        follower?.cancel()
        #expect(await follower?.value == "left")
        #expect(drops.count == 1)
        #expect(!flight.serves(rank: 0), "nobody boards what was given up")
        flight.end("dropped")
        #expect(drops.count == 1)
    }

    @Test("a leader that leaves once it was sent leaves the fetch going, and others still join")
    func leaderLeavesLater() async {
        let flight = fixture.flight()
        let drops = Counter()
        flight.onDrop { drops.call() }
        let leader = fixture.wait(flight)
        flight.sent()
        leader?.cancel()
        #expect(await leader?.value == "left")
        let follower = fixture.wait(flight)
        flight.end("page", leader: "for one")
        #expect(await follower?.value == "page", "not what only the leader could have")
        #expect(drops.count == 0)
    }

    @Test("what only the leader could have is let go of when the leader has left", arguments: [false, true])
    func letGo(early: Bool) async {
        final class Live: Sendable {}
        let flight = Flight<Live?>(rank: 0, isBackground: false, time: FlightFixture.time(fixture.clock))
        weak var live: Live?
        if let leader = flight.join(deadline: fixture.deadline()) {
            flight.sent()
            let task = Task.immediate { _ = await flight.landing(of: leader) }
            task.cancel()
            await task.value
        }
        do {
            let made = Live()
            live = made
            if early { flight.endForLeader(made) }
            flight.end(nil, leader: made)
        }
        #expect(live == nil)
    }

    @Test(
        "what only the leader could have is let go of when the leader's time was over before")
    func letGoOfLate() async throws {
        final class Live: Sendable {}
        let flight = Flight<Live?>(rank: 0, isBackground: false, time: FlightFixture.time(fixture.clock))
        let leader = try #require(flight.join(deadline: fixture.deadline(5)))
        _ = flight.join(deadline: fixture.deadline(60))
        try await fixture.clock.waitForSleepers()
        fixture.clock.advance(by: .seconds(5))
        try await fixture.clock.waitForSleeper(until: fixture.deadline(60))
        _ = await flight.landing(of: leader)
        weak var live: Live?
        do {
            let made = Live()
            live = made
            flight.sent()
            flight.end(nil, leader: made)
        }
        #expect(live == nil)
    }

    @Test("how to give it up is told at once when that has been decided already")
    func dropFirst() async {
        let flight = fixture.flight()
        let leader = fixture.wait(flight)
        leader?.cancel()
        _ = await leader?.value
        let drops = Counter()
        flight.onDrop { drops.call() }
        #expect(drops.count == 1)
    }

    @Test("a refresh that nobody waits for is not given up when those who joined it leave")
    func background() async {
        let flight = fixture.flight(isBackground: true)
        let drops = Counter()
        flight.onDrop { drops.call() }
        let follower = fixture.wait(flight)
        follower?.cancel()
        _ = await follower?.value
        #expect(drops.count == 0 && flight.serves(rank: 0))
        flight.sent()
        flight.end("page")
    }
}
