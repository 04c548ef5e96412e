// The corpus of frames against a running proxy: every case ends as RFC 9113 or RFC 7541 says, and costs nobody else anything.

import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct HTTP2CorpusTests {
    @Test("what HTTP/2 forbids ends its stream or its connection, what it allows is answered; others are served on")
    func corpus() async throws {
        try await withHTTP2Rig(["cache.enabled=true"]) { rig in
            let other = try await rig.connect2()
            #expect(FrameCase.all.count >= 120)
            for item in FrameCase.all {
                let client = try await HTTP2Client(rig.connect(), settings: item.isBare ? nil : [])
                try await client.wire.send(item.bytes)
                let end: String
                do { end = "\(try await client.end(of: item.stream))" } catch { end = "\(error)" }
                #expect(item.outcomes.contains(end), "\(item.name): \(end)")
                let good = try await other.get(rig.list)
                #expect(good.status == 200, "behind: \(item.name)")
            }
        }
    }
}
