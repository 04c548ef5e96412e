// Alerts: each kind made to happen, and who hears of it.

import Configuration
import FoundationEssentials
import Glibc
import Proxy
import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct AlertTests {
    private func withReceiver(
        _ receiver: AlertReceiver = AlertReceiver(), change: (inout RigOptions) throws -> Void = { _ in },
        _ body: (Rig, AlertReceiver) async throws -> Void
    ) async throws {
        defer { receiver.stop() }
        try await withRig { options in
            options.flags = [receiver.flag]
            try change(&options)
        } _: { rig async throws in
            try await body(rig, receiver)
            let logs = rig.applicationLog.text + rig.accessLog.text
            #expect(!logs.contains("s3cret"))
            if rig.sidecar.notReadyReasons.contains("shutting down") { return }
            #expect(try await rig.operate("GET", "/status.json").text.contains("s3cret") == false)
        }
    }

    @Test("upstream_down: Bentley cannot be reached, and is back")
    func upstreamDown() async throws {
        let server = origin(always: ok)
        try await withReceiver(change: { $0.origin = server }) { rig, receiver async throws in
            #expect(try await rig.get("/clashdetection/tests").status == 200)
            server.stop()
            try await eventually("closed") { server.isClosed }
            for _ in 0..<2 { #expect(try await rig.call("POST", "/clashdetection/tests", body: "{}").status == 502) }
            let down = try await receiver.alert("upstream_down")
            #expect(down.severity == "critical" && down.details["reason"] == "unreachable" && down.time.hasSuffix("Z"))
            let again = ScriptedOrigin(port: server.port) { connection in
                while true {
                    _ = try connection.readRequest()
                    try connection.send(ok)
                }
            }
            defer { again.stop() }
            rig.clock.advance(by: .seconds(30))
            let back = try await receiver.alert("upstream_down", "over")
            #expect(back.severity == "info" && back.details["down_seconds"] != nil)
            #expect(try receiver.count("upstream_down") == 2)
            // Counted once the webhook's answer is here.
            let series = "clash_proxy_alerts_total{kind=\"upstream_down\",result=\"delivered\"} 2\n"
            while try await !rig.admin("/metrics").text.contains(series) { await Task.yield() }
            let first = try #require(receiver.origin.received.all.first)
            #expect(first.requestLine == "POST /hook/s3cret-path?key=s3cret HTTP/1.1")
            #expect(first.values("Content-Type") == ["application/json"])
        }
    }

    @Test("pause: Bentley has asked for one, and it is over")
    func pause() async throws {
        let server = origin { number, _ in number == 1 ? tooMany("60", naming: "Operation") : ok }
        try await withReceiver(change: { $0.origin = server }) { rig, receiver async throws in
            let headers = [("Prefer", "wait=0"), ("x-correlation-id", "p-1")]
            #expect(try await rig.get("/clashdetection/tests", headers).status == 429)
            let begun = try await receiver.alert("pause")
            #expect(begun.details["scope"] == "operation:v1.tests.list" && begun.details["cause"] == "operation")
            #expect(begun.details["id"] == "p-1" && (Int(begun.details["seconds"] ?? "") ?? 0) >= 60)
            rig.clock.advance(by: .seconds(70))
            #expect(try await receiver.alert("pause", "over").details["scope"] == "operation:v1.tests.list")
        }
        server.stop()
    }

    @Test("token: the token endpoint is down, and back")
    func token() async throws {
        try await withReceiver { rig, receiver async throws in
            #expect(try await rig.get(rig.list).status == 200)
            rig.simulator.inject(.reset, where: .token, times: nil)
            rig.clock.advance(by: .seconds(3_400))
            let down = try await receiver.alert("token")
            #expect(down.details["reason"] == "endpoint_unreachable")
            rig.simulator.clearFaults()
            rig.clock.advance(by: .seconds(31))
            _ = try await receiver.alert("token", "over")
        }
    }

    @Test("sign_in: nobody has signed in, and somebody does")
    func signIn() async throws {
        try await withReceiver(change: { $0.signIn = .missing }) { rig, receiver async throws in
            _ = try await rig.get(rig.list, [("Prefer", "wait=0")])
            #expect(try await receiver.alert("sign_in").severity == "critical")
            try rig.signIn.write(
                refreshToken: rig.simulator.issueRefreshToken(), tokenURL: rig.upstream.tokenURL)
            rig.clock.advance(by: .seconds(120))
            _ = try await rig.get(rig.list)
            _ = try await receiver.alert("sign_in", "over")
            #expect(try receiver.count("token") == 0)
        }
    }

    @Test("audit: the log cannot be written, and can again")
    func audit() async throws {
        try await withReceiver { rig, receiver async throws in
            let reports = rig.simulator.reportIDs(iTwin: rig.iTwin)
            #expect(try await rig.deleteRun(reports[0], id: "a").status == 204)
            let broken = try BrokenLog.removedFolder(rig.auditFolder)
            #expect(try await rig.deleteRun(reports[1], id: "b").status == 503)
            #expect(try await receiver.alert("audit").details["error"] != nil)
            try broken.mend()
            try await rig.untilDeletesWork()
            _ = try await receiver.alert("audit", "over")
        }
    }

    @Test("budget: once for each window and threshold, and when they are over")
    func budget() async throws {
        try await withReceiver(change: {
            $0.flags += ["rate.windows=10/1h", "rate.run_windows=", "rate.observe=true", "alerts.budget_at=50,100"]
        }) { rig, receiver async throws in
            for _ in 0..<4 { #expect(try await rig.get(rig.list).status == 200) }
            try await Task.sleep(for: .milliseconds(600))
            #expect(try receiver.count("budget") == 0)
            #expect(try await rig.get(rig.list).status == 200)
            let half = try await receiver.alert("budget")
            #expect(half.details == ["window": "10/1h", "percent": "50", "used": "5", "limit": "10"])
            #expect(half.severity == "warning")
            for _ in 0..<5 { #expect(try await rig.get(rig.list).status == 200) }
            try await eventually("the other") { try receiver.count("budget") == 2 }
            #expect(try receiver.all[1].details["percent"] == "100" && receiver.all[1].severity == "critical")
            rig.clock.advance(by: .seconds(3_700))
            try await eventually("both are over") { try receiver.count("budget") == 4 }
            #expect(try receiver.all[2...].allSatisfy { $0.state == "over" })
        }
    }

    @Test("unknown_outcome: of a recorded call with its objects, of another with its path; once each")
    func unknownOutcome() async throws {
        let server = ChangingOrigin { _, _ in .reset }
        defer { server.server.stop() }
        try await withReceiver(change: { $0.origin = server.server }) { rig, receiver async throws in
            let start = try await rig.call(
                "POST", "\(rig.v2)/runs/jobs", [("x-correlation-id", "u-1")], body: #"{"jobs":[{"testId":"t"}]}"#)
            #expect(start.status == 504)
            let other = try await rig.call(
                "POST", "/clashdetection/tests", [("x-correlation-id", "u-2")], body: "{}")
            #expect(other.status == 504)
            try await eventually("two") { try receiver.count("unknown_outcome") == 2 }
            let alerts = try receiver.all
            #expect(alerts.map { $0.details["id"] } == ["u-1", "u-2"])
            #expect(
                alerts[0].details["operation"] == "v2.runs.start"
                    && alerts[1].details["path"] == "/clashdetection/tests")
            #expect(alerts.allSatisfy { $0.state == "begun" && $0.details["caller"] == "anonymous" })
        }
    }

    @Test("protected: a delete of what is protected was refused, once in ten minutes")
    func protected() async throws {
        let id = "11111111-2222-4333-8444-555555555555"
        try await withReceiver(change: { $0.flags += ["deletes.protect=\(id)"] }) { rig, receiver async throws in
            for index in 0..<3 { #expect(try await rig.deleteReport(id, id: "x-\(index)").status == 403) }
            let alert = try await receiver.alert("protected")
            #expect(alert.details["id"] == "x-0" && alert.details["operation"] == "v2.reports.delete")
            #expect(
                try await rig.admin("/metrics").text.contains("alerts_total{kind=\"protected\",result=\"held\"} 2\n"))
            rig.clock.advance(by: .seconds(601))
            #expect(try await rig.deleteReport(id, id: "x-9").status == 403)
            try await eventually("again") { try receiver.count("protected") == 2 }
        }
    }

    @Test("protected: each protected object is told, and named, whoever asks how often for another")
    func eachProtected() async throws {
        let ids = ["11111111-2222-4333-8444-555555555555", "11111111-2222-4333-8444-666666666666"]
        let flag = "deletes.protect=\(ids.joined(separator: ","))"
        try await withReceiver(change: { $0.flags += [flag] }) { rig, receiver async throws in
            for id in ids + ids { #expect(try await rig.deleteReport(id, id: "x-\(id)").status == 403) }
            try await eventually("both") { try receiver.count("protected") == 2 }
            #expect(try receiver.all.filter { $0.kind == "protected" }.map { $0.details["object"] } == ids)
        }
    }

    @Test("certificate: it ends within 14 days, and another one is in force")
    func certificate() async throws {
        let receiver = AlertReceiver()
        defer { receiver.stop() }
        try await withTLS { options, files in
            try files.write(files.server(days: (-1, 10)), "server")
            options.flags += [receiver.flag]
        } _: { rig, files in
            let alert = try await receiver.alert("certificate")
            #expect(
                alert.severity == "warning" && ["9", "10"].contains(alert.details["days"])
                    && alert.details["ends"]?.hasSuffix("Z") == true)
            try files.write(files.server(days: (-1, 300)), "server")
            try await eventually("it is taken") {
                rig.clock.advance(by: .seconds(50))
                return rig.applicationLog.text.contains("TLS certificate taken")
            }
            try await eventually("it is told") { try receiver.count("certificate") == 2 }
            #expect(try receiver.all.map(\.state) == ["begun", "over"])
        }
    }

    // MARK: Ways

    /// A program that does this.
    private func program(_ folder: TemporaryFolder, _ lines: String) throws -> String {
        let path = folder.path + "/notify"
        try Data("#!/bin/sh\ncd \(folder.path)\n\(lines)\n".utf8).write(to: URL(filePath: path))
        #expect(chmod(path, 0o700) == 0)
        return path
    }

    private func text(_ path: String) -> String {
        (try? Data(contentsOf: URL(filePath: path))).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    @Test("a program gets the same JSON on its standard input, without a shell, in an environment without secrets")
    func command() async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        setenv("CLASH_TEST_SECRET", "s3cret", 1)
        defer { unsetenv("CLASH_TEST_SECRET") }
        let path = try program(folder, "cat >alert.$$ && env >env && mv alert.$$ alert")
        try await withReceiver(change: {
            $0.flags += ["alerts.command=\(path)", "deletes.protect=11111111-2222-4333-8444-555555555555"]
        }) { rig, receiver async throws in
            #expect(try await rig.deleteReport("11111111-2222-4333-8444-555555555555", id: "c").status == 403)
            _ = try await receiver.alert("protected")
            try await eventually("the program has it") { !text(folder.path + "/alert").isEmpty }
            #expect(Array(text(folder.path + "/alert").utf8) == receiver.origin.received.all[0].body)
            let variables = text(folder.path + "/env").split(separator: "\n").map { $0.prefix { $0 != "=" } }
            #expect(variables.contains("PATH") && !variables.contains { $0.hasPrefix("CLASH") })
            #expect(!text(folder.path + "/env").contains("s3cret"))
        }
    }

    @Test("a program that runs too long is killed with its children, fails, and the next one runs")
    func slowCommand() async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let path = try program(folder, "echo x >>runs; [ -e quick ] && exit 0; sleep 1000 & echo $! >child; wait")
        let ids = ["11111111-2222-4333-8444-555555555555", "11111111-2222-4333-8444-666666666666"]
        try await withRig { options in
            options.flags = ["alerts.command=\(path)", "deletes.protect=\(ids.joined(separator: ","))"]
        } _: { rig async throws in
            #expect(try await rig.deleteReport(ids[0], id: "c").status == 403)
            try await eventually("it runs") { text(folder.path + "/child").hasSuffix("\n") }
            #expect(try await rig.call("DELETE", "\(rig.v2)/reports/\(ids[1])").status == 403)
            #expect(text(folder.path + "/runs") == "x\n", "one at a time")
            try Data().write(to: URL(filePath: folder.path + "/quick"))
            rig.clock.advance(by: .seconds(10))
            let line = try await rig.applicationLog.line(with: "an alert was not delivered", "alerts.command")
            #expect(line.contains("10 s"), "\(line)")
            try await eventually("the next one runs") { text(folder.path + "/runs") == "x\nx\n" }
            let child = try #require(pid_t(text(folder.path + "/child").dropLast()))
            try await eventually("its child is gone") {
                kill(child, 0) != 0 || text("/proc/\(child)/stat").contains(") Z")
            }
        }
    }

    @Test("a webhook that hangs or fails is in no request's way, is tried three times, and its failure is told once")
    func deadWebhook() async throws {
        let receiver = AlertReceiver { number, _ in number == 1 ? .silence : .bytes(json("", status: "500 No")) }
        let id = "11111111-2222-4333-8444-555555555555"
        try await withReceiver(receiver, change: { $0.flags += ["deletes.protect=\(id)"] }) {
            rig, receiver async throws in
            #expect(try await rig.deleteReport(id, id: "w").status == 403)
            try await eventually("it hangs") { receiver.origin.received.count == 1 }
            #expect(try await rig.get(rig.list).status == 200)
            for step in 2...3 {
                try await eventually("try \(step)") {
                    rig.clock.advance(by: .seconds(11))
                    usleep(20_000)
                    return receiver.origin.received.count >= step
                }
            }
            let line = try await rig.applicationLog.line(with: "an alert was not delivered", "alerts.webhook")
            // What the last try met depends on how far the clock was moved by then.
            #expect(line.contains("protected"), "\(line)")
            #expect(receiver.origin.received.count == 3)
        }
    }

    @Test("at the end alerts and spans that cannot be delivered have their time, and no more")
    func end() async throws {
        let (receiver, collector) = (AlertReceiver { _, _ in .silence }, Collector { _, _ in .silence })
        defer { collector.stop() }
        let id = "11111111-2222-4333-8444-555555555555"
        try await withReceiver(receiver, change: { $0.flags += [collector.flag, "deletes.protect=\(id)"] }) {
            rig, receiver async throws in
            #expect(try await rig.deleteReport(id, id: "e").status == 403)
            try await eventually("it hangs") { receiver.origin.received.count == 1 }
            let text = try await rig.operate("GET", "/status.json").text
            #expect(!text.contains("s3cret"))
            let isOver = Latch()
            let drained = Task {
                defer { isOver.open() }
                return await rig.drain()
            }
            try await eventually("both are tried") { collector.origin.received.count == 1 }
            try await eventually("it ends") {
                rig.clock.advance(by: .seconds(2))
                return isOver.isOpen
            }
            #expect(await drained.value)
        }
    }

    @Test("who is told changes by a reload, and nobody is told by default")
    func reload() async throws {
        let receiver = AlertReceiver()
        defer { receiver.stop() }
        let id = "11111111-2222-4333-8444-555555555555"
        try await withRig { options in
            options.flags = ["deletes.protect=\(id)"]
        } _: { rig async throws in
            #expect(try await rig.deleteReport(id, id: "r-1").status == 403)
            #expect(await rig.reload([receiver.flag]) == .taken(changed: ["alerts.webhook"], needsRestart: []))
            #expect(try await rig.deleteReport(id, id: "r-2").status == 403)
            #expect(try await receiver.alert("protected").details["id"] == "r-2")
        }
    }
}
