// How long one waits for a fetch that still queues.

import TestSupport
import Testing

@testable import Caching

@Suite("The deadlines of a flight", .timeLimit(.minutes(8)))
struct FlightDeadlineTests {
    private let fixture = FlightFixture()

    @Test("who may wait less is late first; the fetch is given up with the last")
    func deadlines() async throws {
        let flight = fixture.flight()
        let drops = Counter()
        flight.onDrop { drops.call() }
        let patient = fixture.wait(flight, 30)
        let hasty = fixture.wait(flight, 5)
        try await fixture.clock.waitForSleeper(until: fixture.deadline(5))
        fixture.clock.advance(by: .seconds(5))
        #expect(await hasty?.value == "late")
        #expect(drops.count == 0)
        try await fixture.clock.waitForSleeper(until: fixture.deadline(30))
        fixture.clock.advance(by: .seconds(25))
        #expect(await patient?.value == "late")
        #expect(drops.count == 1 && !flight.serves(rank: 0))
        try await fixture.clock.waitForNoSleepers()
    }

    @Test("once it was sent no deadline counts, neither an old one nor that of one who joins")
    func deadlinesAfterSending() async throws {
        let flight = fixture.flight()
        let leader = fixture.wait(flight, 5)
        try await fixture.clock.waitForSleeper(until: fixture.deadline(5))
        flight.sent()
        try await fixture.clock.waitForNoSleepers()
        fixture.clock.advance(by: .seconds(100))
        let follower = fixture.wait(flight, 6)
        flight.end("page")
        #expect(await leader?.value == "page")
        #expect(await follower?.value == "page")
        #expect(fixture.clock.sleeperCount == 0)
    }

    @Test("when upstream has refused it for longer than somebody waits, that one is told at once")
    func heldForLong() async throws {
        let flight = fixture.flight()
        let drops = Counter()
        flight.onDrop { drops.call() }
        let hasty = fixture.wait(flight, 4)
        let patient = fixture.wait(flight, 30)
        flight.sent()
        flight.held(until: fixture.deadline(10))
        #expect(await hasty?.value == "late")
        #expect(drops.count == 0, "others wait on")
        flight.held(until: fixture.deadline(30))
        #expect(await patient?.value == "late")
        #expect(drops.count == 1)
        try await fixture.clock.waitForNoSleepers()
    }

    @Test("when upstream has refused it for now deadlines count again, until it is sent again")
    func held() async throws {
        let flight = fixture.flight()
        let drops = Counter()
        flight.onDrop { drops.call() }
        let hasty = fixture.wait(flight, 5)
        flight.sent()
        let patient = fixture.wait(flight, 30)
        #expect(flight.wasSent)
        fixture.clock.advance(by: .seconds(6))
        flight.held()
        #expect(!flight.wasSent)
        #expect(await hasty?.value == "late")
        try await fixture.clock.waitForSleeper(until: fixture.deadline(30))
        flight.sent()
        fixture.clock.advance(by: .seconds(60))
        flight.end("page")
        #expect(await patient?.value == "page")
        #expect(drops.count == 0)
        try await fixture.clock.waitForNoSleepers()
    }

    @Test("a fetch that all have left is given up when upstream has refused it for now")
    func heldForNobody() async {
        let flight = fixture.flight()
        let drops = Counter()
        flight.onDrop { drops.call() }
        let leader = fixture.wait(flight)
        flight.sent()
        leader?.cancel()
        #expect(await leader?.value == "left")
        #expect(drops.count == 0)
        flight.held()
        flight.held()
        #expect(drops.count == 1)
        let background = fixture.flight(isBackground: true)
        background.onDrop { drops.call() }
        background.sent()
        background.held()
        #expect(drops.count == 1)
    }

    @Test("who still waits when the request is refused for now is told, who has left or landed is not")
    func toldWhenHeld() async throws {
        let flight = fixture.flight()
        let told = Counter()
        let waiters = try (0..<2).map { _ in try #require(flight.join(deadline: fixture.deadline())) }
        let waiting = waiters.map { waiter in
            Task.immediate { FlightFixture.text(await flight.landing(of: waiter, whenHeld: { told.call() })) }
        }
        flight.sent()
        #expect(told.count == 0)
        flight.held()
        #expect(told.count == 2)
        waiting[0].cancel()
        #expect(await waiting[0].value == "left")
        flight.sent()
        flight.held()
        #expect(told.count == 3)
        flight.end("page")
        #expect(await waiting[1].value == "page")
        flight.held()
        #expect(told.count == 3)
    }

    @Test("one whose time was over before it came to wait is late, whatever the outcome")
    func lateBeforeWaiting() async throws {
        let flight = fixture.flight()
        let drops = Counter()
        flight.onDrop { drops.call() }
        let waiter = try #require(flight.join(deadline: fixture.deadline(5)))
        let patient = fixture.wait(flight, 6)
        try await fixture.clock.waitForSleeper(until: fixture.deadline(5))
        fixture.clock.advance(by: .seconds(5))
        try await fixture.clock.waitForSleeper(until: fixture.deadline(6))
        #expect(FlightFixture.text(await flight.landing(of: waiter)) == "late")
        flight.end("page")
        #expect(await patient?.value == "page")
        #expect(drops.count == 0)
    }

    @Test("the end takes the timer with it, and a flight that is let go of does not live on in its timer")
    func timers() async throws {
        weak var weakly: Flight<String>?
        do {
            let flight = fixture.flight()
            weakly = flight
            _ = flight.join(deadline: fixture.deadline())
            try await fixture.clock.waitForSleepers()
        }
        #expect(weakly == nil)
        let flight = fixture.flight()
        _ = flight.join(deadline: fixture.deadline(7))
        try await fixture.clock.waitForSleeper(until: fixture.deadline(7))
        flight.end("page")
        fixture.clock.advance(by: .seconds(30))
        try await fixture.clock.waitForNoSleepers()
    }
}
