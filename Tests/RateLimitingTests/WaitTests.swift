// What a call that waits, or is refused, is told to wait for.

import Ground
import Testing

@testable import RateLimiting

@Suite struct WaitTests {
    private let minute = GateWindow(limit: 100, span: .seconds(60))

    @Test("the pace of a window, and when it opens")
    func pace() throws {
        let desk = GateDesk(GateLimits(windows: [minute], maxInFlight: 100))
        while desk.waiting == 0 { desk.come(call()) }
        let wait = try #require(desk.waits.values.first)
        #expect(wait.obstacle == .pace(minute, isForRuns: false))
        #expect(wait.place == 1 && wait.ahead.isEmpty)
        #expect(try #require(wait.opens) > .zero)
    }

    @Test("a window that is full, of all calls or of runs alone")
    func window() {
        let runs = GateWindow(limit: 1, span: .seconds(10))
        let desk = GateDesk(GateLimits(windows: [], runWindows: [runs], maxInFlight: 100))
        let first = desk.come(call(isRun: true))
        #expect(desk.send(first))
        let second = desk.come(call(isRun: true))
        #expect(desk.waits[second]?.obstacle == .window(runs, isForRuns: true))
        #expect(desk.waits[second]?.opens.map { $0 >= .seconds(10) } == true)
        #expect(desk.isInside(desk.come(call())), "other calls go")
    }

    @Test("the caller's own window")
    func own() {
        let own = GateWindow(limit: 1, span: .seconds(3_600))
        let desk = GateDesk(permits: 10, wait: .seconds(10))
        var request = call("a")
        request.windows = [own]
        #expect(desk.send(desk.come(request)))
        let refused = desk.come(request)
        #expect(desk.refused[refused]?.reason == .caller && desk.waits[refused]?.obstacle == .callerWindow(own))
        #expect(desk.waits[refused]?.opens.map { $0 > .seconds(3_500) } == true)
    }

    @Test("a pause by upstream, its scope and cause")
    func pause() {
        let desk = GateDesk(permits: 10)
        let first = desk.come(call())
        desk.send(first)
        _ = desk.refuseUpstream(first, .api, RetryAfter(["20"], older: [], date: nil, wallSeconds: 0))
        let second = desk.come(call())
        #expect(desk.waits[second]?.obstacle == .pause(.api(.v2), .api))
        #expect(desk.waits[second]?.opens.map { (.seconds(20)...(.seconds(25))).contains($0) } == true)
        let refused = desk.come(call(wait: .seconds(1)))
        #expect(desk.refused[refused]?.reason == .coolDown && desk.waits[refused]?.place == 2)
        #expect(desk.waits[refused]?.obstacle == .pause(.api(.v2), .api))
    }

    @Test("places, all or the caller's own; of those nobody knows when one will be free")
    func places() {
        let desk = GateDesk(permits: 2)
        desk.come(call("a", places: 1))
        let own = desk.come(call("a", places: 1))
        #expect(desk.waits[own]?.obstacle == .callerPlaces && desk.waits[own]?.opens == nil)
        desk.come(call("b"))
        let other = desk.come(call("c"))
        #expect(desk.waits[other]?.obstacle == .places(2))
    }

    @Test("whose calls go first, and which turn that makes")
    func ahead() throws {
        let desk = GateDesk(permits: 1)
        desk.come(call("inside"))
        for _ in 0..<3 { desk.come(call("a")) }
        for _ in 0..<2 { desk.come(call("b", .settling)) }
        let first = desk.come(call("c"))
        #expect(desk.waits[first]?.ahead.map(\.caller).sorted() == ["a", "b"], "one of each goes before")
        let second = desk.come(call("c"))
        let wait = try #require(desk.waits[second])
        #expect(wait.ahead.first { $0.caller == "a" }?.calls == 2 && wait.ahead.first { $0.caller == "c" }?.calls == 1)
        #expect(wait.ahead.first { $0.caller == "b" }?.calls == 2 && wait.place == 6)
        for number in 0..<20 { desk.come(call("t\(number)")) }
        let last = desk.come(call("c"))
        #expect(desk.waits[last]?.ahead.count == 8, "no more than eight are named")
    }

    @Test("upstream that is down")
    func down() {
        let desk = GateDesk(permits: 1)
        desk.shut(.upstreamRefuses, next: .seconds(3))
        let refused = desk.come(call())
        let wait = desk.waits[refused]
        #expect(wait?.obstacle == .down && wait?.opens == .seconds(3))
    }
}
