// When upstream is down, when it is looked at, and when it is back: the value alone.

import Testing

@testable import Proxy

@Suite struct OutageStateTests {
    private let start = ContinuousClock.now
    private var outage = Outage()
    private func at(_ seconds: Int) -> ContinuousClock.Instant { start + .seconds(seconds) }

    @Test("five attempts that failed in a row are an outage, four and one that reached upstream are none")
    mutating func goesDown() {
        #expect(!outage.isInDoubt)
        for _ in 0..<4 { #expect(outage.failed(.refuses, now: at(0)) == .none) }
        #expect(outage.isInDoubt && outage.kind == nil)
        outage.reached()
        #expect(!outage.isInDoubt)
        for _ in 0..<4 { #expect(outage.failed(.refuses, now: at(1)) == .none) }
        #expect(outage.failed(.hangs, now: at(2)) == .goesDown(.hangs, look: .seconds(1)))
        #expect(outage.kind == .hangs)
        for _ in 0..<20 { #expect(outage.failed(.refuses, now: at(3)) == .none, "once") }
        outage.reached()
        #expect(outage.kind == .hangs, "a call that had its connection since long says nothing")
    }

    @Test("looks come after twice the pause each time, 15 seconds at most, and say how it is down")
    mutating func looks() {
        for _ in 0..<5 { _ = outage.failed(.refuses, now: at(0)) }
        for seconds in [2, 4, 8, 15, 15, 15] {
            #expect(outage.lookFailed(.hangs) == .staysDown(.hangs, look: .seconds(seconds)))
        }
        #expect(outage.lookFailed(.refuses) == .staysDown(.refuses, look: .seconds(15)))
        #expect(outage.lookSucceeded(now: at(77)) == .isBack(after: .seconds(77)))
        #expect(outage.kind == nil && !outage.isInDoubt)
        for _ in 0..<4 { #expect(outage.failed(.refuses, now: at(80)) == .none) }
        #expect(outage.failed(.refuses, now: at(81)) == .goesDown(.refuses, look: .seconds(1)), "from the start")
    }

    @Test("a look that ends when upstream is not down says nothing")
    mutating func strayLook() {
        #expect(outage.lookFailed(.refuses) == .none && outage.lookSucceeded(now: at(1)) == .none)
    }
}
