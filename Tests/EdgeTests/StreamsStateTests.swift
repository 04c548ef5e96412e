// The life of an HTTP/2 connection, without a connection.

import NIOCore
import Testing

@testable import Edge

@Suite struct StreamsStateTests {
    private static let limits = ConnectionLimits(
        headerTimeout: .seconds(10), idleTimeout: .seconds(75), maxHeaderBytes: 1, maxBodyBytes: 1, minBodyRate: 1_024)
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    private static func open() -> StreamsState {
        var state = StreamsState(limits, now: start)
        state.settingsCame(now: start)
        return state
    }

    @Test("without SETTINGS a connection is closed after header_timeout")
    func opening() {
        var state = StreamsState(Self.limits, now: Self.start)
        #expect(state.deadline == Self.start + .seconds(10))
        #expect(state.timeOut(now: Self.start + .seconds(9)) == .nothing)
        #expect(state.timeOut(now: Self.start + .seconds(10)) == .close)
        #expect(state.phase == .closed && state.deadline == nil)
    }

    @Test("without streams a connection ends after idle_timeout, which begins when the last of them is over")
    func idle() {
        var state = Self.open()
        #expect(state.begins(1) == .take)
        #expect(state.deadline == nil)
        #expect(state.ended(now: Self.start + .seconds(50)) == .nothing)
        #expect(state.timeOut(now: Self.start + .seconds(124)) == .nothing)
        #expect(state.timeOut(now: Self.start + .seconds(125)) == .end(.idle))
        #expect(state.phase == .ending)
        #expect(state.timeOut(now: Self.start + .seconds(127)) == .close)
    }

    @Test("a tool that is not known any more is told the last stream at once, and what it has begun is finished")
    func withdrawn() {
        var idle = Self.open()
        #expect(idle.withdraw(now: Self.start) == .end(.drained))
        var busy = Self.open()
        #expect(busy.begins(1) == .take && busy.begins(3) == .take)
        #expect(busy.withdraw(now: Self.start) == .sayLast)
        #expect(busy.begins(5) == .refuse && busy.lastTaken == 3)
        #expect(busy.withdraw(now: Self.start) == .nothing && busy.ended(now: Self.start) == .nothing)
        #expect(busy.ended(now: Self.start) == .end(.drained))
        var warned = Self.open()
        #expect(warned.begins(1) == .take && warned.drain(now: Self.start) == .warn)
        #expect(warned.withdraw(now: Self.start) == .sayLast)
        var opening = StreamsState(Self.limits, now: Self.start)
        #expect(opening.withdraw(now: Self.start) == .close)
    }

    @Test("a header block that does not end ends the connection after header_timeout, streams or not")
    func slowHead() {
        var state = Self.open()
        _ = state.begins(1)
        state.headerBlock(isOpen: true, now: Self.start + .seconds(5))
        state.headerBlock(isOpen: true, now: Self.start + .seconds(14))
        #expect(state.timeOut(now: Self.start + .seconds(15)) == .end(.slowHead))
        var ended = Self.open()
        ended.headerBlock(isOpen: true, now: Self.start)
        ended.headerBlock(isOpen: false, now: Self.start)
        #expect(ended.timeOut(now: Self.start + .seconds(20)) == .nothing)
    }

    @Test("the stream that is one too many is refused alone, until another is over")
    func maxStreams() {
        var state = Self.open()
        for stream in 0..<UInt32(StreamsState.maxStreams) { #expect(state.begins(2 * stream + 1) == .take) }
        #expect(state.begins(1_001) == .refuse)
        #expect(state.ended(now: Self.start) == .nothing)
        #expect(state.begins(1_003) == .take)
        #expect(state.lastTaken == 1_003)
    }

    @Test("a drain warns, takes what the tool sent before it could know, then says the last, and ends with it")
    func drain() {
        var state = Self.open()
        _ = state.begins(1)
        #expect(state.drain(now: Self.start) == .warn)
        #expect(state.begins(3) == .take)
        #expect(state.heard(now: Self.start) == .sayLast)
        #expect(state.begins(5) == .refuse && state.lastTaken == 3)
        #expect(state.heard(now: Self.start) == .nothing)
        #expect(state.ended(now: Self.start) == .nothing)
        #expect(state.deadline == nil)
        #expect(state.ended(now: Self.start) == .end(.drained))
        #expect(state.begins(7) == .refuse)
    }

    @Test("a tool that does not answer the PING is taken to have heard after a second; without streams that is the end")
    func deafTool() {
        var state = Self.open()
        #expect(state.drain(now: Self.start) == .warn)
        #expect(state.timeOut(now: Self.start + .seconds(1)) == .end(.drained))
        var opening = StreamsState(Self.limits, now: Self.start)
        #expect(opening.drain(now: Self.start) == .close)
    }

    @Test("a second drain, and what comes behind the end, change nothing")
    func nothing() {
        var state = Self.open()
        _ = state.drain(now: Self.start)
        #expect(state.drain(now: Self.start) == .nothing)
        state.ends(now: Self.start)
        #expect(state.drain(now: Self.start) == .nothing && state.heard(now: Self.start) == .nothing)
        state.closed()
        state.ends(now: Self.start)
        state.settingsCame(now: Self.start)
        #expect(state.phase == .closed)
    }
}

@Suite struct StreamStateTests {
    private static let limits = ConnectionLimits(
        headerTimeout: .seconds(10), idleTimeout: .seconds(75), maxHeaderBytes: 1, maxBodyBytes: 1, minBodyRate: 1_000)
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    @Test("nobody is waited for while the flow is at work")
    func atWork() {
        let state = StreamState(Self.limits, isWhole: false, now: Self.start)
        #expect(state.deadline == nil)
    }

    @Test("a body that is silent, or slower than min_rate, fails, once")
    func body() {
        var silent = StreamState(Self.limits, isWhole: false, now: Self.start)
        _ = silent.bodyCame(1_000_000)
        silent.waits(for: .body, now: Self.start)
        #expect(silent.timeOut(now: Self.start + .seconds(75)) == .failBody(.silent))
        #expect(silent.timeOut(now: Self.start + .seconds(200)) != .failBody(.silent))
        var slow = StreamState(Self.limits, isWhole: false, now: Self.start)
        _ = slow.bodyCame(5_000)
        slow.waits(for: .body, now: Self.start)
        #expect(slow.timeOut(now: Self.start + .seconds(14)) == .nothing)
        #expect(slow.timeOut(now: Self.start + .seconds(15)) == .failBody(.belowMinRate))
    }

    @Test("only the time in which its body was waited for counts against a tool")
    func ourTime() {
        var state = StreamState(Self.limits, isWhole: false, now: Self.start)
        state.waits(for: .body, now: Self.start)
        state.waitEnded(now: Self.start + .seconds(4))
        state.waits(for: .body, now: Self.start + .seconds(100))
        #expect(state.deadline == Self.start + .seconds(106))
    }

    @Test("an answer that nobody takes ends its stream after idle_timeout, counted anew whenever some is taken")
    func room() {
        var state = StreamState(Self.limits, isWhole: true, now: Self.start)
        state.waits(for: .room, now: Self.start)
        state.someWasTaken(now: Self.start + .seconds(50))
        #expect(state.timeOut(now: Self.start + .seconds(75)) == .nothing)
        #expect(state.timeOut(now: Self.start + .seconds(125)) == .cancel)
        var queued = StreamState(Self.limits, isWhole: true, now: Self.start)
        queued.answerEnded(now: Self.start)
        #expect(queued.timeOut(now: Self.start + .seconds(75)) == .cancel)
    }

    @Test("behind an early answer the rest of a body is dropped for two seconds, or four MiB")
    func early() {
        var state = StreamState(Self.limits, isWhole: false, now: Self.start)
        state.answerEnded(now: Self.start)
        state.answerIsOut(now: Self.start)
        #expect(state.bodyCame(4 << 20) == false)
        #expect(state.bodyCame(1) == true)
        #expect(state.timeOut(now: Self.start + .seconds(2)) == .endCalmly)
        state.bodyGivenUp()
        #expect(state.deadline != nil)
        state.toolEnded()
        #expect(state.deadline == nil)
    }
}
