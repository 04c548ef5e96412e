// Answers that HTTP/2 tools ask for and do not let us send: they are bounded, whoever's they are.

import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct HTTP2UnreadTests {
    // A quarter of it is for what tools do not let us send, and half of that for one caller: two such answers and a rest.
    private static let flags = ["listen.h2c=true", "listen.max_held_bytes=4MiB", "listen.max_body_bytes=1MiB"]

    private static func big(_ number: Int) -> String {
        numberedBody(number, rows: report(String(repeating: "z", count: 200_000)))
    }

    @Test(
        "streams that are not read hold what there is room for: the others are reset, and those that stay arrive whole")
    func bounded() async throws {
        try await withCache(Self.flags) { number, _ in
            .bytes(json(Self.big(number)))
        } _: { rig, _ async throws in
            let client = try await rig.connect2(settings: [(4, 0)])
            var waiting: Set<UInt32> = []
            for number in 0..<8 { waiting.insert(try await client.begin("GET", "\(Path.reports)?$skip=\(number)")) }
            while waiting.count > 2, let frame = try await client.wire.frame() {
                guard frame.type == RawFrame.reset else { continue }
                #expect(frame.code == 8)
                waiting.remove(frame.stream)
            }
            #expect(waiting.count == 2)
            try await client.send(RawFrame(RawFrame.windowUpdate, stream: 0, RawFrame.big(1 << 20)))
            for stream in waiting {
                try await client.send(RawFrame(RawFrame.windowUpdate, stream: stream, RawFrame.big(1 << 20)))
            }
            var bytes = 0
            while !waiting.isEmpty, let frame = try await client.wire.frame() {
                #expect(frame.type != RawFrame.reset)
                if frame.type == RawFrame.data { bytes += frame.payload.count }
                if frame.endsStream { waiting.remove(frame.stream) }
            }
            #expect(waiting.isEmpty && bytes > 400_000)
        }
    }

    @Test("a tool that reads gets more at once than may lie unread")
    func readers() async throws {
        try await withCache(Self.flags) { number, _ in
            .bytes(json(Self.big(number)))
        } _: { rig, _ async throws in
            let client = try await rig.connect2(settings: [(4, 1 << 20)])
            try await client.send(RawFrame(RawFrame.windowUpdate, stream: 0, RawFrame.big(1 << 28)))
            var waiting: Set<UInt32> = []
            for number in 0..<12 { waiting.insert(try await client.begin("GET", "\(Path.reports)?$skip=\(number)")) }
            while !waiting.isEmpty, let frame = try await client.wire.frame() {
                #expect(frame.type != RawFrame.reset)
                if frame.endsStream { waiting.remove(frame.stream) }
            }
            #expect(waiting.isEmpty)
        }
    }
}
