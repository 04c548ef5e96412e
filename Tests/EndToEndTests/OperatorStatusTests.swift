// What operators are told about a running proxy: how it stands, and why one request went as it did.

import Configuration
import Ground
import Proxy
import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct OperatorStatusTests {
    private func document(_ rig: Rig, _ target: String) async throws -> JSON {
        let answer = try await rig.admin(target)
        #expect(answer.status == 200 && answer.values("Content-Type") == ["application/json"], "\(answer.text)")
        return try #require(JSON(Array(answer.text.utf8)), "\(answer.text)")
    }

    @Test("/status.json says how token, windows, queue, cache, callers, deletes, audit log and configuration stand")
    func status() async throws {
        var callers = ScopedCallers()
        try callers.add("dash", allow: "read")
        try callers.add("clean", allow: "read, delete")
        try await withCache(["rate.windows=100/1m", "rate.run_windows=6/1s"], file: callers.tables) { number, request in
            request.requestLine.hasPrefix("POST")
                ? .bytes("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n") : .bytes(numbered(number))
        } _: { rig, _ in
            let (dash, clean) = (callers.key("dash"), callers.key("clean"))
            for _ in 0..<3 { _ = try await rig.get(Path.reports, [dash]) }
            let why = ("X-Audit-Reason", "old \u{202E}one")
            _ = try await rig.call(
                "POST", Path.deletion, [clean, why, ("x-correlation-id", "d1")], body: job("a", "b"))
            _ = try await rig.call("POST", Path.deletion, [dash, ("x-correlation-id", "d2")], body: job("c"))
            try await eventually("all have ended") { rig.accessLog.lines.count == 5 }
            let answer = try await rig.admin("/status.json")
            #expect(
                !answer.text.contains("demo-secret") && !answer.text.contains(dash.1)
                    && !answer.text.contains("\u{202E}")
            )
            let status = try #require(JSON(Array(answer.text.utf8)))
            for block in [
                "version", "started", "token", "windows", "cooldowns", "queue", "cache", "callers", "deletes", "audit",
                "configuration",
            ] {
                #expect(status[block] != nil, "\(block)")
            }
            #expect(status["ready"] == .bool(true) && status["token"]?["usable"] == .bool(true))
            let window = status["windows"]?.array?.first
            #expect(window?["window"]?.string == "100/1m" && window?["limit"]?.number == 100)
            #expect((2...3).contains(window?["used"]?.number ?? 0))
            #expect(status["cache"]?["saved_by_hit"]?.number == 2)
            let tallies = status["callers"]?.array ?? []
            #expect(tallies.map { $0["name"]?.string } == ["clean", "dash"])
            #expect(
                tallies.map { $0["requests"]?.number } == [1, 4] && tallies.map { $0["refused"]?.number } == [0, 1])
            #expect(tallies.map { $0["upstream"]?.number } == [1, 1], "calls: the hits cost none")
            let deletes = status["deletes"]?.array ?? []
            #expect(
                deletes.first?["id"]?.string == "d2" && deletes.first?["result"]?.string == "denied", "the newest first"
            )
            #expect(deletes.last?["id"]?.string == "d1" && deletes.last?["result"]?.string == "deleted")
            #expect(deletes.last?["caller"]?.string == "clean" && deletes.last?["count"]?.number == 2)
            #expect(status["audit"]?["state"]?.string == "ready" && (status["audit"]?["seq"]?.number ?? 0) >= 4)
        }
    }

    @Test("a configuration that was refused leaves its mistakes until a good one is taken")
    func refusedReload() async throws {
        try await withRig { rig in
            let before = try await document(rig, "/status.json")
            #expect(before["configuration"]?["refused"] == nil)
            guard case .refused = await rig.reload(["rate.windows=none"]) else {
                Issue.record("it was taken")
                return
            }
            let refused = try await document(rig, "/status.json")["configuration"]?["refused"]
            #expect(refused?["mistakes"]?.array?.first?.string?.contains("rate.windows") == true, "\(refused as Any)")
            if Program.isBuilt {
                let place = ["--set", "admin.address=127.0.0.1:\(rig.adminPort)"]
                let status = try await AuditProgram.run(["status"] + place)
                #expect(status.output.contains("refused at ") && status.output.contains("rate.windows"))
            }
            await rig.reload(["rate.windows=1000/1s"])
            let after = try await document(rig, "/status.json")
            #expect(after["configuration"]?["refused"] == nil)
        }
    }

    @Test("a refused delete is among the latest deletes also where nobody knows its operation")
    func unknownDelete() async throws {
        var callers = ScopedCallers()
        try callers.add("dash", allow: "read")
        let file = callers.tables
        try await withRig({ $0.file = file }) { rig async throws in
            let answer = try await rig.call(
                "DELETE", "/clash-detection/somewhere/x", [callers.key("dash"), ("x-correlation-id", "u1")])
            #expect(answer.status == 403)
            let deletes = try await document(rig, "/status.json")["deletes"]?.array ?? []
            #expect(deletes.first?["id"]?.string == "u1" && deletes.first?["result"]?.string == "denied")
        }
    }

    @Test("callers' refusals are all of ours, whatever their status")
    func refusals() async throws {
        var callers = ScopedCallers()
        try callers.add("clean", allow: "read, delete")
        let file = callers.tables
        try await withRig { options in
            options.file = file
            options.flags = ["audit.require_reason=true", "audit.delete_budget=1/1h"]
        } _: { rig async throws in
            let key = callers.key("clean")
            let why = ("X-Audit-Reason", "old")
            for (headers, status) in [([key], 428), ([key], 428), ([key, why], 202), ([key, why], 429)] {
                let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
                #expect(try await rig.deleteReport(report, id: "r", headers).status == status)
            }
            try await eventually("all have ended") { rig.accessLog.lines.count == 4 }
            let tally = try await document(rig, "/status.json")["callers"]?.array?.first
            #expect(tally?["requests"]?.number == 4 && tally?["refused"]?.number == 3, "\(tally as Any)")
        }
    }

    @Test("every path that admin.public takes is there")
    func paths() async throws {
        try await withRig { rig async throws in
            for path in Config.Admin.paths where path != "/quit" {
                #expect(try await rig.admin(path).status != 404, "\(path)")
            }
        }
    }

    @Test("a pause by Bentley is told, with what is left of it")
    func pause() async throws {
        try await withLimits(["rate.windows=100/1m"]) { rig, origin in
            origin.refuseOnce(tooMany("40"))
            #expect(try await rig.get(Path.tests, [("Prefer", "wait=0")]).status == 429)
            let status = try await document(rig, "/status.json")
            let pause = status["cooldowns"]?.array?.first
            #expect(pause?["scope"]?.string == "all" && (30...41).contains(pause?["seconds"]?.number ?? 0))
            #expect(status["queue"]?["upstream_refusals"]?.number == 1)
        }
    }

    @Test("/explain?id= says why one of the last requests went as it did; of others it says 404")
    func explain() async throws {
        try await withCache { number, _ in
            .bytes(numbered(number))
        } _: { rig, _ in
            _ = try await rig.get(Path.reports, [("x-correlation-id", "miss-1")])
            _ = try await rig.get(Path.reports + "?cuid=secret", [("x-correlation-id", "hit-1")])
            _ = try await rig.get("/elsewhere", [("x-correlation-id", "wrong-1")])
            try await eventually("all have ended") { rig.accessLog.lines.count == 3 }
            let miss = try await document(rig, "/explain?id=miss-1")
            #expect(miss["cache"]?["result"]?.string == "stored" && miss["answer"]?["source"]?.string == "upstream")
            #expect(
                miss["upstream"]?["attempts"]?.number == 1 && miss["request"]?["operation"]?.string == "v2.reports.list"
            )
            let hit = try await rig.admin("/explain?id=hit-1")
            #expect(!hit.text.contains("secret"))
            let wrong = try await document(rig, "/explain?id=wrong%2D1")
            #expect(wrong["answer"]?["outcome"]?.string == "refused:operation-not-found")
            let client = try rig.connect()
            defer { client.close() }
            let trace = "TRACE / HTTP/1.1\r\nHost: localhost\r\nx-correlation-id: early-1\r\n\r\n"
            #expect(try await client.exchange(trace).status == 405)
            let early = try await document(rig, "/explain?id=early-1")
            #expect(early["answer"]?["status"]?.number == 405, "also what never reached the front desk")
            #expect(try await rig.admin("/explain?id=never").status == 404)
            #expect(try await rig.admin("/explain").status == 400)
            #expect(try await rig.admin("/explain?id=").status == 400)
        }
    }

    @Test(
        "status and explain print what the listener says, and without colours where nobody looks",
        .enabled(if: Program.isBuilt))
    func commands() async throws {
        try await withRig { rig in
            _ = try await rig.call("GET", rig.list, [("x-correlation-id", "cmd-1")])
            try await eventually("it has ended") { rig.accessLog.lines.count == 1 }
            let place = ["--set", "admin.address=127.0.0.1:\(rig.adminPort)"]
            let status = try await AuditProgram.run(["status"] + place)
            #expect(status.status == 0 && status.output.contains("budget") && status.output.contains("anonymous"))
            #expect(!status.output.contains("\u{1B}"))
            let json = try await AuditProgram.run(["status", "--json"] + place)
            #expect(JSON(Array(json.output.utf8))?["ready"] == .bool(true))
            let explained = try await AuditProgram.run(["explain", "cmd-1"] + place)
            #expect(explained.status == 0 && explained.output.hasPrefix("200 from Bentley, answered, after "))
            let unknown = try await AuditProgram.run(["explain", "never"] + place)
            #expect(unknown.status == 1 && unknown.errors.contains("RequestNotFound") && unknown.output.isEmpty)
            let nobody = try await AuditProgram.run(["status", "--set", "admin.address=127.0.0.1:1"])
            #expect(nobody.status == 1 && nobody.errors.contains("nobody answers"))
        }
    }

    @Test("the status page is one document under a policy that lets it load nothing and run nothing but its own")
    func page() async throws {
        try await withRig { rig in
            let answer = try await rig.admin("/")
            #expect(answer.status == 200 && answer.values("Content-Type") == ["text/html; charset=utf-8"])
            let policy = answer["Content-Security-Policy"] ?? ""
            #expect(policy.hasPrefix("default-src 'none'; ") && policy.contains("connect-src 'self'"))
            #expect(!policy.contains("unsafe"))
            let nonce =
                policy.split(separator: "'").first { $0.hasPrefix("nonce-") }?.dropFirst("nonce-".count) ?? "none"
            #expect(
                answer.text.contains("<script nonce=\"\(nonce)\">")
                    && answer.text.contains("<style nonce=\"\(nonce)\">"))
            #expect(!answer.text.contains("http://") || !answer.text.contains(" src="))
            #expect(!answer.text.contains("innerHTML") && !answer.text.contains("eval("))
            #expect(answer.text.contains("signal: AbortSignal.timeout("), "it waits for no answer for ever")
            let again = try await rig.admin("/")
            #expect(again["Content-Security-Policy"] != policy, "a nonce is used once")
        }
    }

    @Test(
        "a browser draws the page with what the proxy says, and has nothing to complain of",
        .enabled(if: Shell.has("chromium"), "chromium is not installed"))
    func browser() async throws {
        try await withRig({ $0.flags = ["rate.windows=4321/1m", "rate.run_windows=6/1s"] }) { rig in
            let folder = try TemporaryFolder()
            defer { folder.remove() }
            _ = try await rig.call("GET", rig.list)
            let dom = try await Shell.run(
                """
                chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --user-data-dir=\(folder.path)/profile \
                  --enable-logging=stderr --virtual-time-budget=4000 --dump-dom http://127.0.0.1:\(rig.adminPort)/ \
                  2>\(folder.path)/errors
                """)
            #expect(dom.contains("4321/1m: ") && dom.contains("anonymous") && dom.contains("<polyline"), "\(dom)")
            #expect(dom.contains(">ready</span>"), "\(dom)")
            let console = try await Shell.run("grep CONSOLE \(folder.path)/errors")
            #expect(console.isEmpty, "\(console)")
        }
    }
}
