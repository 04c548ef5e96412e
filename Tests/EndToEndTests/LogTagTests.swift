// What joins lines of both logs with each other and with traces: correlation id, caller and trace id.

import TestSupport
import Testing

@testable import Configuration

@Suite(.timeLimit(.minutes(8))) struct LogTagTests {
    @Test("lines that speak of a request name its id, its caller and its trace, in both logs and in explain")
    func joined() async throws {
        let made = try KeyGenerator.make(name: "night", allow: "read")
        let (collector, tool) = (Collector(), ToolTrace())
        defer { collector.stop() }
        let server = origin { _, _ in tooMany("60") }
        defer { server.stop() }
        try await withRig { options in
            options.origin = server
            options.file = made.table
            options.flags = [collector.flag]
        } _: { rig async throws in
            let headers = [
                ("X-Api-Key", made.key.withValue { $0 }), tool.header, ("x-correlation-id", "l-1"),
                ("Prefer", "wait=0"),
            ]
            #expect(try await rig.get("/clashdetection/tests", headers).status == 429)
            for text in ["pause by upstream begins", "a limit refuses calls"] {
                let line = try await rig.applicationLog.line(with: text).replacing("\"", with: "")
                for part in ["id: l-1", "caller: night", "trace_id: \(tool.trace)"] {
                    #expect(line.contains(part), "\(part) in \(line)")
                }
            }
            let line = try await rig.accessLog.line(with: " l-1 ")
            #expect(line.contains(" night ") && line.contains(" trace=\(tool.trace)"), "\(line)")
            #expect(try await rig.admin("/explain?id=l-1").text.contains("\"trace\":\"\(tool.trace)\""))
            await rig.reload(["log.format=json", "traces.endpoint="])
            #expect(
                try await rig.get("/elsewhere", [headers[0], tool.header, ("x-correlation-id", "l-2")]).status == 404)
            #expect(try await rig.accessLog.line(with: "\"l-2\"").contains("trace_id") == false, "nothing is traced")
        }
    }
}
