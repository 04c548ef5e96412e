// Pauses after a refusal: how wide, how long, never early, and how the gate opens afterwards.

import Ground
import TestSupport
import Testing

@testable import RateLimiting

@Suite("Cool-downs")
struct CoolDownTests {
    private static let second = Nanoseconds.oneSecond

    /// A gate with much room in which one call has been sent.
    private func desk(_ request: GateRequest = call(), limit: Int = 6000) -> (desk: GateDesk, sender: UInt64) {
        let desk = GateDesk(
            GateLimits(
                windows: [GateWindow(limit: limit, span: .seconds(60))], maxInFlight: 1000, maxWait: .seconds(86_400)))
        desk.pass(.seconds(120))
        let id = desk.come(request)
        desk.send(id)
        desk.pass(.milliseconds(100))
        return (desk, id)
    }

    @Test("what a cause names is closed, and nothing else")
    func width() throws {
        let sender = call(operation: "v2.tests.list", api: .v2)
        let others = [
            sender, call(operation: "v2.reports.list", api: .v2), call(operation: "v1.tests.list", api: .v1),
        ]
        let closed: [LimitCause: [Bool]] = [
            .operation: [true, false, false], .api: [true, true, false], .tier: [true, true, true],
            .application: [true, true, true], .unknown: [true, true, true],
        ]
        for cause in LimitCause.allCases {
            let (desk, id) = desk(sender)
            _ = desk.refuseUpstream(id, cause, .told(.seconds(10)))
            let held = others.map { request in
                let id = desk.come(request)
                return !desk.isInside(id)
            }
            #expect(held == closed[cause], "\(cause)")
            for (request, isClosed) in zip(others, held) {
                let pause = desk.pause(for: request.lane)
                #expect((pause != nil) == isClosed)
                if let pause { #expect(pause >= .seconds(10)) }
            }
        }
    }

    @Test("never early: nobody is let in before the told wait is over, at any instant of it")
    func neverEarly() {
        for seed in 0..<50 {
            var random = SeededGenerator(seed: UInt64(seed))
            let (desk, id) = desk()
            let told = Int.random(in: 1...40, using: &random)
            let end = desk.now + Int64(told) * Self.second
            _ = desk.refuseUpstream(id, .tier, .told(.seconds(told)))
            var came = 0
            while desk.now < end - 200_000_000 {
                if desk.come(call("tool \(Int.random(in: 0..<3, using: &random))")) > 0 { came += 1 }
                desk.pass(.milliseconds(Int.random(in: 1...150, using: &random)))
                #expect(desk.inside.count == 1)
            }
            desk.pass(.nanoseconds(end - 1 - desk.now))
            #expect(desk.inside.count == 1)
            // Jitter may make it up to a twentieth, and a second, longer.
            desk.pass(.milliseconds(min(told * 50, 1000) + 1))
            #expect(desk.inside.count > 1 && came > 0)
        }
    }

    @Test("a pause only ever becomes longer: shorter, later and older refusals do not end it")
    func extendOnly() throws {
        var random = SeededGenerator(seed: 7)
        for _ in 0..<200 {
            var table = CoolDownTable()
            var now: Nanoseconds = 0
            var latest: Nanoseconds = 0
            for _ in 0..<50 {
                now += Int64.random(in: 0...3 * Self.second, using: &random)
                table.advance(to: now)
                let told = Bool.random(using: &random) ? Int64.random(in: 1...60, using: &random) * Self.second : nil
                let closing = table.refused(
                    .everything, cause: .tier, told: told,
                    sentAt: now - Int64.random(in: 0...5 * Self.second, using: &random),
                    now: now, jitter: Double.random(in: 0..<1, using: &random))
                #expect(closing.end >= latest && closing.isLonger == (closing.end > latest))
                if let told { #expect(closing.end >= now + told) }
                latest = closing.end
                #expect(table.end(for: call().lane, now: now) == latest)
            }
        }
    }

    @Test("where no wait is told it is ten seconds, twice that each time it happens again, and at most 15 minutes")
    func defaults() throws {
        var (desk, id) = desk()
        var pauses: [Int64] = []
        for _ in 0..<9 {
            let closing = try #require(desk.refuseUpstream(id, .tier, .unusable))
            pauses.append((closing.end - desk.now) / Self.second)
            desk.leave(id)
            desk.pass(.nanoseconds(closing.end - desk.now))
            id = desk.come(call())
            desk.pass(.seconds(5))
            #expect(desk.send(id))
        }
        #expect(pauses.map { $0 / 10 * 10 } == [10, 20, 40, 80, 160, 320, 640, 900, 900])
        // Quiet for as long as the pause was: forgotten.
        desk.leave(id)
        desk.pass(.seconds(2000))
        id = desk.come(call())
        #expect(desk.send(id))
        desk.pass(.seconds(1))
        let closing = try #require(desk.refuseUpstream(id, .tier, .unusable))
        #expect((10...11).contains((closing.end - desk.now) / Self.second))
    }

    @Test("calls that were under way together and were told nothing count as one refusal")
    func together() throws {
        let (desk, first) = desk()
        let others = (0..<10).map { _ in desk.come(call()) }
        for id in others { #expect(desk.send(id)) }
        desk.pass(.milliseconds(50))
        let closing = try #require(desk.refuseUpstream(first, .tier, .unusable))
        for id in others {
            desk.pass(.milliseconds(10))
            #expect(desk.refuseUpstream(id, .tier, .unusable)?.end == closing.end)
        }
        #expect(desk.state.own.coolDowns.entries.map(\.strikes) == [1])
        #expect(desk.state.own.windows.pace < 1 && desk.state.own.windows.pace > 0.4)
    }

    @Test("after the pause a tenth of the pace goes, twice as much each second, and then all of it")
    func ramp() throws {
        let (desk, id) = desk(limit: 6000)
        let closing = try #require(desk.refuseUpstream(id, .tier, .told(.seconds(10))))
        for number in 0..<900 { desk.come(call("tool \(number % 7)")) }
        desk.pass(.nanoseconds(closing.end - 1 - desk.now))
        #expect(desk.inside.count == 1)
        // 99 calls a second, halved by what the refusal taught.
        let full = 99 * desk.state.own.windows.pace
        var counts: [Double] = []
        var before = desk.inside.count
        for _ in 0..<8 {
            desk.pass(.seconds(1))
            counts.append(Double(desk.inside.count - before) / full)
            before = desk.inside.count
        }
        for (count, expected) in zip(counts, [0.1, 0.2, 0.4, 0.8, 1, 1, 1, 1]) {
            #expect(abs(count - expected) < 0.05, "\(counts)")
        }
    }

    @Test("the refused call waits, goes first among its caller's calls, and counts again when it is sent again")
    func resend() throws {
        let (desk, id) = desk(call("mine"))
        _ = desk.refuseUpstream(id, .tier, .told(.seconds(3)))
        let later = (0..<5).map { _ in desk.come(call("mine")) }
        desk.again(id)
        #expect(desk.inside.isEmpty && desk.waiting == 6)
        desk.pass(.seconds(20))
        #expect(desk.inside.map(\.id) == [id] + later)
        #expect(desk.send(id))
        #expect(desk.state.own.windows.windows[0].window.spent == 2)
    }

    @Test("a call that holds a permit when a pause begins is not sent in the pause, nor beside the ramp after it")
    func admittedBeforeThePause() throws {
        let (desk, id) = desk()
        let held = (0..<4).map { _ in desk.come(call()) }
        _ = desk.refuseUpstream(id, .tier, .told(.seconds(3)))
        #expect(!desk.send(held[0]))
        desk.again(held[0])
        #expect(!desk.isInside(held[0]))
        desk.pass(.seconds(4))
        #expect(desk.isInside(held[0]) && desk.send(held[0]), "its own turn came")
        #expect(!desk.send(held[1]), "the permit is older than the pause")
        desk.pass(.seconds(10))
        #expect(desk.send(held[2]), "all is as before")
    }

    @Test("those whose patience ends within the pause are refused when it begins, with no less than the pause")
    func hopeless() throws {
        let desk = GateDesk(permits: 1, wait: .seconds(86_400))
        let id = desk.come(call())
        desk.send(id)
        let hasty = desk.come(call("hasty", wait: .seconds(5)))
        let patient = desk.come(call("patient", wait: .seconds(100)))
        #expect(desk.waiting == 2)
        _ = desk.refuseUpstream(id, .tier, .told(.seconds(20)))
        let refusal = try #require(desk.refused[hasty])
        #expect(refusal.reason == .coolDown && refusal.retryAfter ?? .zero >= .seconds(20))
        #expect(desk.refused[patient] == nil)
        let late = try desk.refusal(call("late", wait: .seconds(19)))
        #expect(late.reason == .coolDown && late.retryAfter ?? .zero >= .seconds(20))
        desk.again(id)
        #expect(desk.refused[id] == nil && desk.waiting == 2, "a day's patience outlasts it")
    }

    @Test("a call that is refused after its patience has ended is not held")
    func noPatienceLeft() throws {
        let (desk, _) = desk()
        let id = desk.come(call(wait: .seconds(4)))
        desk.send(id)
        desk.pass(.seconds(1))
        _ = desk.refuseUpstream(id, .tier, .told(.seconds(3)))
        desk.again(id)
        #expect(desk.refused[id]?.reason == .coolDown)
        #expect(desk.refused[id]?.retryAfter ?? .zero >= .seconds(3))
    }
}
