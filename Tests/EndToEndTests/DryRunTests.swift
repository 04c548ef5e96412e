// `Prefer: dry-run` on a delete: what it would delete and whether it would be sent, and nothing that changes is sent.

import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct DryRunTests {
    private static let ask = ("Prefer", "dry-run")

    private func delete(_ rig: Rig, _ collection: String, _ id: String) -> (String, String, String?) {
        ("POST", "\(rig.v2)/\(collection)/jobs/deletion", #"{"jobs":["\#(id)"],"operation":"delete"}"#)
    }

    @Test("it says what would be deleted, in both versions, and only reads; the objects stay")
    func objects() async throws {
        try await withRig { rig async throws in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[1]
            let test = rig.simulator.testIDs(iTwin: rig.iTwin)[0]
            let rule = rig.simulator.ruleIDs(iTwin: rig.iTwin)[0]
            let run = rig.simulator.legacyID(project: rig.iTwin, entity: report) ?? ""
            let v1Test = rig.simulator.legacyID(project: rig.iTwin, entity: test) ?? ""
            let calls: [(operation: String, id: String, call: (String, String, String?))] = [
                ("v2.reports.delete", report, delete(rig, "reports", report)),
                ("v2.tests.delete", test, delete(rig, "tests", test)),
                ("v2.suppression-rules.delete", rule, ("DELETE", "\(rig.v2)/suppression-rules/\(rule)", nil)),
                ("v1.runs.delete", run, ("DELETE", "/clashdetection/runs/\(run)", nil)),
                ("v1.tests.delete", v1Test, ("DELETE", "/clashdetection/tests/\(v1Test)", nil)),
            ]
            for (operation, id, (method, target, body)) in calls {
                rig.simulator.clearRecorded()
                let answer = try await rig.call(
                    method, target, [Self.ask, ("x-correlation-id", "dry-\(operation)")], body: body)
                #expect(answer.status == 200, "\(operation): \(answer.text)")
                #expect(answer["preference-applied"] == "dry-run")
                #expect(answer["cache-control"] == "no-store")
                #expect(
                    answer.text.hasPrefix(#"{"dryRun":true,"operation":"\#(operation)","objects":[{"id":"\#(id)","#),
                    "\(answer.text)")
                #expect(answer.text.contains(#","found":true,"name":""#), "\(answer.text)")
                #expect(answer.text.contains(#""itwin":"\#(rig.iTwin)""#), "\(answer.text)")
                #expect(answer.text.hasSuffix("\"wouldBe\":\"sent\"}\n"), "\(answer.text)")
                let sent = rig.simulator.recorded(RequestFilter(target: "/clash"))
                #expect(sent.map(\.method) == ["GET"], "\(operation): one read")
                #expect(sent.first?[header: "prefer"] == nil)
                #expect(try rig.records(of: "dry-\(operation)").isEmpty, "it is no delete")
            }
            #expect(try await rig.get("\(rig.v2)/tests/\(test)").status == 200)
            let real = delete(rig, "reports", report)
            #expect(try await rig.call(real.0, real.1, [], body: real.2).status == 202)
            let again = try await rig.call(real.0, real.1, [Self.ask], body: real.2)
            #expect(again.status == 200)
            #expect(again.text.contains(#""\#(report)","found":false,"name":null,"status":null"#), "\(again.text)")
        }
    }

    @Test("a report is named as its row in the list, and a long one is not read to its end")
    func reports() async throws {
        try await withRig { rig async throws in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            let list = try await rig.get("\(rig.v2)/reports?$top=100").text
            let call = delete(rig, "reports", report)
            let text = try await rig.call(call.0, call.1, [Self.ask], body: call.2).text
            let name = try #require(text.split(separator: "\"name\":\"").last?.split(separator: "\"").first)
            #expect(list.contains("\"configurationName\":\"\(name)\""), "\(text)")
            #expect(text.contains("\"createdAt\":\""))
        }
    }

    @Test("what the real call would be refused for stands in the answer: protection, a missing reason, a spent budget")
    func refusals() async throws {
        let world = Simulator(SimulatorConfiguration())
        try await withRig { options in
            let protected = world.reportIDs(iTwin: world.iTwinIDs[0])[2]
            options.flags = [
                "audit.require_reason=true", "audit.delete_budget=1/1h", "deletes.protect=[\"\(protected)\"]",
            ]
        } _: { rig async throws in
            let reports = rig.simulator.reportIDs(iTwin: rig.iTwin)
            let reason = ("X-Audit-Reason", "tidying")
            func expect(_ report: String, _ headers: [(String, String)], _ code: String?, _ place: String) async throws
            {
                let call = delete(rig, "reports", report)
                let answer = try await rig.call(call.0, call.1, [Self.ask] + headers, body: call.2)
                #expect(answer.status == 200, "\(place): \(answer.text)")
                let refused = code.map { #""wouldBe":"refused","why":{"code":"\#($0)","message":""# }
                let end = refused ?? #""wouldBe":"sent"}"#
                #expect(answer.text.contains(end), "\(place): \(answer.text)")
            }
            try await expect(reports[2], [reason], "Protected", "protected")
            try await expect(reports[0], [], "AuditReasonRequired", "no reason")
            for _ in 0..<3 { try await expect(reports[0], [reason], nil, "it spends nothing") }
            let call = delete(rig, "reports", reports[0])
            #expect(try await rig.call(call.0, call.1, [reason], body: call.2).status == 202)
            try await expect(reports[1], [reason], "DeleteBudgetExceeded", "spent")
        }
    }

    @Test("who may not delete, or not there, is refused as ever, and nothing is read")
    func rights() async throws {
        let received = Received()
        let server = origin(received) { _, _ in ok }
        try await withScopes(origin: server) {
            try $0.add("reader", allow: "read")
        } _: { rig, callers in
            let target = "/clash-detection/itwins/\(SeededWorld.foreign)/suppression-rules/1"
            for caller in ["mine", "reader"] {
                try await rig.call("DELETE", target, [callers.key(caller), Self.ask])
                    .expectError(403, "InsufficientPermissions", reason: "permission-denied", caller)
            }
            #expect(received.count == 0)
        }
        server.stop()
    }

    @Test(
        "the preference is taken in every spelling, beside others, and for nothing but deletes",
        arguments: ["dry-run", "DRY-RUN", "respond-async, Dry-Run", "wait=5,dry-run;x=y", "dry-run=1"])
    func spellings(_ prefer: String) async throws {
        try await withRig { rig async throws in
            let rule = rig.simulator.ruleIDs(iTwin: rig.iTwin)[0]
            let target = "\(rig.v2)/suppression-rules/\(rule)"
            #expect(try await rig.call("DELETE", target, [("Prefer", prefer)]).status == 200)
            #expect(rig.simulator.recorded(RequestFilter(method: "DELETE")).isEmpty)
            let read = try await rig.get(target, [("Prefer", prefer)])
            #expect(read.status == 200)
            #expect(read["preference-applied"] == nil)
        }
    }

    @Test("what cannot be read is no answer: the tool hears of it, and nothing is deleted")
    func unreadable() async throws {
        try await withRig { options in
            options.flags = ["rate.max_wait=1s"]
        } _: { rig async throws in
            rig.simulator.inject(.plainText500, where: RequestFilter(method: "GET"), times: nil)
            let call = delete(rig, "tests", rig.simulator.testIDs(iTwin: rig.iTwin)[0])
            let answer = try await rig.call(call.0, call.1, [Self.ask], body: call.2)
            #expect(answer.status == 502, "\(answer.text)")
            #expect(rig.simulator.recorded(RequestFilter(method: "POST", target: "/clash")).isEmpty)
        }
    }

    @Test(
        "what a delete is about that cannot be told is a 400, and never an answer without objects",
        arguments: [
            [("Content-Encoding", "gzip")], [("Content-Type", "application/json; charset=utf-16")], [],
        ])
    func untold(headers: [(String, String)]) async throws {
        try await withRig { rig async throws in
            let target = "\(rig.v2)/reports/jobs/deletion"
            let bodies =
                headers.isEmpty
                ? [nil, "", "{}", #"{"jobs":[],"operation":"delete"}"#, "{\"jobs\":["]
                : [
                    #"{"jobs":["\#(rig.simulator.reportIDs(iTwin: rig.iTwin)[0])"],"operation":"delete"}"#
                ]
            for body in bodies {
                let answer = try await rig.call("POST", target, headers + [Self.ask], body: body)
                answer.expectError(400, "InvalidRequest", reason: "invalid-request", target: "Prefer", body ?? "none")
                #expect(answer["preference-applied"] == "dry-run")
                #expect(answer.text.contains("cannot be told"), "\(answer.text)")
            }
            #expect(rig.simulator.recorded(RequestFilter(target: "/clash")).isEmpty)
        }
    }

    @Test("who may delete and not read learns that an object is there, and nothing else of it")
    func blind() async throws {
        try await withScopes {
            try $0.add("delete-only", allow: "delete")
            try $0.add("narrow", allow: "read,delete", operations: "v2.reports.delete,v2.tests.*")
        } _: { rig, callers in
            let report = delete(rig, "reports", rig.simulator.reportIDs(iTwin: rig.iTwin)[0])
            let test = delete(rig, "tests", rig.simulator.testIDs(iTwin: rig.iTwin)[0])
            for (caller, call, sees) in [
                ("delete-only", report, false), ("delete-only", test, false), ("narrow", report, false),
                ("narrow", test, true), ("free", report, true),
            ] {
                let answer = try await rig.call(call.0, call.1, [callers.key(caller), Self.ask], body: call.2)
                #expect(answer.status == 200 && answer.text.contains("\"found\":true"), "\(answer.text)")
                let isShown = !answer.text.contains("\"name\":null,\"status\":null")
                #expect(isShown == sees, "\(caller): \(answer.text)")
                if !sees { #expect(!answer.text.contains("createdAt"), "\(answer.text)") }
            }
        }
    }

    @Test("a dry run of many objects looks at ten, and never at more than its caller's own windows have room for")
    func many() async throws {
        var callers = ScopedCallers()
        try callers.add("few", line: "windows = [\"5/1h\"]")
        try callers.add("free")
        let file = callers.tables
        try await withRig({ $0.file = file }) { rig async throws in
            let ids = (0..<100).map { "00000000-0000-4000-8000-\(100_000_000_000 + $0)" }
            let body = "{\"jobs\":[\(ids.map { "\"\($0)\"" }.joined(separator: ","))],\"operation\":\"delete\"}"
            for (caller, looks) in [("few", 5), ("free", 10)] {
                rig.simulator.clearRecorded()
                let answer = try await rig.call(
                    "POST", "\(rig.v2)/reports/jobs/deletion", [callers.key(caller), Self.ask], body: body)
                #expect(answer.status == 200, "\(answer.text)")
                #expect(rig.simulator.recorded(RequestFilter(target: "/clash")).count == looks)
                #expect(answer.text.components("\"found\":false") == looks)
                #expect(answer.text.components("\"found\":null") == 100 - looks)
                #expect(answer.text.components("not looked at") == 100 - looks)
            }
        }
    }

    @Test("every answer to a dry run says that it is one, and a refusal by budget how long it would hold")
    func said() async throws {
        var callers = ScopedCallers()
        try callers.add("clean")
        try callers.add("reader", allow: "read")
        let file = callers.tables
        try await withRig { options in
            options.file = file
            options.flags = ["audit.delete_budget=1/1h", "rate.max_wait=1s"]
        } _: { rig async throws in
            let reports = rig.simulator.reportIDs(iTwin: rig.iTwin)
            let call = delete(rig, "reports", reports[0])
            let key = callers.key("clean")
            #expect(try await rig.call(call.0, call.1, [key], body: call.2).status == 202)
            let real = delete(rig, "reports", reports[1])
            let spent = try await rig.call(real.0, real.1, [key, Self.ask], body: real.2)
            let refused = try await rig.call(real.0, real.1, [key], body: real.2)
            #expect(refused.status == 429 && refused["preference-applied"] == nil)
            #expect(spent.text.contains("Try again in 3600 s."), "\(spent.text)")
            rig.simulator.inject(.plainText500, where: RequestFilter(method: "GET"), times: nil)
            for (caller, status) in [(key, 502), (callers.key("reader"), 403), (("X-Api-Key", "strange"), 401)] {
                let answer = try await rig.call(real.0, real.1, [caller, Self.ask], body: real.2)
                #expect(answer.status == status, "\(answer.text)")
                #expect(answer["preference-applied"] == "dry-run", "\(status)")
            }
            let run = try await rig.call(
                "POST", "\(rig.v2)/runs/jobs", [callers.key("reader"), Self.ask],
                body: #"{"jobs":[],"operation":"run"}"#)
            #expect(run.status == 403 && run["preference-applied"] == nil, "it is no delete: \(run.text)")
        }
    }
}

extension String {
    /// How often `part` stands in it.
    fileprivate func components(_ part: String) -> Int { ranges(of: part).count }
}
