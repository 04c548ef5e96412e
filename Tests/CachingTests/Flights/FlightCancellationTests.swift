// Tools that go away at every moment of their wait.

import TestSupport
import Testing

@testable import Caching

@Suite("Leaving a flight", .timeLimit(.minutes(8)))
struct FlightCancellationTests {
    private let fixture = FlightFixture()

    @Test("one that was cancelled before it waits has left, and counts as gone")
    func cancelledBefore() async {
        let flight = fixture.flight()
        let drops = Counter()
        flight.onDrop { drops.call() }
        let waiter = flight.join(deadline: fixture.deadline())
        let task = Task.immediate {
            withUnsafeCurrentTask { $0?.cancel() }
            guard let waiter else { return "none" }
            return FlightFixture.text(await flight.landing(of: waiter))
        }
        #expect(await task.value == "left")
        #expect(drops.count == 1)
    }

    @Test("one that is cancelled after the end still gets what has landed")
    func cancelledAfter() async {
        let flight = fixture.flight()
        let waiter = flight.join(deadline: fixture.deadline())
        flight.end("page", leader: "for one")
        let task = Task.immediate {
            withUnsafeCurrentTask { $0?.cancel() }
            guard let waiter else { return "none" }
            return FlightFixture.text(await flight.landing(of: waiter))
        }
        #expect(["for one", "page"].contains(await task.value))
    }

    @Test("who is cancelled twice, or at the same time as the end or its deadline, lands once", arguments: 0..<20)
    func cancelledAtTheSameTime(round: Int) async {
        let flight = fixture.flight()
        let waiting = (0..<40).map { _ in fixture.wait(flight, 1 + round % 3) }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { @concurrent in for task in waiting { task?.cancel() } }
            group.addTask { @concurrent in for task in waiting.reversed() { task?.cancel() } }
            group.addTask { @concurrent in
                if round.isMultiple(of: 2) { flight.sent() }
                flight.end("page", leader: "for one")
            }
            group.addTask { @concurrent in fixture.clock.advance(by: .seconds(2)) }
        }
        for (index, task) in waiting.enumerated() {
            let landed = await task?.value ?? "none"
            #expect(["page", "left", "late"].contains(landed) || (index == 0 && landed == "for one"))
        }
    }
}
