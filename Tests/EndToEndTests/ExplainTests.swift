// What /explain says about calls that had to wait, were sent again, or were refused.

import Ground
import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct ExplainTests {
    private func explained(_ rig: Rig, _ id: String) async throws -> JSON {
        let answer = try await rig.admin("/explain?id=\(id)")
        #expect(answer.status == 200, "\(answer.text)")
        return try #require(JSON(Array(answer.text.utf8)), "\(answer.text)")
    }

    private func steps(_ document: JSON) -> [JSON] { document["gate"]?["steps"]?.array ?? [] }

    @Test("a call that waited: for which window, its place, who was ahead of it, how long")
    func waited() async throws {
        let callers = try RateCallers([("dash", ""), ("script", "")])
        try await withLimits(["rate.windows=100/1m"], file: callers.tables) { rig, _ in
            try await rig.spendBurst([callers.key("dash")])
            let before = try await rig.begin("GET", Path.tests + "?a=1", [callers.key("dash")])
            try await rig.waitForQueue(1)
            let call = try await rig.begin(
                "GET", Path.tests + "?a=2", [callers.key("script"), ("x-correlation-id", "slow-1")])
            try await rig.waitForQueue(2)
            try await rig.pass(.seconds(5))
            #expect(try await before.answer().status == 200)
            #expect(try await call.answer().status == 200)
            let document = try await explained(rig, "slow-1")
            let step = try #require(steps(document).first)
            #expect(step["step"]?.string == "waited" && step["for"]?.string == "pace")
            #expect(step["window"]?.string == "100/1m" && step["place"]?.number == 2)
            #expect(step["ahead"] == .array([.object(["caller": .string("dash"), "calls": .number(1)])]))
            #expect(step["ms"]?.number == document["gate"]?["ms"]?.number && (step["ms"]?.number ?? 0) > 0)
            #expect(document["summary"]?.string?.contains("number 2 in the queue behind dash (1)") == true)
        }
    }

    @Test("a refusal of ours: what refused it, when it would have fitted, and the id that its body names")
    func refused() async throws {
        try await withLimits(["rate.windows=100/1m"]) { rig, _ in
            try await rig.spendBurst()
            let answer = try await rig.get(Path.tests, [("Prefer", "wait=0"), ("x-correlation-id", "full-1")])
            #expect(answer.status == 429 && answer.text.contains("[x-correlation-id: full-1]"), "\(answer.text)")
            let step = try #require(steps(try await explained(rig, "full-1")).last)
            #expect(step["step"]?.string == "refused" && step["reason"]?.string == "deadline")
            #expect(step["for"]?.string == "pace" && step["window"]?.string == "100/1m")
            #expect((step["opens_in_seconds"]?.number ?? 0) > 0)
            #expect((step["would_fit_in_seconds"]?.number ?? 0) >= 1 && step["place"]?.number == 1)
        }
    }

    @Test("a pause by Bentley: the call that met it, and one that could not wait for its end")
    func paused() async throws {
        try await withLimits(["rate.windows=1000/1m"]) { rig, origin in
            origin.refuseOnce(tooMany("5", naming: "Operation"))
            let met = try await rig.begin("GET", Path.tests, [("x-correlation-id", "met-1")])
            try await rig.waitForQueue(1)
            let late = try await rig.get(Path.tests, [("Prefer", "wait=2"), ("x-correlation-id", "late-1")])
            #expect(late.status == 429)
            try await rig.pass(.seconds(10), step: .milliseconds(500))
            #expect(try await met.answer().status == 200)
            let document = try await explained(rig, "met-1")
            #expect(steps(document).map { $0["step"]?.string } == ["paused-by-upstream", "waited"])
            #expect(steps(document).first?["scope"]?.string == "operation:v2.tests.list")
            #expect(steps(document).last?["for"]?.string == "pause" && document["upstream"]?["attempts"]?.number == 2)
            let step = try #require(steps(try await explained(rig, "late-1")).last)
            #expect(step["reason"]?.string == "cool-down" && step["for"]?.string == "pause")
            #expect(step["cause"]?.string == "operation" && (4...7).contains(step["opens_in_seconds"]?.number ?? 0))
        }
    }

    @Test("tries after an error, and a token that was replaced")
    func tries() async throws {
        try await withRig({
            $0.faults = [PlannedFault(.answer(status: 503), where: RequestFilter(target: "/reports"), times: 1)]
        }) { rig in
            let answer = try await rig.get(rig.list, [("x-correlation-id", "again-1")])
            #expect(answer.status == 200)
            let document = try await explained(rig, "again-1")
            #expect(steps(document).map { $0["step"]?.string } == ["repeated"])
            #expect(steps(document).first?["because"]?.string == "503")
            #expect(document["token"]?["replaced"] == .bool(false))
            rig.simulator.revokeTokens()
            rig.clock.advance(by: .seconds(10))
            #expect(try await rig.get(rig.list, [("x-correlation-id", "token-1")]).status == 200)
            #expect(try await explained(rig, "token-1")["token"]?["replaced"] == .bool(true))
        }
    }

    @Test("a delete names its intent, and the time of a refused one is the audit log's")
    func audited() async throws {
        var callers = ScopedCallers()
        try callers.add("clean", allow: "read, delete")
        let file = callers.tables
        try await withRig { options in
            options.file = file
            options.flags = ["audit.require_reason=true"]
        } _: { rig async throws in
            let key = callers.key("clean")
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            let target = "\(rig.v2)/reports/jobs/deletion"
            let refused = try await rig.call("POST", target, [key, ("x-correlation-id", "no-1")], body: job(report))
            #expect(refused.status == 428 && refused.text.contains("x-correlation-id: no-1"))
            let denied = try await explained(rig, "no-1")
            #expect((denied["audit"]?["ms"]?.number ?? 0) > 0, "\(denied)")
            let sent = try await rig.call(
                "POST", target, [key, ("X-Audit-Reason", "old"), ("x-correlation-id", "yes-1")], body: job(report))
            #expect(sent.status == 202)
            let recorded = try await explained(rig, "yes-1")
            #expect((recorded["audit"]?["intent"]?.number ?? 0) >= 2)
        }
    }

    @Test("what the listener says moves no cursor and makes no lines of its own", .enabled(if: Program.isBuilt))
    func printed() async throws {
        let body = #"{"version":"1","summary":"a\nforged\u001b[31m","troubles":["x\ny"],"request":{"path":"/p\r\nq"}}"#
        let origin = ScriptedOrigin { connection in
            _ = try connection.readRequest()
            try connection.send(json(body))
        }
        defer { origin.stop() }
        let port = origin.url.split(separator: ":").last ?? ""
        for command in [["explain", "x"], ["status"], ["explain", "x", "--json"], ["status", "--json"]] {
            let ran = try await AuditProgram.run(command + ["--set", "admin.address=127.0.0.1:\(port)"])
            #expect(ran.status == 0, "\(ran.errors)")
            #expect(!ran.output.contains("\u{1B}") && !ran.output.contains("\r"))
            let lines = ran.output.split(separator: "\n")
            #expect(!lines.contains { $0.hasPrefix("forged") || $0 == "y" || $0.hasPrefix("q\"") }, "\(ran.output)")
        }
    }

    @Test("a request can be explained as soon as its answer is there, and no stranger shadows it")
    func atOnce() async throws {
        var callers = ScopedCallers()
        try callers.add("dash", allow: "read")
        let file = callers.tables
        try await withRig({ $0.file = file }) { rig async throws in
            for number in 0..<50 {
                let id = ("x-correlation-id", "now-\(number)")
                #expect(try await rig.get(rig.list, [callers.key("dash"), id]).status == 200)
                #expect(try await rig.get(rig.list, [id]).status == 401)
                #expect(try await explained(rig, "now-\(number)")["answer"]?["status"]?.number == 200)
                let strange = ("x-correlation-id", "strange-\(number)")
                #expect(try await rig.get(rig.list, [strange]).status == 401)
                #expect(try await explained(rig, "strange-\(number)")["answer"]?["status"]?.number == 401)
            }
        }
    }

    @Test("a refusal names what its tool was told, and the record of a refused delete")
    func told() async throws {
        var callers = ScopedCallers()
        try callers.add("reader", allow: "read")
        try callers.add("clean", allow: "read, delete")
        let file = callers.tables
        let id = Simulator(SimulatorConfiguration()).reportIDs(iTwin: SeededWorld.mine)[0]
        try await withRig { options in
            options.file = file
            options.flags = ["deletes.protect=[\"\(id)\"]"]
        } _: { rig async throws in
            for (caller, code) in [("reader", "InsufficientPermissions"), ("clean", "Protected")] {
                let answer = try await rig.deleteReport(id, id: "no-\(caller)", [callers.key(caller)])
                #expect(answer.status == 403)
                let document = try await explained(rig, "no-\(caller)")
                let message = try #require(document["answer"]?["message"]?.string, "\(document)")
                #expect(answer.text.contains(code) && answer.text.contains(message), "\(message)")
                #expect(document["summary"]?.string?.contains(message) == true)
                let seq = try #require(document["audit"]?["denied"]?.number)
                let line = try #require(
                    try AuditLogFile.lines(rig.auditFolder).first { $0.text.hasPrefix("{\"seq\":\(Int(seq)),") })
                #expect(line.text.contains("\"event\":\"denied\"") && line.text.contains("no-\(caller)"))
            }
        }
    }

    @Test(
        "a 504 of only-if-cached says that the cache had nothing, and why; a page of a walk, too",
        arguments: [("cache.walks=false", Path.reports), ("cache.walks=true", Path.reports + "?$top=100")])
    func onlyIfCached(walks: String, target: String) async throws {
        try await withCache([walks]) { number, _ in
            .bytes(numbered(number))
        } _: { rig, _ in
            let answer = try await rig.get(
                target, [("Cache-Control", "only-if-cached"), ("x-correlation-id", "oic")])
            #expect(answer.status == 504)
            let document = try await explained(rig, "oic")
            #expect(
                document["cache"]?["result"]?.string == "miss" && document["cache"]?["reason"]?.string == "uri-miss")
            #expect(document["answer"]?["message"]?.string?.contains("only-if-cached") == true)
        }
    }
}
