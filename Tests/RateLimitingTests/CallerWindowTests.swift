// Hard windows of single callers, as the gate's state holds them.

import Ground
import TestSupport
import Testing

@testable import RateLimiting

@Suite struct CallerWindowTests {
    private func request(_ caller: String, _ windows: [GateWindow], wait: Duration? = nil) -> GateRequest {
        var request = GateRequest(caller: caller, operation: "o", wait: wait)
        request.windows = windows
        return request
    }

    private let two = [GateWindow(limit: 2, span: .seconds(10))]

    @Test("a cap holds for its caller alone, and time opens it")
    func cap() throws {
        let desk = GateDesk(permits: 100)
        let first = desk.come(request("a", two))
        #expect(desk.send(first))
        let second = desk.come(request("a", two))
        let refusal = try desk.refusal(request("a", two, wait: .seconds(5)))
        #expect(refusal.reason == .caller && refusal.limit == Gate.CallerLimit(caller: "a", window: two[0]))
        #expect(desk.isInside(desk.come(request("b", two))) && desk.isInside(desk.come(request("c", []))))
        let third = desk.come(request("a", two))
        #expect(!desk.isInside(third) && desk.waiting == 1)
        // What was not sent is given back, and whoever waits may go.
        desk.leave(second)
        #expect(desk.isInside(third) && desk.waiting == 0)
    }

    @Test("however often a caller is refused, it is told when its own window opens")
    func honest() throws {
        let windows = [GateWindow(limit: 3, span: .seconds(2)), GateWindow(limit: 8, span: .seconds(60))]
        let desk = GateDesk(permits: 100)
        for _ in 0..<8 {
            desk.send(desk.come(request("a", windows)))
            desk.pass(.seconds(1))
        }
        #expect(desk.inside.count == 8)
        for _ in 0..<40 {
            let refusal = try desk.refusal(request("a", windows, wait: .seconds(1)))
            let told = try #require(refusal.retryAfter)
            let opening = Duration.seconds(60) - .nanoseconds(desk.now)
            #expect(refusal.reason == .caller && told >= opening && told < opening + .seconds(1), "\(told)")
            desk.pass(.milliseconds(200))
        }
    }

    @Test("other limits take over what has been sent")
    func changed() throws {
        let desk = GateDesk(permits: 100)
        for _ in 0..<2 { desk.send(desk.come(request("a", two))) }
        let three = [GateWindow(limit: 3, span: .seconds(20))]
        #expect(desk.isInside(desk.come(request("a", three))))
        #expect(try desk.refusal(request("a", three, wait: .seconds(5))).reason == .caller)
        let one = [GateWindow(limit: 1, span: .seconds(5))]
        #expect(try desk.refusal(request("a", one, wait: .zero)).reason == .caller)
        #expect(desk.isInside(desk.come(request("a", []))), "a limit that is gone holds nobody")
    }

    @Test("in every span of the window at most its limit, whatever comes and goes", arguments: 0..<8)
    func property(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let windows = [GateWindow(limit: 4, span: .seconds(3)), GateWindow(limit: 9, span: .seconds(20))]
        let desk = GateDesk(permits: 5)
        var sent: [Nanoseconds] = []
        for _ in 0..<2_000 {
            desk.pass(.milliseconds(Int.random(in: 0...700, using: &random)))
            switch Int.random(in: 0..<4, using: &random) {
            case 0, 1: desk.come(request("a", windows, wait: .seconds(Int.random(in: 0...60, using: &random))))
            case 2:
                if let id = desk.inside.randomElement(using: &random)?.id, desk.send(id) { sent.append(desk.now) }
            default: if let id = desk.inside.randomElement(using: &random)?.id { desk.leave(id) }
            }
            for window in windows {
                let span = window.span.clampedNanoseconds
                #expect(sent.count { $0 >= desk.now - span } <= window.limit)
            }
        }
        #expect(sent.count > 20)
    }

    @Test("callers of whom nothing counts any more are forgotten")
    func forgotten() {
        var windows = CallerWindows()
        for number in 0..<10_000 {
            let call = request("caller \(number)", two)
            windows.reserve(call, now: Nanoseconds(number) * .oneSecond)
            windows.send(call, now: Nanoseconds(number) * .oneSecond)
        }
        #expect(windows.count < 200)
    }

    @Test("a forecast: a window that fills tells when, one that empties as fast tells nothing")
    func forecast() {
        var window = SlidingWindow(GateWindow(limit: 100, span: .seconds(100)))
        #expect(window.exhaustion(now: 0) == nil)
        // Two a second for 20 seconds: 60 are left, for 30 seconds more.
        for second in 0..<20 { window.record(2, at: Nanoseconds(second) * .oneSecond) }
        let full = window.exhaustion(now: 20 * .oneSecond) ?? 0
        #expect((45...55).contains(full / .oneSecond), "\(full)")
        var slow = SlidingWindow(GateWindow(limit: 100, span: .seconds(100)))
        for second in 0..<100 where second.isMultiple(of: 2) { slow.record(1, at: Nanoseconds(second) * .oneSecond) }
        slow.advance(to: 100 * .oneSecond)
        #expect(slow.exhaustion(now: 100 * .oneSecond) == nil)
        window.record(60, at: 20 * .oneSecond)
        #expect(window.exhaustion(now: 20 * .oneSecond) == 20 * .oneSecond)
    }
}
