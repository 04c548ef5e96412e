// The hand-moved clock that other tests rely on: who is woken when, and that nobody is left hanging.

import TestSupport
import Testing

@Suite("The hand-moved clock", .timeLimit(.minutes(8)))
struct TestClockTests {
    private let clock = TestClock()

    @Test("a sleep ends when the clock reaches its deadline, not before")
    func deadline() async throws {
        let sleeper = Task.immediate { try await clock.sleep(until: clock.instant(.seconds(2))) }
        #expect(clock.nextDeadline == clock.instant(.seconds(2)))
        clock.advance(by: .seconds(1))
        #expect(clock.sleeperCount == 1)
        clock.advance(by: .seconds(1))
        #expect(clock.sleeperCount == 0)
        try await sleeper.value
        #expect(clock.elapsed == .seconds(2))
    }

    @Test("a deadline that has passed does not suspend")
    func past() async throws {
        try await clock.sleep(until: clock.now)
        try await clock.sleep(for: .seconds(-1))
    }

    @Test("a cancelled sleep ends at once, also when it was cancelled before it began")
    func cancellation() async {
        let sleeper = Task.immediate { try await clock.sleep(for: .seconds(1)) }
        sleeper.cancel()
        await #expect(throws: CancellationError.self) { try await sleeper.value }
        let late = Task.immediate {
            withUnsafeCurrentTask { $0?.cancel() }
            try await clock.sleep(for: .seconds(1))
        }
        await #expect(throws: CancellationError.self) { try await late.value }
        #expect(clock.sleeperCount == 0)
    }

    @Test("a test can await sleepers by number, by deadline, and their end; its own wait can be cancelled")
    func watching() async throws {
        let watcher = Task.immediate { try await clock.waitForSleepers(2) }
        let sleepers = [1, 2].map { seconds in Task.immediate { try await clock.sleep(for: .seconds(seconds)) } }
        try await watcher.value
        try await clock.waitForSleeper(until: clock.instant(.seconds(2)))
        let empty = Task.immediate { try await clock.waitForNoSleepers() }
        let never = Task.immediate { try await clock.waitForSleepers(3) }
        for sleeper in sleepers { sleeper.cancel() }
        try await empty.value
        never.cancel()
        await #expect(throws: CancellationError.self) { try await never.value }
    }

    @Test("those who wait for an empty clock are woken by its moving")
    func emptiedByMoving() async throws {
        let sleeper = Task.immediate { try await clock.sleep(for: .seconds(1)) }
        let empty = Task.immediate { try await clock.waitForNoSleepers() }
        clock.advance(by: .seconds(1))
        try await empty.value
        try await sleeper.value
    }
}
