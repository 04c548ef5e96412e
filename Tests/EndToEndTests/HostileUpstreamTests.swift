// The corpus of malformed answers through the whole proxy: a clear failure for the tool, and the next call is good.

import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct HostileUpstreamTests {
    @Test("a malformed answer is 502 UpstreamInvalidResponse, and the next call is good")
    func corpus() async throws {
        let server = ScriptedOrigin { connection in
            while true {
                let line = try connection.readRequest().requestLine
                let number = line.split(separator: " ")[1].split(separator: "=").last.flatMap { Int($0) }
                guard let number else {
                    try connection.send(ok)
                    continue
                }
                try? connection.send(AnswerCase.all[number].bytes)
                connection.closeWrite()
                connection.readUntilClosed()
                return
            }
        }
        try await withRig(origin: server) { rig in
            for (number, answer) in AnswerCase.all.enumerated() where answer.outcome == .invalid {
                let got = try await rig.get("/clashdetection/tests?case=\(number)")
                #expect(got.status == 502, "\(answer)")
                got.expectError(502, "UpstreamInvalidResponse", reason: "upstream-invalid-response")
                let next = try await rig.get("/clashdetection/tests?case=good")
                #expect(next.status == 200 && next.text == "ok", "after \(answer)")
            }
        }
    }
}
