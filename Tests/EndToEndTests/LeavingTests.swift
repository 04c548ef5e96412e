// A tool that goes away: its read is given up, its waiting call is never sent, its delete that was sent is finished.

import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct LeavingTests {
    @Test("a read whose tool leaves is cancelled upstream", arguments: ["close", "reset"])
    func read(how: String) async throws {
        let ended = Latch()
        let server = ScriptedOrigin { connection in
            _ = try connection.readRequest()
            connection.readUntilClosed()
            ended.open()
        }
        try await withRig(origin: server) { rig in
            let client = try rig.connect()
            try await client.send(rig.request("GET", "/clashdetection/tests", [("x-correlation-id", "left-1")]))
            try await eventually("it is upstream") { server.receivedText.contains("left-1") }
            if how == "reset" { client.reset() } else { client.close() }
            try await eventually("upstream's connection ends") { ended.isOpen }
            let line = try await rig.accessLog.line(with: "left-1")
            #expect(line.contains(" 499 proxy caller-left:sent ") && line.contains(" v1.tests.list "), "\(line)")
        }
    }

    @Test("a read whose tool leaves in mid-body is cancelled upstream")
    func midBody() async throws {
        let ended = Latch()
        let server = ScriptedOrigin { connection in
            _ = try connection.readRequest()
            try connection.send(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
            connection.readUntilClosed()
            ended.open()
        }
        try await withRig(origin: server) { rig in
            let client = try rig.connect()
            try await client.send(rig.request("GET", "/clashdetection/results/x", [("x-correlation-id", "left-2")]))
            #expect(try await client.responseHead().status == 200)
            client.close()
            try await eventually("upstream's connection ends") { ended.isOpen }
            _ = try await rig.accessLog.line(with: "left-2", " 200 upstream caller-left:sent")
        }
    }

    @Test("a tool that stops reading is let go after idle_timeout, and upstream with it")
    func stopsReading() async throws {
        let ended = Latch()
        let server = ScriptedOrigin { connection in
            defer { ended.open() }
            _ = try connection.readRequest()
            try connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100000000\r\n\r\n")
            let piece = [UInt8](repeating: 0x7A, count: 1 << 20)
            while true { try connection.send(piece) }
        }
        try await withRig(origin: server, flags: ["listen.idle_timeout=300ms"]) { rig in
            let client = try rig.connect()
            try await client.send(rig.request("GET", "/clashdetection/results/x", [("x-correlation-id", "left-6")]))
            let line = try await rig.accessLog.line(with: "left-6")
            #expect(line.contains(" 200 upstream tool-silent "), "\(line)")
            try await eventually("upstream's connection ends") { ended.isOpen }
            client.close()
        }
    }

    @Test("a delete that was sent is finished and logged although its tool left", arguments: ["DELETE", "POST"])
    func delete(method: String) async throws {
        try await withRig { rig in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            let legacy = rig.simulator.legacyID(project: rig.iTwin, entity: report) ?? ""
            let target = method == "DELETE" ? "/clashdetection/runs/\(legacy)" : "\(rig.v2)/reports/jobs/deletion"
            let body = method == "DELETE" ? nil : #"{"jobs":["\#(report)"],"operation":"delete"}"#
            rig.simulator.inject(.executeThenHang, where: RequestFilter(method: method, target: "/clash"))
            let client = try rig.connect()
            try await client.send(rig.request(method, target, [("x-correlation-id", "left-3")], body: body))
            #expect(await rig.simulator.waitForRequests(1, where: RequestFilter(method: method, target: "/clash")))
            client.close()
            // The proxy notices that the tool is gone while upstream is still silent, and holds on.
            #expect(try await rig.get("/clashdetection/tests?projectId=\(rig.iTwin)").status == 200)
            #expect(!rig.accessLog.text.contains("left-3"))
            rig.simulator.releaseHeld()
            let line = try await rig.accessLog.line(with: "left-3")
            #expect(line.contains(" 499 proxy caller-left:sent ") && line.contains(" out=0 "), "\(line)")
            #expect(line.contains("attempts=1"))
            #expect(!rig.simulator.reportExists(report))
            #expect(rig.simulator.recorded(RequestFilter(method: method, target: "/clash")).count == 1)
        }
    }

    @Test("a delete that still waits for its turn is never sent when its tool leaves")
    func waitingDelete() async throws {
        try await withRig { options in
            options.flags = ["rate.max_in_flight=1"]
        } _: { rig in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            let id = rig.simulator.legacyID(project: rig.iTwin, entity: report) ?? ""
            rig.simulator.inject(.hang, where: RequestFilter(target: "/reports"))
            let first = try rig.connect()
            try await first.send(rig.request("GET", rig.list))
            #expect(await rig.simulator.waitForRequests(1, where: RequestFilter(target: "/reports")))
            let second = try rig.connect()
            try await second.send(rig.request("DELETE", "/clashdetection/runs/\(id)", [("x-correlation-id", "left-4")]))
            // It is queued as soon as the queue makes a call that will not wait go away.
            let impatient = try await rig.get(rig.list, [("Prefer", "wait=0")])
            #expect(impatient.status == 429)
            second.close()
            let line = try await rig.accessLog.line(with: "left-4")
            #expect(line.contains("caller-left:not-sent") && line.contains("attempts=0"), "\(line)")
            first.close()
            #expect(try await rig.get(rig.list).status == 200, "the places are free again")
            #expect(rig.simulator.recorded(RequestFilter(method: "DELETE")).isEmpty)
            #expect(rig.simulator.reportExists(report))
        }
    }

    @Test("a delete that waits for a token is never sent when its tool leaves")
    func tokenlessDelete() async throws {
        try await withRig { options in
            options.faults = [PlannedFault(.hang, where: .token)]
        } _: { rig in
            let client = try rig.connect()
            try await client.send(rig.request("DELETE", "/clashdetection/runs/x", [("x-correlation-id", "left-5")]))
            #expect(await rig.simulator.waitForRequests(1, where: .token))
            client.close()
            let line = try await rig.accessLog.line(with: "left-5")
            #expect(line.contains("caller-left:not-sent"))
            #expect(rig.simulator.counters.apiCalls == 0)
        }
    }
}
