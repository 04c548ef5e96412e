// The watchdog beats only while every part answers.

import Testing

@testable import Proxy

@Suite struct WatchdogStateTests {
    @Test("all asked at once; the last answer of a round is the beat, and there is one a round")
    func round() {
        var state = WatchdogState(parts: 3)
        for _ in 0..<3 {
            #expect(state.tick() == [.ask(0), .ask(1), .ask(2)])
            #expect(state.answered(2) == nil)
            #expect(state.answered(0) == nil)
            #expect(state.answered(0) == nil, "twice is once")
            #expect(state.answered(1) == .beat)
            #expect(state.answered(1) == nil)
        }
    }

    @Test("a part that is silent is named once and not asked again, and nothing beats until it answers")
    func silent() {
        var state = WatchdogState(parts: 2)
        _ = state.tick()
        #expect(state.answered(0) == nil)
        #expect(state.tick() == [.late([1]), .ask(0)])
        #expect(state.answered(0) == nil)
        #expect(state.tick() == [.ask(0)])
        #expect(state.answered(0) == nil)
        #expect(state.answered(1) == .beat, "late, but it is alive")
        #expect(state.tick() == [.ask(0), .ask(1)])
        #expect(state.tick() == [.late([0, 1])])
        #expect(state.answered(1) == nil)
        #expect(state.answered(0) == .beat)
    }

    @Test("silent again after it had answered, it is named again")
    func again() {
        var state = WatchdogState(parts: 1)
        for _ in 0..<2 {
            #expect(state.tick() == [.ask(0)])
            #expect(state.tick() == [.late([0])])
            #expect(state.tick() == [])
            #expect(state.answered(0) == .beat)
        }
    }
}
