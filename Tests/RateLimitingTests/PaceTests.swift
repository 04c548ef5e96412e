// A small burst, then an even pace; what a restart and refusals teach.

import Ground
import Testing

@testable import RateLimiting

@Suite("Pace")
struct PaceTests {
    private static let second = Nanoseconds.oneSecond

    /// Calls as fast as the gate lets them for so long; the instants of the sends.
    private func saturate(_ limits: GateLimits, seconds: Int64, isRun: Bool = false) -> [Nanoseconds] {
        let desk = GateDesk(limits)
        var sends: [Nanoseconds] = []
        for _ in 0..<20 { desk.come(call(isRun: isRun)) }
        while desk.now < seconds * Self.second {
            for ticket in desk.inside {
                desk.send(ticket.id)
                sends.append(desk.now)
                desk.leave(ticket.id)
                desk.come(call(isRun: isRun))
            }
            guard desk.inside.isEmpty, let due = desk.state.nextEvent(now: desk.now) else { continue }
            desk.pass(.nanoseconds(max(due - desk.now, 1)))
        }
        return sends
    }

    @Test(
        "no standstill: under load the whole limit is used and the longest gap stays near the even interval",
        arguments: [
            GateWindow(limit: 600, span: .seconds(60)), GateWindow(limit: 5000, span: .seconds(60)),
            GateWindow(limit: 5000, span: .seconds(3600)), GateWindow(limit: 7, span: .seconds(2)),
        ])
    func noStandstill(window: GateWindow) {
        let span = window.span.clampedNanoseconds
        let sends = saturate(
            GateLimits(windows: [window], maxWait: .seconds(86_400)), seconds: 4 * span / Self.second)
        #expect(Double(sends.count) >= 4 * Double(window.limit) * 0.96)
        let even = Double(span) / Double(window.limit)
        let gaps = zip(sends.dropFirst(), sends).map { Double($0 - $1) }
        #expect(gaps.max() ?? 0 < max(even * 1.3, 2 * Double(span) / 1024))
    }

    @Test("at the start half of the burst counts as spent; after quiet times a tenth of the limit goes at once")
    func bursts() {
        let desk = GateDesk(GateLimits(windows: [GateWindow(limit: 1000, span: .seconds(60))], maxInFlight: 1000))
        for _ in 0..<200 { desk.come(call()) }
        #expect(desk.inside.count == 50)
        #expect(desk.state.own.windows.windows[0].window.spent == 50)
        for _ in 0..<50 { desk.firstLeaves() }
        desk.pass(.seconds(300))
        let before = desk.inside.count
        for _ in 0..<200 { desk.come(call()) }
        #expect(desk.inside.count - before == 100)
        // The rest evenly: 900 a minute.
        desk.pass(.seconds(2))
        #expect((28...33).contains(desk.inside.count - before - 100))
    }

    @Test("windows for runs hold runs alone, at six a second")
    func runs() {
        let limits = GateLimits(
            windows: [GateWindow(limit: 6000, span: .seconds(60))],
            runWindows: [GateWindow(limit: 6, span: .seconds(1))],
            maxInFlight: 1000)
        let desk = GateDesk(limits)
        let runs = (0..<30).map { _ in desk.come(call("runner", operation: "v2.runs.start", isRun: true)) }
        let read = desk.come(call("reader"))
        let ownRead = desk.come(call("runner"))
        #expect(desk.isInside(read) && desk.isInside(ownRead), "reads do not wait behind runs")
        #expect(runs.filter { desk.isInside($0) }.count == 1)
        for _ in 0..<200 {
            desk.pass(.milliseconds(10))
            for ticket in desk.inside { desk.send(ticket.id) }
        }
        #expect((12...13).contains(runs.filter { desk.isInside($0) }.count))
        let sends = saturate(
            GateLimits(windows: [], runWindows: [GateWindow(limit: 6, span: .seconds(1))]), seconds: 30, isRun: true)
        #expect((175...180).contains(sends.count))
    }

    @Test("a run that waits behind another's reservation goes in time after that was sent, or at once when it is not")
    func reservedRuns() {
        let limits = GateLimits(
            windows: [], runWindows: [GateWindow(limit: 1, span: .seconds(1))], maxInFlight: 10, maxWait: .seconds(60))
        for isSent in [true, false] {
            let desk = GateDesk(limits)
            let first = desk.come(call(isRun: true))
            let second = desk.come(call(isRun: true))
            desk.pass(.seconds(5))
            #expect(!desk.isInside(second), "the first one may still be sent")
            if isSent { desk.send(first) } else { desk.leave(first) }
            #expect(desk.isInside(second) == !isSent)
            desk.pass(.seconds(2))
            #expect(desk.isInside(second))
        }
    }

    @Test("the tightest of several windows decides at each time")
    func severalWindows() {
        let limits = GateLimits(
            windows: [GateWindow(limit: 500, span: .seconds(60)), GateWindow(limit: 5000, span: .seconds(3600))],
            maxWait: .seconds(3600))
        let sends = saturate(limits, seconds: 7200)
        #expect((9600...10_000).contains(sends.count))
        let inFirstMinute = sends.filter { $0 < 60 * Self.second }.count
        #expect((200...500).contains(inFirstMinute), "the hour's burst, as fast as the minute allows")
    }

    @Test("a permit that is given back unsent costs nothing")
    func unsent() {
        let desk = GateDesk(GateLimits(windows: [GateWindow(limit: 10, span: .seconds(60))], maxInFlight: 100))
        for _ in 0..<1000 {
            let id = desk.come(call())
            #expect(desk.isInside(id))
            desk.leave(id)
        }
        #expect(desk.state.own.windows.windows[0].window.spent == 0)
    }

    @Test("a refusal that our own count does not explain shrinks the pace to what we had; a full window hardly does")
    func learning() {
        var pace = LearnedPace()
        pace.refused(spent: 0.7, now: 0, end: 10 * Self.second)
        #expect(pace.share(now: 10 * Self.second) == 0.7)
        #expect(abs(pace.share(now: 70 * Self.second) - 0.8) < 1e-9, "a tenth a minute comes back")
        pace.refused(spent: 0.1, now: 70 * Self.second, end: 80 * Self.second)
        #expect(abs(pace.share(now: 80 * Self.second) - 0.4) < 1e-9, "never less than half at once")
        pace.refused(spent: 1, now: 80 * Self.second, end: 80 * Self.second)
        #expect(abs(pace.share(now: 80 * Self.second) - 0.392) < 1e-9)
        for _ in 0..<20 { pace.refused(spent: 0, now: 80 * Self.second, end: 80 * Self.second) }
        #expect(pace.share(now: 80 * Self.second) == 0.05, "nor ever nothing")
        #expect(pace.share(now: 3600 * Self.second) == 1)
    }

    @Test("other limits take over what was spent under the former ones, and what is reserved")
    func update() {
        let desk = GateDesk(GateLimits(windows: [GateWindow(limit: 100, span: .seconds(60))], maxWait: .seconds(60)))
        let ids = (0..<5).map { _ in desk.come(call()) }
        for id in ids.dropLast() { desk.send(id) }
        _ = desk.state.changed(
            to: GateLimits(
                windows: [GateWindow(limit: 10, span: .seconds(30)), GateWindow(limit: 50, span: .seconds(90))],
                maxWait: .seconds(60)),
            now: desk.now)
        #expect(desk.state.own.windows.windows.map { $0.window.spent } == [9, 9])
        #expect(desk.state.own.windows.windows.map { $0.window.reserved } == [1, 1])
        let late = desk.come(call())
        #expect(!desk.isInside(late), "ten of ten")
        desk.send(ids[4])
        #expect(desk.state.own.windows.windows.map { $0.window.reserved } == [0, 0])
        desk.pass(.seconds(31))
        #expect(desk.isInside(late))
    }

    @Test("room is kept for what may have gone before the start, and nobody is told of calls that were none")
    func assumed() {
        let desk = GateDesk(GateLimits(windows: [GateWindow(limit: 1000, span: .seconds(60))], maxInFlight: 1000))
        func budget() -> GateBudget.Window? { desk.state.budget(for: call(), now: desk.now).windows.first }
        #expect(desk.state.own.windows.windows[0].window.spent == 50)
        #expect(budget()?.used == 0 && budget()?.remaining == 1000 && budget()?.exhaustedIn == nil)
        #expect(desk.state.statistics(now: desk.now).windows.map(\.spent) == [0])
        #expect(desk.send(desk.come(call())))
        #expect(budget()?.used == 1 && budget()?.remaining == 999)
        desk.change(to: GateLimits(windows: [GateWindow(limit: 500, span: .seconds(30))], maxInFlight: 1000))
        #expect(budget()?.used == 1 && budget()?.remaining == 499)
        desk.pass(.seconds(61))
        #expect(desk.send(desk.come(call())))
        #expect(budget()?.used == 1 && desk.state.own.windows.windows[0].window.spent == 1)
    }
}
