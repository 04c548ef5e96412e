// The in-flight gate's state machine: single steps, and long random runs against a plain model of what it promises.

import TestSupport
import Testing

@testable import RateLimiting

@Suite("The in-flight state machine")
struct InFlightStateTests {
    private let clock = TestClock()

    private func state(permits: Int, queue: Int, wait: Int = 30) -> InFlightState {
        InFlightState(limits: .init(maxInFlight: permits, maxQueue: queue, maxWait: .seconds(wait)))
    }

    @Test("it lets in as many as it may, queues the next, refuses beyond the queue")
    func bounds() {
        var state = state(permits: 2, queue: 1)
        #expect(state.enter(1, wait: nil, now: clock.now) == .admitted)
        #expect(state.enter(2, wait: nil, now: clock.now) == .admitted)
        #expect(state.enter(3, wait: nil, now: clock.now) == .queued)
        guard case .refused(.queueFull(let retryAfter)) = state.enter(4, wait: nil, now: clock.now) else {
            Issue.record("the queue has one place")
            return
        }
        #expect(retryAfter >= .seconds(1))
        #expect(state.inFlight == 2 && state.queued == 1)
        #expect(state.left(heldFor: .zero, now: clock.now).admitted == [3])
    }

    @Test("nobody overtakes those who wait, not even when a permit is free for a moment")
    func noOvertaking() {
        var state = state(permits: 1, queue: 10)
        _ = state.enter(1, wait: nil, now: clock.now)
        _ = state.enter(2, wait: nil, now: clock.now)
        #expect(state.left(heldFor: .zero, now: clock.now).admitted == [2])
        #expect(state.tryEnter(now: clock.now) == false)
    }

    @Test("a wait of nothing is an answer at once")
    func noWait() {
        var state = state(permits: 1, queue: 10)
        _ = state.enter(1, wait: .zero, now: clock.now)
        for wait in [Duration.zero, .seconds(-3)] {
            guard case .refused(.deadline) = state.enter(2, wait: wait, now: clock.now) else {
                Issue.record("it must not be queued")
                return
            }
        }
        #expect(state.queued == 0)
    }

    @Test("a caller may wait for less than the limit, not for more")
    func waits() {
        var state = state(permits: 1, queue: 10, wait: 30)
        _ = state.enter(1, wait: nil, now: clock.now)
        _ = state.enter(2, wait: .seconds(3600), now: clock.now)
        #expect(state.nextDeadline == clock.instant(.seconds(30)))
        _ = state.enter(3, wait: .seconds(5), now: clock.now)
        #expect(state.nextDeadline == clock.instant(.seconds(5)))
        clock.advance(by: .seconds(5))
        #expect(state.deadlinePassed(now: clock.now).refused.map(\.id) == [3])
        #expect(state.deadlinePassed(now: clock.now) == .init())
        clock.advance(by: .seconds(25))
        #expect(state.deadlinePassed(now: clock.now).refused.map(\.id) == [2])
        #expect(state.nextDeadline == nil)
    }

    @Test("a permit is not wasted on somebody whose deadline is over when the timer is late")
    func lateTimer() {
        var state = state(permits: 1, queue: 10)
        _ = state.enter(1, wait: nil, now: clock.now)
        _ = state.enter(2, wait: .seconds(1), now: clock.now)
        _ = state.enter(3, wait: .seconds(9), now: clock.now)
        clock.advance(by: .seconds(2))
        let turn = state.left(heldFor: .seconds(2), now: clock.now)
        #expect(turn.admitted == [3])
        #expect(turn.refused.map(\.id) == [2])
    }

    @Test("limits that grow let the waiting in; limits that shrink throw nobody out")
    func changedLimits() {
        var state = state(permits: 1, queue: 10)
        for id in UInt64(1)...4 { _ = state.enter(id, wait: nil, now: clock.now) }
        let wide = InFlightGate.Limits(maxInFlight: 3, maxQueue: 10, maxWait: .seconds(30))
        #expect(state.changed(to: wide, now: clock.now).admitted == [2, 3])
        let narrow = InFlightGate.Limits(maxInFlight: 1, maxQueue: 0, maxWait: .seconds(30))
        #expect(state.changed(to: narrow, now: clock.now) == .init())
        #expect(state.inFlight == 3 && state.queued == 1)
        #expect(state.left(heldFor: .zero, now: clock.now) == .init())
        #expect(state.left(heldFor: .zero, now: clock.now) == .init())
        #expect(state.left(heldFor: .zero, now: clock.now).admitted == [4])
    }

    @Test("many who come and go while nothing moves leave nothing behind")
    func churnWithoutMovement() {
        var state = state(permits: 1, queue: 1000)
        _ = state.enter(0, wait: nil, now: clock.now)
        for id in UInt64(1)...100_000 {
            #expect(state.enter(id, wait: nil, now: clock.now) == .queued)
            #expect(state.cancelled(id) == true)
            #expect(state.cancelled(id) == false)
        }
        #expect(state.queued == 0)
        #expect(state.remembered <= 17)
    }

    @Test("any run keeps the bounds, the order and the count", arguments: UInt64(1)...30)
    func randomRuns(seed: UInt64) {
        var run = RandomRun(seed: seed)
        for _ in 0..<3000 { run.step() }
        run.drain()
    }
}

@Suite("The estimate of a wait")
struct WaitEstimateTests {
    private let clock = TestClock()

    @Test("it follows from the time that permits are held and from the place in the queue")
    func honest() {
        var estimate = WaitEstimate()
        estimate.becameFull(now: clock.now)
        for _ in 0..<100 { estimate.permitReturned(heldFor: .seconds(4), now: clock.now) }
        // Two permits of four seconds each: a place every two seconds, and this would be the tenth.
        let wait = estimate.promise(queued: 9, limit: 2, now: clock.now)
        #expect(wait > .seconds(19) && wait < .seconds(21))
    }

    @Test("those refused one after the other are not all told the same; departures make it shorter again")
    func personal() {
        var estimate = WaitEstimate()
        for _ in 0..<100 { estimate.permitReturned(heldFor: .seconds(2), now: clock.now) }
        let told = (0..<5).map { _ in estimate.promise(queued: 3, limit: 1, now: clock.now) }
        #expect(told == told.sorted() && Set(told).count == 5)
        for _ in 0..<5 { estimate.permitReturned(heldFor: .seconds(2), now: clock.now) }
        #expect(estimate.promise(queued: 3, limit: 1, now: clock.now) == told[0])
    }

    @Test("a gate through which nobody comes is expected to stand for as long again")
    func stalled() {
        var estimate = WaitEstimate()
        estimate.permitReturned(heldFor: .milliseconds(100), now: clock.now)
        estimate.becameFull(now: clock.now)
        clock.advance(by: .seconds(40))
        let wait = estimate.promise(queued: 0, limit: 16, now: clock.now)
        #expect(wait >= .seconds(40) && wait < .seconds(42))
    }

    @Test("it is never below a second nor above five minutes, however many ask")
    func bounds() {
        var estimate = WaitEstimate()
        estimate.permitReturned(heldFor: .milliseconds(1), now: clock.now)
        #expect(estimate.promise(queued: 0, limit: 16, now: clock.now) == .seconds(1))
        for _ in 0..<100 { estimate.permitReturned(heldFor: .seconds(60), now: clock.now) }
        for _ in 0..<100_000 { #expect(estimate.promise(queued: 1000, limit: 1, now: clock.now) <= .seconds(300)) }
        estimate.foundRoom()
        estimate.permitReturned(heldFor: .zero, now: clock.now)
        #expect(estimate.promise(queued: 0, limit: 16, now: clock.now) < .seconds(10), "and it recovers")
    }
}
