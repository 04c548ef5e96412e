// Start, limits on connections, readiness, and an orderly end.

import Configuration
import Proxy
import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct LifecycleTests {
    @Test("connection max_connections + 1 gets 503 and is closed; a place that becomes free is used")
    func maxConnections() async throws {
        try await withRig { options in
            options.flags = ["listen.max_connections=2"]
        } _: { rig in
            let first = try rig.connect()
            let second = try rig.connect()
            #expect(try await first.exchange(rig.request("GET", rig.list)).status == 200)
            #expect(try await second.exchange(rig.request("GET", rig.list)).status == 200)
            let third = try rig.connect()
            let refused = try await third.response()
            refused.expectError(503, "TooManyConnections", reason: "too-many-connections", retryAfter: 1...60)
            #expect(refused["Connection"] == "close")
            #expect(try await third.readToEnd().isEmpty)
            third.close()
            #expect(try await first.exchange(rig.request("GET", rig.list)).status == 200)
            first.close()
            var answer = try await rig.get(rig.list)
            while answer.status == 503 { answer = try await rig.get(rig.list) }
            #expect(answer.status == 200)
            second.close()
        }
    }

    @Test("a drain finishes what runs, refuses what is new, and says so when it is over")
    func drain() async throws {
        try await withRig { rig in
            rig.simulator.inject(.executeThenHang, where: RequestFilter(target: "/reports"))
            let idle = try rig.connect()
            #expect(try await idle.exchange(rig.request("GET", "/nowhere")).status == 404)
            let begun = try rig.connect()
            try await begun.send("GET \(rig.list) HTTP/1.1\r\nHost: local")
            let running = try rig.connect()
            try await running.send(rig.request("GET", rig.list))
            #expect(await rig.simulator.waitForRequests(1, where: RequestFilter(target: "/reports")))
            let drained = Task { await rig.drain() }
            #expect(try await idle.readToEnd().isEmpty, "an idle connection is closed")
            try await eventually("draining") { rig.sidecar.notReadyReasons.contains("shutting down") }
            try await eventually("it accepts no more") { (try? rig.connect()) == nil }
            // What was not a request yet ends as well.
            try await begun.response().expectError(503, "ShuttingDown", reason: "shutting-down", retryAfter: 1...60)
            #expect(try await begun.readToEnd().isEmpty)
            let ready = try await admin(rig, "/readyz")
            #expect(ready.status == 503 && ready.text.contains("shutting down"))
            #expect(try await admin(rig, "/healthz").status == 200)
            rig.simulator.releaseHeld()
            let answer = try await running.response()
            #expect(answer.status == 200 && answer.ending == .complete && answer["Connection"] == "close")
            for client in [idle, begun, running] { client.close() }
            #expect(await drained.value)
            try await eventually("every line was written before drain returned") { rig.accessLog.lines.count == 3 }
        }
    }

    @Test("an answer out of the cache that its tool is still reading is finished too", arguments: [[], ["close"]])
    func drainWhileReading(connection: [String]) async throws {
        let body = "\"\(String(repeating: "x", count: 12 << 20))\""
        try await withLimits(["cache.enabled=true"]) { rig, origin async throws in
            origin.become { _, _ in json(body) }
            #expect(try await rig.get(Path.tests).text.count == body.count)
            let slow = try await rig.begin("GET", Path.tests, connection.map { ("Connection", $0) })
            #expect(try await slow.responseHead()["Cache-Status"]?.contains("hit") == true)
            let drained = Task { await rig.drain() }
            try await eventually("it drains") { (try? rig.connect()) == nil }
            let count = try await slow.drainToEnd()
            #expect(count >= body.count, "head and body, to the last byte")
            #expect(await drained.value)
        }
    }

    @Test("a drain that takes too long is cut short, tells the tool, and says so")
    func cutShort() async throws {
        try await withRig { options in
            options.flags = ["shutdown.drain_timeout=200ms"]
        } _: { rig in
            rig.simulator.inject(.hang, where: RequestFilter(target: "/reports"))
            let running = try rig.connect()
            try await running.send(rig.request("GET", rig.list, [("x-correlation-id", "late-1")]))
            #expect(await rig.simulator.waitForRequests(1, where: RequestFilter(target: "/reports")))
            #expect(await rig.drain() == false)
            let answer = try await running.response()
            answer.expectError(503, "ShuttingDown", reason: "shutting-down", retryAfter: 1...60)
            #expect(answer["Connection"] == "close")
            #expect(try await running.readToEnd().isEmpty)
            running.close()
            _ = try await rig.accessLog.line(with: "late-1", "refused:shutting-down")
        }
    }

    @Test(
        "a delete that was sent when the end comes is told as unknown, logged, and its record closed",
        arguments: [false, true])
    func cutDelete(hurried: Bool) async throws {
        try await withRig { options in
            options.flags = ["shutdown.drain_timeout=\(hurried ? "1h" : "200ms")"]
        } _: { rig async throws in
            rig.simulator.inject(.hang, where: RequestFilter(method: "DELETE"))
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            let id = rig.simulator.legacyID(project: rig.iTwin, entity: report) ?? ""
            let client = try rig.connect()
            try await client.send(
                rig.request("DELETE", "/clashdetection/runs/\(id)", [("x-correlation-id", "cut-2")]))
            #expect(await rig.simulator.waitForRequests(1, where: RequestFilter(method: "DELETE")))
            let drained = Task { await rig.drain() }
            if hurried {
                try await eventually("draining") { rig.sidecar.notReadyReasons.contains("shutting down") }
                #expect(rig.sidecar.endNow())
            }
            #expect(await drained.value == false)
            try await client.response().expectError(504, "OutcomeUnknown", reason: "outcome-unknown")
            #expect(try rig.story(of: "cut-2") == ["intent", "outcome unknown"])
            _ = try await rig.accessLog.line(with: "cut-2", " 504 ")
            client.close()
        }
    }

    @Test(
        "what a cut drain breaks off is logged as ours, wherever it waits for its tool", arguments: ["body", "reading"])
    func cutIsOurs(what: String) async throws {
        let server = ScriptedOrigin { connection in
            _ = try connection.readRequest()
            try connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100000000\r\n\r\n")
            while true { try connection.send([UInt8](repeating: 0x7A, count: 1 << 20)) }
        }
        try await withRig(origin: server, flags: ["shutdown.drain_timeout=200ms"]) { rig in
            let client = try rig.connect()
            if what == "body" {
                try await client.send(
                    "POST /clashdetection/tests HTTP/1.1\r\nHost: localhost\r\nx-correlation-id: cut-1\r\n"
                        + "Content-Length: 9\r\nExpect: 100-continue\r\n\r\n")
                #expect(try await client.interimResponse() == "HTTP/1.1 100 Continue")
            } else {
                try await client.send(rig.request("GET", "/clashdetection/results/x", [("x-correlation-id", "cut-1")]))
                #expect(try await client.responseHead().status == 200)
            }
            #expect(await rig.drain() == false)
            if what == "body" {
                try await client.response().expectError(
                    503, "ShuttingDown", reason: "shutting-down", retryAfter: 1...60)
            }
            client.close()
            let outcome = what == "body" ? " refused:shutting-down " : " cut:shutting-down "
            #expect(try await rig.accessLog.line(with: "cut-1").contains(outcome))
        }
    }

    @Test(
        "told to end twice, a drain ends at once, and says whether anything was broken off", arguments: [true, false])
    func twice(isBusy: Bool) async throws {
        try await withRig { options in
            options.flags = ["shutdown.drain_timeout=300s"]
        } _: { rig async throws in
            rig.simulator.inject(.hang, where: RequestFilter(target: "/reports"))
            let client = try rig.connect()
            if isBusy {
                try await client.send(rig.request("GET", rig.list, [("x-correlation-id", "twice-1")]))
                #expect(await rig.simulator.waitForRequests(1, where: RequestFilter(target: "/reports")))
            }
            let drained = Task { await rig.drain() }
            try await eventually("draining") { rig.sidecar.notReadyReasons.contains("shutting down") }
            #expect(rig.sidecar.endNow() == isBusy)
            #expect(await drained.value != isBusy)
            if isBusy {
                try await client.response().expectError(
                    503, "ShuttingDown", reason: "shutting-down", retryAfter: 1...60)
                _ = try await rig.accessLog.line(with: "twice-1", "refused:shutting-down")
            }
            client.close()
        }
    }

    @Test("a second SIGTERM while draining ends the process: 75 when something ran", .enabled(if: Program.isBuilt))
    func secondSignal() async throws {
        let server = ScriptedOrigin { connection in connection.readUntilClosed() }
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let settings = [
            "audit.path=\(folder.path)/audit", "listen.address=127.0.0.1:0", "admin.address=",
            "upstream.url=\(server.url)",
            "token.mode=passthrough", "shutdown.drain_timeout=300s",
        ]
        let program = try Program(["serve"] + settings.flatMap { ["--set", $0] })
        let client = try RawClient(port: try await program.port())
        try await client.send("GET /clashdetection/tests HTTP/1.1\r\nHost: localhost\r\n\r\n")
        try await eventually("it is upstream") { server.receivedText.contains("/clashdetection/tests") }
        program.signal()
        try await program.said("draining")
        #expect(try await program.end() == 75)
        client.close()
        server.stop()
    }

    @Test("a drain waits for a delete whose tool has left")
    func drainWithoutTool() async throws {
        try await withRig { rig in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            let id = rig.simulator.legacyID(project: rig.iTwin, entity: report) ?? ""
            rig.simulator.inject(.executeThenHang, where: RequestFilter(method: "DELETE"))
            let client = try rig.connect()
            try await client.send(rig.request("DELETE", "/clashdetection/runs/\(id)", [("x-correlation-id", "gone-1")]))
            #expect(await rig.simulator.waitForRequests(1, where: RequestFilter(method: "DELETE")))
            client.close()
            let drained = Task { await rig.drain() }
            try await eventually("draining") { rig.sidecar.notReadyReasons.contains("shutting down") }
            rig.simulator.releaseHeld()
            #expect(await drained.value)
            _ = try await rig.accessLog.line(with: "gone-1", " 499 ")
        }
    }

    @Test("health is about being alive, readiness about a usable token; neither asks upstream")
    func health() async throws {
        try await withRig { options in
            options.faults = [PlannedFault(.hang, where: .token, times: 1)]
        } _: { rig in
            #expect(try await admin(rig, "/healthz").status == 200)
            let early = try await admin(rig, "/readyz?x=y")
            #expect(early.status == 503 && early.text.contains("no upstream token"))
            #expect(early["Content-Type"] == "application/json" && early["Cache-Control"] == "no-store")
            rig.simulator.inject(.reset, where: RequestFilter(target: "/clash"), times: nil)
            rig.simulator.releaseHeld()
            try await eventually("ready") { rig.sidecar.notReadyReasons.isEmpty }
            #expect(try await admin(rig, "/readyz").status == 200, "an upstream in trouble takes nobody out")
            #expect(rig.simulator.counters.apiCalls == 0)
            #expect(try await admin(rig, "/other").status == 404)
            #expect(try await admin(rig, "/healthz", "POST").status == 405)
            let head = try await admin(rig, "/healthz", "HEAD")
            let alive = try await admin(rig, "/healthz")
            #expect(head.status == 200 && head["Content-Length"] == "\(alive.body.count)")
            #expect(try await rig.get("/healthz").status == 404, "not on the tools' side")
        }
    }

    @Test("clash-proxy's own health check agrees")
    func healthCheck() async throws {
        try await withRig { rig async throws in
            try await eventually("ready") { rig.sidecar.notReadyReasons.isEmpty }
            let answer = await HealthCheck.ask(.tcp(host: "127.0.0.1", port: rig.adminPort))
            #expect(answer.isReady && answer.text.contains("ready"))
            let nobody = await HealthCheck.ask(.tcp(host: "127.0.0.1", port: 1))
            #expect(!nobody.isReady)
        }
    }

    private func admin(_ rig: Rig, _ path: String, _ method: String = "GET") async throws -> RawResponse {
        let client = try RawClient(port: rig.adminPort)
        defer { client.close() }
        return try await client.exchange("\(method) \(path) HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
    }
}
