// The access log: one line a request, whoever answered it and however it ended.

import FoundationEssentials
import Proxy
import TestSupport
import Testing

@testable import Configuration

@Suite(.timeLimit(.minutes(8))) struct AccessLogTests {
    @Test("every request has exactly one line, with what is needed to find and judge it")
    func oneLineEach() async throws {
        try await withRig { rig in
            let client = try rig.connect()
            for index in 0..<10 {
                let targets = [rig.list, "/nowhere?secret=1", "/clashdetection/../x", "\(rig.v2)/reports/unknown"]
                let request = rig.request("GET", targets[index % 4], [("x-correlation-id", "n-\(index)")])
                _ = try await client.exchange(request)
            }
            client.close()
            _ = try? await rig.raw("garbage\r\n\r\n", method: "GET")
            try await eventually("all lines") { rig.accessLog.lines.count >= 11 }
            #expect(rig.accessLog.lines.count == 11)
            #expect(!rig.accessLog.text.contains("?") && !rig.accessLog.text.contains("secret"))
            let line = try await rig.accessLog.line(with: " n-0 ")
            let words = line.split(separator: " ").map(String.init)
            #expect(words[0].count == 24 && words[0].hasSuffix("Z"))
            #expect(
                words[1...9] == [
                    "n-0", "127.0.0.1", "anonymous", "v2.reports.list", "GET", "\(rig.v2)/reports", "200", "upstream",
                    "answered",
                ])
            let size = Int(words.first { $0.hasPrefix("out=") }?.dropFirst(4) ?? "")
            #expect((size ?? 0) > 500)
            #expect(words.contains { $0.hasPrefix("total=") && $0.hasSuffix("ms") })
            let refused = try await rig.accessLog.line(with: " n-1 ")
            #expect(refused.contains(" GET /nowhere 404 proxy refused:operation-not-found "))
        }
    }

    @Test("as JSON each line is one object with the same facts")
    func json() async throws {
        try await withRig { options in
            options.flags = ["log.format=json"]
        } _: { rig in
            _ = try await rig.call("DELETE", "/clashdetection/runs/x%22%5B?q=1", [("x-correlation-id", "j-1")])
            let line = try await rig.accessLog.line(with: "j-1")
            struct Line: Decodable {
                let id, caller, operation, method, path, source, outcome, peer, time: String
                let status, attempts, bytesIn, bytesOut: Int
                let totalMs, queueMs, tokenMs, auditMs, upstreamMs, otherMs: Double
            }
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            let facts = try decoder.decode(Line.self, from: Data(line.utf8))
            #expect(facts.id == "j-1" && facts.caller == "anonymous" && facts.operation == "v1.runs.delete")
            #expect(facts.method == "DELETE" && facts.path == "/clashdetection/runs/x%22%5B" && facts.status == 404)
            #expect(facts.source == "upstream" && facts.outcome == "answered" && facts.attempts == 1)
        }
    }

    @Test("a caller's name with blanks is one value, in quotes, and a target cannot end its own")
    func quoted() async throws {
        let made = try KeyGenerator.make(name: "night job", allow: "read")
        try await withRig { options in
            options.file = made.table
        } _: { rig in
            let key = ("X-Api-Key", made.key.withValue { $0 })
            #expect(try await rig.get(rig.list, [key, ("x-correlation-id", "q-1")]).status == 200)
            let line = try await rig.accessLog.line(with: " q-1 ")
            #expect(line.contains(#" q-1 127.0.0.1 "night job" v2.reports.list GET "#), "\(line)")
            #expect(!line.contains("night job v2"))
        }
    }

    @Test("no line can be forged by what a request holds")
    func forged() async throws {
        try await withRig { rig in
            for target in ["/x%0a2026-01-01", "/x\u{1}y", "/\"quoted\"", "/x\\n2026"] {
                _ = try await rig.raw("GET \(target) HTTP/1.1\r\nHost: localhost\r\n\r\n")
            }
            _ = try await rig.get("/nowhere", [("x-correlation-id", "id 200 upstream answered")])
            try await eventually("all lines") { rig.accessLog.lines.count >= 5 }
            #expect(rig.accessLog.lines.count == 5)
            #expect(rig.accessLog.lines.allSatisfy { $0.hasPrefix("20") && $0.contains(" proxy refused:") })
            #expect(!rig.accessLog.text.contains(" upstream answered"))
        }
    }

    @Test("the log can be turned off")
    func off() async throws {
        try await withRig { options in
            options.flags = ["log.access=false"]
        } _: { rig async throws in
            #expect(try await rig.get(rig.list).status == 200)
            _ = await rig.drain()
            #expect(rig.accessLog.text.isEmpty)
        }
    }
}
