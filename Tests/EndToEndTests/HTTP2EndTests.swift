// How HTTP/2 connections end: in a drain, for idleness, for slowness, for floods.

import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct HTTP2EndTests {
    private static let reports = RequestFilter(target: "/reports")

    /// The next GOAWAY.
    private static func goAway(_ client: HTTP2Client) async throws -> RawFrame? {
        while let frame = try await client.wire.frame() { if frame.type == RawFrame.goAway { return frame } }
        return nil
    }

    @Test(
        "a drain says GOAWAY with 2^31-1, takes what was under way to it, then says the last, and finishes all of them")
    func drain() async throws {
        try await withHTTP2Rig { rig in
            rig.simulator.inject(.executeThenHang, where: Self.reports)
            let client = try await rig.connect2()
            let first = try await client.begin("GET", rig.list)
            #expect(await rig.simulator.waitForRequests(1, where: Self.reports))
            let drained = Task { await rig.drain() }
            let warning = try #require(try await Self.goAway(client))
            #expect(warning.number == 0x7FFF_FFFF && warning.code == 0)
            // The tool has not said yet that it knows.
            let second = try await client.begin("GET", "/nowhere")
            #expect(try await client.answer(on: second).status == 404)
            try await client.send(
                RawFrame(RawFrame.ping, flags: 1, [0, 0, 0x63, 0x6C, 0x61, 0x73, 0x68, 0x70]))
            let last = try #require(try await Self.goAway(client))
            #expect(last.number == second && last.code == 0)
            let third = try await client.begin("GET", "/nowhere")
            #expect(try await client.end(of: third) == .reset(7))
            rig.simulator.releaseHeld()
            #expect(try await client.answer(on: first).status == 200)
            _ = try await client.wire.readToEnd()
            #expect(await drained.value)
        }
    }

    @Test("an idle connection is told and closed in a drain, answer to our PING or not")
    func idleInDrain() async throws {
        try await withHTTP2Rig { rig in
            let client = try await rig.connect2()
            #expect(try await client.get("/nowhere").status == 404)
            let drained = Task { await rig.drain() }
            #expect(try await Self.goAway(client)?.number == 0x7FFF_FFFF)
            #expect(try await Self.goAway(client)?.number == 1)
            _ = try await client.wire.readToEnd()
            #expect(await drained.value)
        }
    }

    @Test("an answer that its tool does not take is under way in a drain: it is counted, and cut when the time is over")
    func unreadInDrain() async throws {
        try await withRig { options in
            options.clock = ShiftedClock(isFrozen: true)
            options.flags = ["listen.h2c=true", "shutdown.drain_timeout=7s"]
        } _: { rig in
            let client = try await rig.connect2(settings: [(4, 0)])
            let stream = try await client.begin("GET", rig.list)
            while let frame = try await client.wire.frame(), frame.type != RawFrame.headers {}
            _ = try await rig.accessLog.line(with: "GET")
            let drained = Task { await rig.drain() }
            _ = try await rig.applicationLog.line(with: "draining", "\"exchanges\": 1")
            #expect(try await Self.goAway(client)?.number == 0x7FFF_FFFF)
            #expect(try await Self.goAway(client)?.number == stream, "our PING is not waited for for ever")
            rig.clock.advance(by: .seconds(7))
            #expect(try await client.end(of: stream) == .reset(8))
            _ = try await client.wire.readToEnd()
            #expect(await drained.value == false)
            _ = try await rig.applicationLog.line(with: "drain cut short", "\"exchanges\": 1")
        }
    }

    @Test("a connection without streams ends after idle_timeout, with GOAWAY")
    func idle() async throws {
        try await withHTTP2Rig(["listen.idle_timeout=200ms"]) { rig in
            let client = try await rig.connect2()
            #expect(try await client.get("/nowhere").status == 404)
            let end = try #require(try await Self.goAway(client))
            #expect(end.code == 0 && end.number == 1)
            #expect(try await client.wire.frame() == nil)
        }
    }

    @Test("SETTINGS that do not come, and a header block that does not end, are waited for as long as header_timeout")
    func slowHeads() async throws {
        try await withHTTP2Rig(["listen.header_timeout=200ms"]) { rig in
            let silent = try await HTTP2Client(rig.connect(), settings: nil)
            try await silent.wire.send(RawFrame.preface)
            #expect(try await silent.end(of: 1) == .closed)
            let half = try await HTTP2Client(rig.connect(), settings: nil)
            try await half.wire.send(Array(RawFrame.preface.prefix(10)))
            #expect(try await half.end(of: 1) == .closed)
            let open = try await rig.connect2()
            try await open.send(
                RawFrame(RawFrame.headers, flags: RawFrame.endStream, stream: 1, RawFrame.block(FrameCase.get)))
            #expect(try await open.end(of: 1) == .goAway(11))
            let partial = try await rig.connect2()
            try await partial.wire.send(Array(FrameCase.headers(RawFrame.block(FrameCase.get)).bytes().dropLast(3)))
            #expect(try await partial.end(of: 1) == .goAway(11), "the last frame of its block is not whole")
        }
    }

    @Test("a body that stops arriving is 408 on its stream, and the connection goes on")
    func silentBody() async throws {
        try await withHTTP2Rig(["listen.idle_timeout=300ms"]) { rig in
            let client = try await rig.connect2()
            let stream = try await client.begin("POST", "/clashdetection/tests", body: [0x7B], ends: false)
            #expect(try await client.answer(on: stream).status == 408)
            #expect(try await client.get("/nowhere").status == 404)
        }
    }

    @Test("an answer that is not taken for idle_timeout ends its stream alone")
    func untakenAnswer() async throws {
        try await withHTTP2Rig(["listen.idle_timeout=300ms"]) { rig in
            let client = try await rig.connect2(settings: [(4, 0)])
            let stream = try await client.begin("GET", rig.list)
            #expect(try await client.answer(on: stream).reset == 8)
            let head = try await client.answer(on: client.begin("HEAD", "/nowhere"))
            #expect(head.status == 404)
        }
    }

    @Test("a flood ends its connection with ENHANCE_YOUR_CALM, and nobody else's", arguments: Flood.allCases)
    func floods(flood: Flood) async throws {
        try await withHTTP2Rig(["cache.enabled=true"]) { rig in
            let other = try await rig.connect2()
            #expect(try await other.get(rig.list).status == 200)
            let client = try await rig.connect2()
            // What does not fit any more was one too many as well.
            _ = try? await client.wire.sendWhatFits(flood.bytes(10_000))
            #expect(try await client.end(of: 0) == .goAway(11))
            #expect(try await other.get(rig.list).status == 200)
        }
    }

    @Test("a few hundred of each at once are nothing", arguments: Flood.allCases.filter { !$0.isOfOneBlock })
    func sane(flood: Flood) async throws {
        try await withHTTP2Rig(["cache.enabled=true"]) { rig in
            let client = try await rig.connect2()
            try await client.wire.send(flood.bytes(350))
            let block = RawFrame.block(FrameCase.get)
            try await client.send(
                RawFrame(RawFrame.headers, flags: RawFrame.endHeaders | RawFrame.endStream, stream: 100_001, block))
            #expect(try await client.end(of: 100_001) == .answer(404))
        }
    }
}

/// Frames that cost us something and bring nothing.
enum Flood: CaseIterable, Sendable {
    case resets, forcedResets, malformed, pings, settings, emptyData, padding, continuations, emptyContinuations,
        priorities
    case windowUpdates, unknownFrames

    /// Within one header block a limit of its own holds.
    var isOfOneBlock: Bool { self == .continuations || self == .emptyContinuations }

    func bytes(_ count: Int) -> [UInt8] { begin + (0..<count).flatMap { frame($0) } }

    private var begin: [UInt8] {
        switch self {
        case .emptyData, .padding: FrameCase.open().bytes()
        case .continuations, .emptyContinuations: FrameCase.headers(RawFrame.block(FrameCase.get), flags: 1).bytes()
        default: []
        }
    }

    private func frame(_ number: Int) -> [UInt8] {
        let stream = UInt32(2 * number + 1)
        switch self {
        case .resets:
            return FrameCase.headers(RawFrame.block(FrameCase.get), stream: stream).bytes()
                + RawFrame(RawFrame.reset, stream: stream, RawFrame.big(8)).bytes()
        case .forcedResets:
            return FrameCase.open(stream: stream).bytes() + FrameCase.windowUpdate(0, stream: stream).bytes()
        case .malformed: return FrameCase.headers(RawFrame.block([(":method", "GET")]), stream: stream).bytes()
        case .pings: return FrameCase.ping.bytes()
        case .settings: return RawFrame.settings([(4, 65_535)]).bytes()
        case .emptyData: return FrameCase.data("").bytes()
        case .padding:
            return RawFrame(RawFrame.data, flags: RawFrame.padded, stream: 1, [32] + Array(repeating: 0, count: 32))
                .bytes()
        case .continuations: return FrameCase.continuation(RawFrame.block([("a", "b")]), flags: 0).bytes()
        case .emptyContinuations: return FrameCase.continuation([], flags: 0).bytes()
        case .priorities: return RawFrame(RawFrame.priority, stream: 3, [0, 0, 0, 0, 1]).bytes()
        case .windowUpdates: return FrameCase.windowUpdate(1).bytes()
        case .unknownFrames: return RawFrame(0xEF, [1]).bytes()
        }
    }
}
