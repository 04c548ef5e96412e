// What others see of a gate: its report, the fields for tools, and the mode that holds nothing.

import Testing

@testable import RateLimiting

@Suite("What is seen of a gate")
struct ObserveTests {
    @Test("observing, everybody goes at once and what would have been is counted")
    func observe() {
        let desk = GateDesk(
            GateLimits(
                windows: [GateWindow(limit: 60, span: .seconds(60))], maxInFlight: 2, maxQueue: 1,
                maxWait: .seconds(10),
                observe: true))
        for number in 0..<50 {
            let id = desk.come(call())
            #expect(desk.isInside(id) && desk.send(id), "\(number)")
            desk.leave(id)
        }
        let counts = desk.state.counts
        // Three of the burst, and one a second for ten seconds.
        #expect(counts.admittedAtOnce == 50)
        #expect((9...10).contains(counts.wouldHaveWaited), "\(counts)")
        #expect(counts.wouldHaveWaited + counts.wouldHaveBeenRefused == 47)
        #expect((.seconds(40)...(.seconds(60))).contains(counts.wouldHaveWaitedFor), "\(counts)")
        #expect(counts.refusedDeadline == 0 && counts.refusedQueueFull == 0 && desk.waiting == 0)
    }

    @Test("observing, a pause is reported and a refused call is not held")
    func observePause() throws {
        let desk = GateDesk(
            GateLimits(windows: [GateWindow(limit: 600, span: .seconds(60))], maxWait: .seconds(30), observe: true))
        let id = desk.come(call())
        #expect(desk.send(id))
        _ = desk.refuseUpstream(id, .tier, .told(.seconds(5)))
        desk.again(id)
        #expect(desk.refused[id]?.reason == .observing)
        #expect(desk.refused[id]?.retryAfter ?? .zero >= .seconds(5))
        let next = desk.come(call())
        #expect(desk.isInside(next) && desk.send(next))
        #expect(desk.state.counts.wouldHaveWaited == 1)
        #expect(desk.state.statistics(now: desk.now).pauses.count == 1)
    }

    @Test("the report names what is in flight, waits, is spent, is closed and why, and what was learned")
    func statistics() throws {
        let window = GateWindow(limit: 1000, span: .seconds(60))
        let runWindow = GateWindow(limit: 6, span: .seconds(1))
        let desk = GateDesk(GateLimits(windows: [window], runWindows: [runWindow], maxInFlight: 3))
        let sender = desk.come(call(operation: "v2.runs.start", isRun: true))
        desk.send(sender)
        for _ in 0..<2 { desk.come(call()) }
        desk.come(call("a", .interactive))
        for _ in 0..<2 { desk.come(call("b", .batch)) }
        for _ in 0..<3 { desk.come(call("c", .background)) }
        desk.pass(.seconds(2))
        _ = desk.refuseUpstream(sender, .operation, .told(.seconds(7)))
        desk.leave(sender)
        let report = desk.state.statistics(now: desk.now)
        #expect(report.inFlight == 3)
        #expect(report.queued == .init(interactive: 0, batch: 2, background: 3) && report.queued.total == 5)
        #expect(
            report.windows == [
                .init(window: window, isForRuns: false, spent: 1, reserved: 3),
                .init(window: runWindow, isForRuns: true, spent: 0, reserved: 0),
            ])
        let pause = try #require(report.pauses.first)
        #expect(pause.scope == .operation("v2.runs.start") && pause.cause == .operation && pause.strikes == 1)
        #expect((.seconds(7)...(.seconds(8))).contains(pause.remaining))
        #expect(report.learnedPace == 1 && report.averageHold == .seconds(2))
        #expect(report.counts.refusedUpstream == 1 && report.counts.admittedAfterWait == 1)
        desk.pass(.seconds(300))
        #expect(desk.state.statistics(now: desk.now).pauses.isEmpty)
    }

    @Test("RateLimit-Policy and RateLimit say what the windows allow and what is left")
    func fields() throws {
        let desk = GateDesk(
            GateLimits(
                windows: [GateWindow(limit: 500, span: .seconds(60)), GateWindow(limit: 5000, span: .seconds(3600))],
                runWindows: [GateWindow(limit: 6, span: .milliseconds(1500))], maxInFlight: 100))
        let list = call()
        desk.pass(.seconds(3601))
        #expect(
            desk.fields(for: list.lane)
                == .init(
                    policy: "\"500/1m\";q=500;w=60, \"5000/1h\";q=5000;w=3600",
                    limit: "\"500/1m\";r=500, \"5000/1h\";r=5000"))
        let id = desk.come(list)
        desk.send(id)
        desk.pass(.seconds(12))
        desk.come(list)
        #expect(
            desk.fields(for: list.lane)?.limit
                == "\"500/1m\";r=498;t=49, \"5000/1h\";r=4998;t=3589")
        let run = try #require(desk.fields(for: call(isRun: true).lane))
        #expect(run.policy.hasSuffix(", \"run:6/1500ms\";q=6;w=2") && run.limit.hasSuffix(", \"run:6/1500ms\";r=6"))
        _ = desk.refuseUpstream(id, .tier, .told(.seconds(1)))
        let closed = try #require(desk.fields(for: list.lane))
        #expect(
            closed.limit == "\"500/1m\";r=0;t=2, \"5000/1h\";r=0;t=2", "with its jitter the pause is a little longer")
    }

    @Test("without windows there is nothing to tell")
    func noFields() {
        let desk = GateDesk(permits: 1)
        #expect(desk.fields(for: call().lane) == nil)
    }

    @Test("a full hard window is a pause too, as long as it is full")
    func fullWindow() throws {
        let desk = GateDesk(
            GateLimits(
                windows: [GateWindow(limit: 1000, span: .seconds(60))],
                runWindows: [GateWindow(limit: 1, span: .seconds(8))]
            ))
        let run = call(isRun: true)
        #expect(desk.pause(for: run.lane) == nil)
        desk.send(desk.come(run))
        desk.pass(.seconds(3))
        #expect(desk.pause(for: run.lane) == .seconds(5) + .nanoseconds(1))
        #expect(desk.pause(for: call().lane) == nil)
    }
}
