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
}
