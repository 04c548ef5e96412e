// Answers that HTTP/2 tools ask for and do not let us send: they are bounded, whoever's they are.

import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct HTTP2UnreadTests {
    // A quarter of it is kept for what tools do not let us send, and half of that for one caller: one such answer. Half of the
    // whole can be lent to a caller besides: five more.
    private static let flags = ["listen.h2c=true", "listen.max_held_bytes=512KiB", "listen.max_body_bytes=64KiB"]

    private static func page(_ number: Int) -> String {
        numberedBody(number, rows: report(String(repeating: "z", count: 50_000)))
    }

    @Test("streams that are not read hold what there is room for: the others are reset, and what stays arrives whole")
    func bounded() async throws {
        try await withCache(Self.flags) { number, _ in
            .bytes(json(Self.page(number)))
        } _: { rig, _ async throws in
            let client = try await rig.connect2(settings: [(4, 0)])
            var waiting: Set<UInt32> = []
            for number in 0..<20 { waiting.insert(try await client.begin("GET", "\(Path.reports)?$skip=\(number)")) }
            while waiting.count > 6, let frame = try await client.wire.frame() {
                guard frame.type == RawFrame.reset else { continue }
                #expect(frame.code == 8)
                waiting.remove(frame.stream)
            }
            for stream in waiting {
                try await client.send(RawFrame(RawFrame.windowUpdate, stream: stream, RawFrame.big(1 << 20)))
            }
            // What was lent may have gone by now; what was kept has not.
            var (whole, bytes) = (0, 0)
            while !waiting.isEmpty, let frame = try await client.wire.frame() {
                if frame.type == RawFrame.data { bytes += frame.payload.count }
                if frame.endsStream { whole += 1 }
                if frame.endsStream || frame.type == RawFrame.reset { waiting.remove(frame.stream) }
            }
            #expect(waiting.isEmpty && whole >= 1 && bytes > whole * 50_000)
        }
    }
}
