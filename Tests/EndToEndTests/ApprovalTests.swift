// deletes.approval = "second": a delete waits until another caller has approved it, and that is on record.

import FoundationEssentials
import Proxy
import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct ApprovalTests {
    @Test("a delete waits, is shown to an approver as it will be sent, and passes once when it is approved")
    func approved() async throws {
        try await withApprovers { rig, team in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[1]
            let body = #"{"jobs":["\#(report)"],"operation":"delete"}"#
            let first = try await team.delete(report, "tool", id: "ask-1")
            first.expectError(428, "ApprovalRequired", reason: "approval-required")
            let id = try approvalID(first)
            #expect(try approvalID(try await team.delete(report, "tool", id: "ask-2")) == id)
            #expect(rig.deletesUpstream == 0)
            #expect(try rig.story(of: "ask-1") == ["approval_asked"], "in place of denied")
            let asked = try #require(try rig.records(of: "ask-1").first)
            #expect(asked.line.status == 428 && asked.line.caller?.name == "tool" && asked.line.objects == [report])
            #expect(asked.members.suffix(4) == ["approval", "status", "prev", "hash"])
            #expect(asked.text.contains(#""approval":{"id":"\#(id)","binding":""#))

            let list = try JSONDecoder().decode(Listed.self, from: Data(try await team.list("boss").body))
            let shown = try #require(list.approvals.first)
            #expect(list.approvals.count == 1 && shown.id == id && shown.state == "waiting" && !shown.own)
            #expect(shown.body == body && shown.method == "POST" && shown.objects == [report])
            #expect(shown.target == "\(rig.v2)/reports/jobs/deletion" && shown.caller.name == "tool")
            #expect(shown.reason == "tidying up" && shown.operation == "v2.reports.delete")

            let decided = try await team.decide(id, "approve", "boss", reason: "agreed")
            #expect(decided.status == 200 && decided.text.contains(#""state":"approved""#), "\(decided.text)")
            #expect(try await team.list("boss").text == "{\"approvals\":[]}\n")
            #expect(try await team.delete(report, "tool", id: "goes").status == 202)
            #expect(rig.deletesUpstream == 1)
            try await team.delete(report, "tool", id: "again").expectError(
                428, "ApprovalRequired", reason: "approval-required")
            #expect(rig.deletesUpstream == 1)

            #expect(try rig.story(of: "goes") == ["intent", "outcome deleted"])
            let intent = try #require(try rig.records(of: "goes").first)
            #expect(intent.text.contains(#""approval":{"id":"\#(id)","by":{"name":"boss","#), "\(intent.text)")
            let decision = try #require(try rig.records().first { $0.line.event == "approved" })
            #expect(decision.line.caller?.name == "tool" && decision.line.id == "ask-1")
            #expect(decision.text.contains(#""by":{"name":"boss","address":"127.0.0.1"#), "\(decision.text)")
            #expect(decision.text.contains(#""reason":"agreed""#))
            if Program.isBuilt {
                let verified = try await AuditProgram.run(["audit", "verify", "--path", rig.auditFolder])
                #expect(verified.status == 0, "\(verified.output)")
                let rows = try await AuditProgram.run(["audit", "list", "--path", rig.auditFolder])
                #expect(
                    rows.output.contains("approval_asked") && rows.output.contains("by boss: agreed"), "\(rows.output)")
            }
        }
    }

    @Test("only another caller with the right decides, within its own scope; of two the first")
    func deciders() async throws {
        try await withApprovers { rig, team in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[1]
            let id = try approvalID(try await team.delete(report, "lead", id: "ask"))
            for (caller, seen) in [("lead", true), ("tool", false), ("elsewhere", false), ("here", true)] {
                #expect(try await team.list(caller).text.contains(id) == seen, "\(caller)")
                if caller == "here" { continue }
                try await team.decide(id, "approve", caller).expectError(
                    403, "InsufficientPermissions", reason: "permission-denied", caller)
            }
            try await team.decide("0123", "approve", "boss").expectError(
                404, "ApprovalNotFound", reason: "approval-not-found")
            try await team.decide(id, "perhaps", "boss").expectError(
                400, "InvalidRequest", reason: "invalid-request", target: "decision")
            #expect(try await team.decide(id.uppercased(), "approve", "here").status == 200)
            try await team.decide(id, "deny", "boss").expectError(
                404, "ApprovalNotFound", reason: "approval-not-found")
            #expect(try await team.delete(report, "lead", id: "goes").status == 202)
            #expect(try rig.records().filter { $0.line.event == "approved" }.count == 1)
            #expect(try rig.records().filter { $0.line.event == "approval_denied" }.isEmpty)
        }
    }

    @Test("an approval is for the very same call: another caller, body, target or meaning of the body needs its own")
    func bound() async throws {
        try await withApprovers { rig, team in
            let reports = rig.simulator.reportIDs(iTwin: rig.iTwin)
            let id = try approvalID(try await team.delete(reports[1], "tool", id: "ask"))
            #expect(try await team.decide(id, "approve", "boss").status == 200)
            let body = #"{"jobs":["\#(reports[1])"],"operation":"delete"}"#
            let target = "\(rig.v2)/reports/jobs/deletion"
            let others: [(String, String, [(String, String)], String)] = [
                ("lead", target, [], body), ("tool", target, [], body + " "),
                ("tool", target, [], body.replacing(reports[1], with: reports[2])), ("tool", target + "?x=1", [], body),
                ("tool", target, [("Content-Type", "application/json; charset=utf-8")], body),
                ("tool", target, [("repository-id", "x")], body), ("tool", target, [("In-Place", "True")], body),
                ("tool", target, [("X-Whatever", "secret")], body),
            ]
            var ids: Set = [id]
            let why = ("X-Audit-Reason", "tidying up")
            for (caller, target, fields, body) in others {
                let answer = try await rig.call("POST", target, [team.key(caller), why] + fields, body: body)
                answer.expectError(428, "ApprovalRequired", reason: "approval-required", "\(caller) \(target) \(body)")
                ids.insert(try approvalID(answer))
            }
            ids.insert(try approvalID(try await team.delete(reports[1], "tool", id: "why", reason: "another reason")))
            #expect(ids.count == 10 && rig.deletesUpstream == 0)
            let shown = try await team.list("boss").text
            #expect(shown.contains("in-place: True") && shown.contains("x-whatever: sha256 "), "\(shown)")
            #expect(!shown.contains("secret"))
            // By which id and with which program it comes is not what is approved.
            let same = try await rig.call(
                "POST", target,
                [
                    team.key("tool"), why, ("x-correlation-id", "goes"), ("User-Agent", "other"),
                    ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
                ], body: body)
            #expect(same.status == 202)
        }
    }

    @Test("denied, it is refused for ten minutes, with the words of who denied it; then it can be asked for again")
    func denied() async throws {
        try await withApprovers { rig, team in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[1]
            let id = try approvalID(try await team.delete(report, "tool", id: "ask"))
            #expect(try await team.decide(id, "deny", "boss", reason: "still needed").status == 200)
            let answer = try await team.delete(report, "tool", id: "no")
            answer.expectError(403, "ApprovalDenied", reason: "approval-denied")
            #expect(answer.text.contains("'boss'") && answer.text.contains("still needed"))
            #expect(try rig.story(of: "no") == ["denied"])
            rig.clock.advance(by: .seconds(601))
            let again = try await team.delete(report, "tool", id: "again")
            again.expectError(428, "ApprovalRequired", reason: "approval-required")
            #expect(try approvalID(again) != id && rig.deletesUpstream == 0)
        }
    }

    @Test("an hour to decide, ten minutes to come back")
    func expired() async throws {
        try await withApprovers { rig, team in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[1]
            let late = try approvalID(try await team.delete(report, "tool", id: "ask"))
            rig.clock.advance(by: .seconds(3601))
            try await team.decide(late, "approve", "boss").expectError(
                404, "ApprovalNotFound", reason: "approval-not-found")
            let id = try approvalID(try await team.delete(report, "tool", id: "ask-2"))
            #expect(id != late)
            #expect(try await team.decide(id, "approve", "boss").status == 200)
            rig.clock.advance(by: .seconds(601))
            let answer = try await team.delete(report, "tool", id: "late")
            answer.expectError(428, "ApprovalRequired", reason: "approval-required")
            #expect(try approvalID(answer) != id && rig.deletesUpstream == 0)
        }
    }

    @Test("a call that fails before it is sent uses no approval up")
    func notSent() async throws {
        let server = origin(Received()) { _, _ in ok }
        let port = server.port
        try await withApprovers(origin: server) { rig, team in
            let rule = "/clash-detection/itwins/\(SeededWorld.mine)/suppression-rules/1"
            let id = try approvalID(try await rig.call("DELETE", rule, [team.key("tool")]))
            #expect(try await team.decide(id, "approve", "boss").status == 200)
            server.stop()
            try await eventually("nobody listens") { server.isClosed }
            let failed = try await rig.call("DELETE", rule, [team.key("tool"), ("x-correlation-id", "fails")])
            #expect(failed.status == 502, "\(failed.text)")
            #expect(try rig.story(of: "fails") == ["intent", "outcome not_sent"])
            let back = ScriptedOrigin(port: port) { connection in
                while true {
                    _ = try connection.readRequest()
                    try connection.send(ok)
                }
            }
            defer { back.stop() }
            var status = 0
            let patience = ContinuousClock.now + .seconds(30)
            while status != 200, ContinuousClock.now < patience {
                status = try await rig.call("DELETE", rule, [team.key("tool"), ("x-correlation-id", "goes")]).status
                // Still known to be down, or just found to be back.
                if status != 200 { try await Task.sleep(for: .milliseconds(20)) }
            }
            #expect(status == 200)
            #expect(try rig.records().filter { $0.line.event == "approved" }.count == 1)
            let used = try await rig.call("DELETE", rule, [team.key("tool")])
            used.expectError(428, "ApprovalRequired", reason: "approval-required")
        }
    }

    @Test("what upstream turned away for a limit of the moment has used no approval up, after a restart neither")
    func refusedForNow() async throws {
        try await withApprovers(flags: ["rate.max_wait=30s"]) { rig, team in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[1]
            let id = try approvalID(try await team.delete(report, "tool", id: "ask"))
            #expect(try await team.decide(id, "approve", "boss").status == 200)
            let isDelete = RequestFilter(method: "POST", target: "deletion")
            rig.simulator.inject(.rateLimited(retryAfter: "100"), where: isDelete)
            #expect(try await team.delete(report, "tool", id: "late").status == 429)
            #expect(try rig.story(of: "late") == ["intent", "outcome refused_upstream"])
            rig.clock.advance(by: .seconds(105))
            // Its tool leaves in the pause.
            rig.simulator.inject(.rateLimited(retryAfter: "20"), where: isDelete)
            let client = try rig.connect()
            try await client.send(
                rig.request(
                    "POST", "\(rig.v2)/reports/jobs/deletion",
                    [team.key("tool"), ("x-correlation-id", "leaves"), ("X-Audit-Reason", "tidying up")],
                    body: #"{"jobs":["\#(report)"],"operation":"delete"}"#))
            try await rig.waitForQueue(1)
            client.close()
            try await eventually("its outcome") {
                try rig.story(of: "leaves") == ["intent", "outcome refused_upstream"]
            }
            #expect(await rig.drain())
            let (again, port) = try await rig.startAnother(audit: "audit")
            #expect(try await team.at(port).delete(report, "tool", id: "goes").status == 202)
            try await team.at(port).delete(report, "tool", id: "used").expectError(
                428, "ApprovalRequired", reason: "approval-required")
            _ = await again.drain()
        }
    }

    @Test("of several that would use one approval, one passes and the others are told to wait, on record as asked")
    func racing() async throws {
        try await withApprovers { rig, team in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[1]
            let id = try approvalID(try await team.delete(report, "tool", id: "ask"))
            #expect(try await team.decide(id, "approve", "boss").status == 200)
            let isDelete = RequestFilter(method: "POST", target: "deletion")
            rig.simulator.inject(.executeThenHang, where: isDelete)
            async let first = team.delete(report, "tool", id: "goes")
            #expect(await rig.simulator.waitForRequests(1, where: isDelete))
            for loser in ["l-1", "l-2"] {
                let answer = try await team.delete(report, "tool", id: loser)
                answer.expectError(428, "ApprovalRequired", reason: "approval-required")
                #expect(try approvalID(answer) == id && answer.text.contains("under way"), "\(answer.text)")
                #expect(try rig.story(of: loser) == ["approval_asked"])
            }
            rig.simulator.releaseHeld()
            #expect(try await first.status == 202)
            #expect(rig.deletesUpstream == 1)
        }
    }

    @Test("nobody is asked about what would be refused anyway: rights, protection, reason and budget come first")
    func order() async throws {
        let protected = Simulator(SimulatorConfiguration()).reportIDs(iTwin: SeededWorld.mine)[3]
        try await withApprovers(
            flags: ["audit.require_reason=true", "audit.delete_budget=1/1h", "deletes.protect=[\"\(protected)\"]"]
        ) { rig, team in
            let reports = rig.simulator.reportIDs(iTwin: rig.iTwin)
            try await team.delete(reports[1], "boss", id: "1").expectError(
                403, "InsufficientPermissions", reason: "permission-denied")
            try await team.delete(protected, "tool", id: "2").expectError(403, "Protected", reason: "protected")
            try await team.delete(reports[1], "tool", id: "3", reason: nil).expectError(
                428, "AuditReasonRequired", reason: "audit-reason-required", target: "X-Audit-Reason")
            #expect(try await team.list("boss").text == "{\"approvals\":[]}\n")
            let id = try approvalID(try await team.delete(reports[1], "tool", id: "4"))
            #expect(try await team.decide(id, "approve", "boss").status == 200)
            #expect(try await team.delete(reports[1], "tool", id: "5").status == 202)
            try await team.delete(reports[2], "tool", id: "6").expectError(
                429, "DeleteBudgetExceeded", reason: "delete-budget-exceeded", retryAfter: 3000...3600)
            #expect(try await team.list("boss").text == "{\"approvals\":[]}\n")
        }
    }

    @Test("a dry run says that an approval is required, denied or there, and asks for none")
    func dryRun() async throws {
        try await withApprovers { rig, team in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[1]
            func ask() async throws -> String {
                try await team.delete(report, "tool", id: "dry", [("Prefer", "dry-run")]).text
            }
            for _ in 0..<2 { #expect(try await ask().contains(#""why":{"code":"ApprovalRequired","#)) }
            #expect(try await team.list("boss").text == "{\"approvals\":[]}\n")
            #expect(try rig.records(of: "dry").isEmpty)
            let id = try approvalID(try await team.delete(report, "tool", id: "ask"))
            #expect(try await ask().contains(#""why":{"code":"ApprovalRequired","#))
            #expect(try await team.decide(id, "approve", "boss").status == 200)
            for _ in 0..<2 { #expect(try await ask().contains(#""wouldBe":"sent""#)) }
            #expect(try await team.delete(report, "tool", id: "goes").status == 202)
        }
    }

    @Test("what waits and what was decided outlives a restart; what was used is used")
    func restarts() async throws {
        try await withApprovers { rig, team in
            let reports = rig.simulator.reportIDs(iTwin: rig.iTwin)
            let waits = try approvalID(try await team.delete(reports[1], "tool", id: "w"))
            let good = try approvalID(try await team.delete(reports[2], "tool", id: "g"))
            let bad = try approvalID(try await team.delete(reports[3], "tool", id: "b"))
            let used = try approvalID(try await team.delete(reports[4], "tool", id: "u"))
            for id in [good, used] { #expect(try await team.decide(id, "approve", "boss").status == 200) }
            #expect(try await team.decide(bad, "deny", "boss").status == 200)
            #expect(try await team.delete(reports[4], "tool", id: "u2").status == 202)
            let sent = rig.deletesUpstream
            #expect(await rig.drain())
            let (again, port) = try await rig.startAnother(audit: "audit")
            let later = team.at(port)
            #expect(try approvalID(try await later.delete(reports[1], "tool", id: "w2")) == waits)
            #expect(try await later.list("boss").text.contains(#"{\"jobs\":[\"\#(reports[1])\"]"#))
            #expect(try await later.decide(waits, "approve", "boss").status == 200)
            #expect(try await later.delete(reports[1], "tool", id: "w3").status == 202)
            #expect(try await later.delete(reports[2], "tool", id: "g2").status == 202)
            try await later.delete(reports[2], "tool", id: "g3").expectError(
                428, "ApprovalRequired", reason: "approval-required")
            try await later.delete(reports[3], "tool", id: "b2").expectError(
                403, "ApprovalDenied", reason: "approval-denied")
            try await later.delete(reports[4], "tool", id: "u3").expectError(
                428, "ApprovalRequired", reason: "approval-required")
            #expect(rig.deletesUpstream == sent + 2)
            _ = await again.drain()
        }
    }

    @Test("the page is for callers, takes GET and POST where they belong, and is not there where no approval is needed")
    func page() async throws {
        try await withApprovers { rig, team in
            try await rig.get("/_proxy/approvals").expectError(
                401, "HeaderNotFound", reason: "caller-key-missing", target: "Authorization")
            let wrong = try await rig.call("POST", "/_proxy/approvals", [team.key("boss")], body: "{}")
            #expect(wrong.status == 405 && wrong["Allow"] == "GET, HEAD")
            let read = try await rig.get("/_proxy/approvals/x", [team.key("boss")])
            #expect(read.status == 405 && read["Allow"] == "POST")
            for body in ["", "[]", "{", #"{"decision":"approve","reason":7}"#] {
                let answer = try await rig.call("POST", "/_proxy/approvals/x", [team.key("boss")], body: body)
                #expect(answer.status == 400, "\(body)")
            }
            let unknown = try await rig.call(
                "POST", "/_proxy/approvals/x", [team.key("boss")], body: #"{"decision":"approve","until":"noon"}"#)
            unknown.expectError(400, "InvalidRequest", reason: "invalid-request", target: "until")
            let long = String(repeating: " ", count: 20 << 10)
            let tooLarge = try await rig.call("POST", "/_proxy/approvals/x", [team.key("boss")], body: long)
            #expect(tooLarge.status == 413 && !tooLarge.text.contains("max_body_bytes"), "\(tooLarge.text)")
            await rig.reload(["deletes.approval=none"])
            try await rig.get("/_proxy/approvals", [team.key("boss")]).expectError(
                404, "OperationNotFound", reason: "operation-not-found")
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[1]
            #expect(try await team.delete(report, "tool", id: "free").status == 202)
        }
    }
}

private struct Listed: Decodable {
    struct Entry: Decodable {
        struct Caller: Decodable { let name: String }
        let id, state, operation, method, target: String
        let body, reason: String?
        let own: Bool
        let objects: [String]
        let caller: Caller
    }
    let approvals: [Entry]
}
