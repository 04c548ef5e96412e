// Who waits for a fetch, until when, and what ends it, as a value.

import Testing

@testable import Caching

@Suite("The state of a flight")
struct FlightStateTests {
    private static let start = ContinuousClock.now

    private func at(_ seconds: Int) -> ContinuousClock.Instant { Self.start + .seconds(seconds) }

    @Test("while it queues it is pointless once the last one has left, and only then")
    func leaving() {
        var state = FlightState(isBackground: false)
        let joined = (1...3).map { state.join($0, deadline: at(10)) }
        #expect(joined == [true, true, true] && state.waiters == 3)
        let pointless = [2, 1, 1, 9, 3, 3].map { state.leave($0) }
        #expect(pointless == [false, false, false, false, true, false], "whoever leaves twice counts once")
    }

    @Test("once sent it goes on though nobody waits, and deadlines do not count any more")
    func sent() {
        var state = FlightState(isBackground: false)
        _ = state.join(1, deadline: at(10))
        _ = state.join(2, deadline: at(20))
        state.sent()
        #expect(state.phase == .sent && state.nextDeadline == nil)
        let late = state.deadlinePassed(now: at(100))
        #expect(late.late.isEmpty && !late.isPointless && state.waiters == 2)
        let pointless = [1, 2].map { state.leave($0) }
        #expect(pointless == [false, false])
        let joins = state.join(3, deadline: at(0))
        #expect(joins, "one can still join")
        let waiting = state.ended()
        #expect(waiting == [3] && state.phase == .ended)
    }

    @Test("a refresh in the background is never pointless")
    func background() {
        var state = FlightState(isBackground: true)
        _ = state.join(1, deadline: at(10))
        let left = state.leave(1)
        _ = state.join(2, deadline: at(10))
        let passed = state.deadlinePassed(now: at(10))
        #expect(!left && passed.late == [2] && !passed.isPointless)
    }

    @Test("the earliest deadline is the next; those whose time is over go, the others stay")
    func deadlines() {
        var state = FlightState(isBackground: false)
        #expect(state.nextDeadline == nil)
        for (id, seconds) in [(1, 30), (2, 10), (3, 10), (4, 20)] {
            _ = state.join(FlightState.WaiterID(id), deadline: at(seconds))
        }
        #expect(state.nextDeadline == at(10))
        let early = state.deadlinePassed(now: at(9))
        let first = state.deadlinePassed(now: at(10))
        #expect(early.late.isEmpty && first.late == [2, 3] && !first.isPointless && state.nextDeadline == at(20))
        let last = state.deadlinePassed(now: at(30))
        #expect(last.late == [1, 4] && last.isPointless && state.nextDeadline == nil)
        let again = state.deadlinePassed(now: at(31))
        #expect(again.late.isEmpty && !again.isPointless, "it is given up once")
    }

    @Test("refused for now it queues again: deadlines count, and it is pointless when nobody waits")
    func held() {
        var state = FlightState(isBackground: false)
        _ = state.join(1, deadline: at(10))
        state.held()
        #expect(state.phase == .queued)
        state.sent()
        _ = state.join(2, deadline: at(20))
        state.held()
        #expect(state.phase == .queued && state.nextDeadline == at(10) && !state.isPointless)
        let first = state.deadlinePassed(now: at(15))
        let last = state.leave(2)
        #expect(first.late == [1] && !first.isPointless && last)
        _ = state.ended()
        state.held()
        #expect(state.phase == .ended && !state.isPointless)
    }

    @Test("after its end nobody joins, nothing is sent, and whoever leaves changes nothing")
    func ended() {
        var state = FlightState(isBackground: false)
        for id in [3, 1, 2] { _ = state.join(FlightState.WaiterID(id), deadline: at(10)) }
        let waiting = state.ended()
        #expect(waiting == [1, 2, 3] && state.waiters == 0)
        let joins = state.join(4, deadline: at(99))
        let left = state.leave(1)
        state.sent()
        let again = state.ended()
        #expect(!joins && !left && state.phase == .ended && again.isEmpty && state.nextDeadline == nil)
    }
}
