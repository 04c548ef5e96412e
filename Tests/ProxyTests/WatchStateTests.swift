// Who waits for a page to change, until when, and when it is looked at.

import Testing

@testable import Proxy

@Suite struct WatchStateTests {
    private let start = ContinuousClock.now

    private func at(_ seconds: Int) -> ContinuousClock.Instant { start + .seconds(seconds) }

    @Test("however many wait, one look is made when the page stops being fresh, and none while one is under way")
    func oneLook() {
        var state = WatchState(isVerified: true, nextLook: at(5))
        for id in 1...10_000 { state.join(UInt64(id), until: at(60), look: at(5), isVerified: true) }
        #expect(state.nextEvent == at(5) && state.passed(now: at(4)) == .init(isVerified: true))
        let due = state.passed(now: at(5))
        #expect(due.over.isEmpty && due.looksFor != nil)
        #expect(state.passed(now: at(6)).looksFor == nil && state.nextEvent == at(60))
        state.looked(found: true, next: at(11), now: at(6))
        #expect(state.nextEvent == at(11) && state.isVerified)
    }

    @Test("each waits as long as it wants; who leaves is not told")
    func deadlines() {
        var state = WatchState(isVerified: true, nextLook: at(100))
        for id in 1...4 { state.join(UInt64(id), until: at(10 * id), look: at(100), isVerified: true) }
        state.leave(1)
        #expect(state.nextEvent == at(20))
        #expect(state.passed(now: at(30)).over == [2, 3])
        #expect(state.nextEvent == at(40) && !state.isEmpty)
        #expect(state.end() == [4] && state.isEmpty && state.nextEvent == nil)
    }

    @Test("trouble is not a change: the page counts as unknown until a look finds it")
    func trouble() {
        var state = WatchState(isVerified: true, nextLook: at(5))
        state.join(1, until: at(60), look: at(5), isVerified: true)
        #expect(state.passed(now: at(5)).looksFor == 1)
        state.looked(found: false, next: at(10), now: at(6))
        #expect(!state.isVerified && state.nextEvent == at(10))
        #expect(state.passed(now: at(10)).looksFor == 1)
        state.looked(found: true, next: at(16), now: at(11))
        #expect(state.passed(now: at(60)).isVerified)
    }

    @Test("after a write the page is looked at at once; a look that was under way does not count")
    func poked() {
        var state = WatchState(isVerified: true, nextLook: at(50))
        state.join(1, until: at(60), look: at(50), isVerified: true)
        state.poked(now: at(1))
        #expect(state.passed(now: at(1)).looksFor == 1)
        state.poked(now: at(2))
        state.looked(found: true, next: at(9), now: at(3))
        #expect(!state.isVerified && state.nextEvent == at(3))
        #expect(state.passed(now: at(3)).looksFor == 1)
        state.looked(found: true, next: at(9), now: at(4))
        #expect(state.isVerified && state.nextEvent == at(9))
    }

    @Test("who has not found the page fresh has it looked at, whoever waits already")
    func unverified() {
        var state = WatchState(isVerified: true, nextLook: at(50))
        state.join(1, until: at(60), look: at(50), isVerified: true)
        state.join(2, until: at(60), look: at(2), isVerified: false)
        #expect(!state.isVerified && state.nextEvent == at(2))
    }
}
