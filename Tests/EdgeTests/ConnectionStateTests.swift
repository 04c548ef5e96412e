// The life of a connection as a value: every legal transition, every event that does not belong to a phase, every deadline.

import NIOCore
import Testing

@testable import Edge

@Suite struct ConnectionStateTests {
    typealias Phase = ConnectionState.Phase
    private static let limits = ConnectionLimits(
        headerTimeout: .seconds(10), idleTimeout: .seconds(75), maxHeaderBytes: 1_024, maxBodyBytes: 1_024,
        minBodyRate: 100)

    private static func at(_ seconds: Int64) -> NIODeadline { .uptimeNanoseconds(0) + .seconds(seconds) }

    private static func fresh() -> ConnectionState { ConnectionState(limits, now: at(0)) }

    /// A state of each phase, reached by legal events.
    enum Stage: CaseIterable {
        case fresh, idle, head, begun, busy, waiting, blocked, lingering, closed

        var state: ConnectionState {
            var state = ConnectionStateTests.fresh()
            switch self {
            case .fresh: break
            case .idle:
                state.requestBegins(isWhole: true)
                _ = state.next(hasParts: false, isWritable: true)
                state.finished(isReusable: true, isAnswered: true, now: at(0))
            case .head: state.came(openHead: true, behindParts: false, now: at(0))
            case .begun: state.requestBegins(isWhole: false)
            case .busy, .waiting, .blocked:
                state.requestBegins(isWhole: false)
                _ = state.next(hasParts: false, isWritable: true)
                if self == .waiting { state.waits(for: .body, now: at(0)) }
                if self == .blocked { state.waits(for: .room, now: at(0)) }
            case .lingering: state.refused(now: at(0))
            case .closed: state.closed()
            }
            return state
        }

        var isBetween: Bool { [.fresh, .idle, .head].contains(self) }
        var isBusy: Bool { [.begun, .busy, .waiting, .blocked].contains(self) }
    }

    @Test("the stages are in the phases that they stand for")
    func stages() {
        #expect(Stage.fresh.state.phase == .fresh && Stage.idle.state.phase == .idle && Stage.head.state.phase == .head)
        #expect(Stage.begun.state.phase == .busy(.init(isWhole: false)))
        #expect(Stage.busy.state.phase == .busy(.init(isWhole: false, isHandedOver: true)))
        #expect(Stage.waiting.state.phase == .busy(.init(isWhole: false, isHandedOver: true, wait: .body)))
        #expect(Stage.blocked.state.phase == .busy(.init(isWhole: false, isHandedOver: true, wait: .room)))
        #expect(Stage.lingering.state.phase == .lingering(bytes: 0) && Stage.closed.state.phase == .closed)
    }

    // MARK: Events

    @Test("a request begins between requests only", arguments: Stage.allCases)
    func requestBegins(stage: Stage) {
        for isWhole in [true, false] {
            var state = stage.state
            state.requestBegins(isWhole: isWhole)
            #expect(stage.isBetween ? state.phase == .busy(.init(isWhole: isWhole)) : state == stage.state)
        }
    }

    @Test(
        "an open head has a clock of its own between requests; behind something else it starts later",
        arguments: Stage.allCases)
    func openHead(stage: Stage) {
        var state = stage.state
        state.came(openHead: true, behindParts: false, now: Self.at(3))
        let starts = stage == .fresh || stage == .idle
        #expect(state.phase == (starts ? .head : stage.state.phase))
        #expect(state.since == Self.at(starts ? 3 : 0))
        var behind = stage.state
        behind.came(openHead: true, behindParts: true, now: Self.at(3))
        #expect(behind.phase == stage.state.phase && behind.since == stage.state.since)
    }

    @Test("what ends in the middle of a head behind a request is a head from when that is finished")
    func headBehind() {
        var state = Self.fresh()
        state.came(openHead: true, behindParts: true, now: Self.at(1))
        state.requestBegins(isWhole: true)
        #expect(state.next(hasParts: false, isWritable: true) == .handOver)
        state.finished(isReusable: true, isAnswered: true, now: Self.at(30))
        #expect(state.phase == .head && state.deadline == Self.at(40))
        state.requestBegins(isWhole: true)
        state.came(openHead: false, behindParts: false, now: Self.at(31))
        state.finished(isReusable: true, isAnswered: true, now: Self.at(32))
        #expect(state.phase == .idle)
    }

    @Test("the body of a request that is under way counts, and nobody else's", arguments: Stage.allCases)
    func body(stage: Stage) {
        var state = stage.state
        state.bodyCame(5)
        state.bodyEnded()
        guard case .busy(let request) = state.phase else { return #expect(state == stage.state && !stage.isBusy) }
        #expect(stage.isBusy && request.bodyBytes == 5 && request.isWhole)
    }

    @Test("a flow waits for the tool once it has the request, and for one thing at a time", arguments: Stage.allCases)
    func waits(stage: Stage) {
        for wait in [ConnectionState.Wait.body, .room] {
            var state = stage.state
            state.waits(for: wait, now: Self.at(2))
            guard stage == .busy else {
                #expect(state == stage.state, "\(wait)")
                continue
            }
            #expect(state.phase == .busy(.init(isWhole: false, isHandedOver: true, wait: wait)))
            #expect(state.since == Self.at(2))
            state.waitEnded(now: Self.at(3))
            #expect(state.deadline == nil, "nobody waits for the tool")
        }
        var whole = Stage.busy.state
        whole.bodyEnded()
        let before = whole
        whole.waits(for: .body, now: Self.at(2))
        #expect(whole == before, "a body that is whole is not waited for")
    }

    @Test("a request is finished from its own phase only", arguments: Stage.allCases)
    func finished(stage: Stage) {
        for (isReusable, isAnswered, phase) in [
            (true, true, Phase.idle), (false, true, .lingering(bytes: 0)), (false, false, .closed),
        ] {
            var state = stage.state
            state.finished(isReusable: isReusable, isAnswered: isAnswered, now: Self.at(4))
            guard stage.isBusy else {
                #expect(state == stage.state)
                continue
            }
            #expect(state.phase == phase && state.since == Self.at(4))
        }
    }

    @Test("what is no request is refused between requests only, and lingers", arguments: Stage.allCases)
    func refused(stage: Stage) {
        var state = stage.state
        state.refused(now: Self.at(5))
        #expect(
            stage.isBetween ? state.phase == .lingering(bytes: 0) && state.since == Self.at(5) : state == stage.state)
    }

    @Test("after the last answer four megabytes are dropped, no more", arguments: Stage.allCases)
    func lingers(stage: Stage) {
        var state = stage.state
        let isOver = state.lingered(ConnectionState.lingerBytes)
        #expect(!isOver && (state == stage.state) == (stage != .lingering))
        let isOverNow = state.lingered(1)
        #expect(
            isOverNow == (stage == .lingering) && (state.phase == .closed) == (stage == .lingering || stage == .closed))
    }

    @Test("a drain ends everything but a request that is under way, and that is the last", arguments: Stage.allCases)
    func drains(stage: Stage) {
        var state = stage.state
        state.drain()
        #expect(state.isDraining && state.phase == (stage.isBusy ? stage.state.phase : .closed))
        guard stage.isBusy else { return }
        state.bodyEnded()
        _ = state.next(hasParts: false, isWritable: true)
        state.finished(isReusable: true, isAnswered: true, now: Self.at(6))
        #expect(state.next(hasParts: false, isWritable: true) == .close && state.phase == .closed)
    }

    @Test("closed is closed, whatever comes", arguments: Stage.allCases)
    func closes(stage: Stage) {
        var state = stage.state
        state.closed()
        #expect(state.phase == .closed && state.deadline == nil && state.timeOut(now: .distantFuture) == .nothing)
        #expect(state.next(hasParts: true, isWritable: true) == .close)
    }

    // MARK: Decisions

    @Test(
        "what is to be done next",
        arguments: [
            (.fresh, true, true, .take), (.fresh, false, true, .read), (.fresh, true, false, .wait),
            (.fresh, false, false, .wait),
            (.idle, true, true, .take), (.idle, false, true, .read), (.idle, true, false, .wait),
            (.idle, false, false, .wait),
            (.head, true, true, .take), (.head, false, true, .read), (.head, false, false, .wait),
            (.begun, true, true, .take), (.begun, false, true, .handOver), (.begun, false, false, .handOver),
            (.busy, true, true, .take), (.busy, false, true, .wait), (.busy, true, false, .take),
            (.waiting, true, true, .take), (.waiting, false, true, .read), (.waiting, false, false, .read),
            (.blocked, false, true, .wait), (.blocked, false, false, .wait),
            (.lingering, false, true, .read), (.lingering, true, false, .read),
            (.closed, false, true, .close), (.closed, true, false, .close),
        ] as [(Stage, Bool, Bool, ConnectionState.Next)])
    func next(stage: Stage, hasParts: Bool, isWritable: Bool, expected: ConnectionState.Next) {
        var state = stage.state
        #expect(state.next(hasParts: hasParts, isWritable: isWritable) == expected)
    }

    @Test(
        "a read that has not ended is not asked for again",
        arguments: [Stage.fresh, .idle, .head, .waiting, .lingering])
    func reads(stage: Stage) {
        var state = stage.state
        #expect(state.next(hasParts: false, isWritable: true) == .read)
        #expect(state.next(hasParts: false, isWritable: true) == .wait)
        state.readEnded()
        #expect(state.next(hasParts: false, isWritable: true) == .read)
    }

    @Test("a request that is whole leaves the parts behind it alone, and is handed over once")
    func whole() {
        var state = Self.fresh()
        state.requestBegins(isWhole: true)
        #expect(state.next(hasParts: true, isWritable: true) == .handOver)
        #expect(state.next(hasParts: true, isWritable: true) == .wait)
        state.finished(isReusable: true, isAnswered: true, now: Self.at(1))
        #expect(state.next(hasParts: true, isWritable: true) == .take)
    }

    // MARK: Time

    @Test(
        "every phase in which the tool is waited for has its deadline, and what follows from it",
        arguments: [
            (.fresh, 10, .close), (.idle, 75, .close), (.head, 10, .refuseHead), (.begun, nil, .nothing),
            (.busy, nil, .nothing), (.waiting, 10, .failBody(.belowMinRate)), (.blocked, 75, .close),
            (.lingering, 2, .close), (.closed, nil, .nothing),
        ] as [(Stage, Int64?, ConnectionState.TimeOut)])
    func deadlines(stage: Stage, seconds: Int64?, expected: ConnectionState.TimeOut) {
        var state = stage.state
        #expect(state.deadline == seconds.map(Self.at))
        guard let seconds else { return #expect(state.timeOut(now: .distantFuture) == .nothing) }
        #expect(state.timeOut(now: Self.at(seconds) - .nanoseconds(1)) == .nothing && state == stage.state)
        #expect(state.timeOut(now: Self.at(seconds)) == expected)
        #expect((state.phase == .closed) == (expected == .close))
    }

    @Test("the first byte must come within the shorter of both times")
    func freshDeadline() {
        var limits = Self.limits
        limits.idleTimeout = .seconds(3)
        #expect(ConnectionState(limits, now: Self.at(1)).deadline == Self.at(4))
    }

    @Test("a body may be late by ten seconds and by what its bytes have earned; only waiting for it counts")
    func bodyRate() {
        var state = Stage.busy.state
        state.bodyCame(250)
        state.waits(for: .body, now: Self.at(100))
        #expect(state.deadline == Self.at(112) + .milliseconds(500), "2.5 s at 100 bytes a second")
        state.waitEnded(now: Self.at(106))
        state.bodyCame(50)
        #expect(state.deadline == nil, "the flow is busy with something else")
        state.waits(for: .body, now: Self.at(200))
        #expect(state.deadline == Self.at(207), "6 of 13 s are used up")
        #expect(state.timeOut(now: Self.at(206)) == .nothing)
        #expect(state.timeOut(now: Self.at(207)) == .failBody(.belowMinRate))
    }

    @Test("a body that is fast enough on the whole still may not be silent for idle_timeout")
    func silence() {
        var state = Stage.busy.state
        state.bodyCame(100_000)
        state.waits(for: .body, now: Self.at(0))
        #expect(state.deadline == Self.at(75) && state.timeOut(now: Self.at(75)) == .failBody(.silent))
    }

    @Test("no rate, no limit by rate")
    func noRate() {
        var limits = Self.limits
        limits.minBodyRate = 0
        var state = ConnectionState(limits, now: Self.at(0))
        state.requestBegins(isWhole: false)
        _ = state.next(hasParts: false, isWritable: true)
        state.waits(for: .body, now: Self.at(0))
        #expect(state.deadline == Self.at(75))
    }
}
