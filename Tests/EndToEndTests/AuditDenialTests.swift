// Deletes that the proxy itself refuses are on record, too: who tried what, and with which status it was refused.

import Proxy
import Simulator
import TestSupport
import Testing

@testable import Configuration

@Suite struct AuditDenialTests {
    @Test("a delete without the right is 403 and recorded as denied with the caller's name", arguments: ["v1", "v2"])
    func permission(version: String) async throws {
        let made = try KeyGenerator.make(name: "dashboard", allow: "read,write,run")
        let key = ("X-Api-Key", made.key.withValue { $0 })
        try await withRig { options in
            options.file = made.table
        } _: { rig async throws in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            let headers = [key, ("X-Audit-Reason", "tidy")]
            let answer =
                version == "v1"
                ? try await rig.deleteRun(report, id: "den", headers)
                : try await rig.deleteReport(report, id: "den", headers)
            answer.expectError(403, "InsufficientPermissions", reason: "permission-denied")
            let records = try rig.records(of: "den")
            #expect(records.map(\.line.event) == ["denied"])
            let line = try #require(records.first)
            #expect(
                line.members == [
                    "seq", "time", "event", "id", "operation", "method", "target", "objects", "itwin", "caller",
                    "reason",
                    "status", "prev", "hash",
                ])
            #expect(line.line.caller?.name == "dashboard" && line.line.caller?.via == "key")
            #expect(line.line.status == 403 && line.line.reason == "tidy")
            #expect(!line.text.contains(key.1))
            #expect(rig.simulator.recorded(RequestFilter(target: "/clash")).isEmpty)
            #expect(try await rig.call("GET", rig.list, [key]).status == 200)
            #expect(try rig.records().count == 1, "a read leaves no line")
        }
    }

    @Test("a refused start, cancel or delete by a body is recorded, and the access log says who was refused what")
    func withoutRight() async throws {
        let made = try KeyGenerator.make(name: "dashboard", allow: "read")
        let jobs = "/clash-detection/itwins/i/runs/jobs"
        try await withRig { options in
            options.file = made.table
        } _: { rig async throws in
            let key = ("X-Api-Key", made.key.withValue { $0 })
            let calls = [
                ("POST", jobs, #"{"jobs":[{"testId":"1"}],"operation":"run"}"#, "v2.runs.start"),
                ("POST", jobs, #"{"jobs":["1"],"operation":"cancel"}"#, "v2.runs.cancel"),
                ("POST", "\(jobs)/cancellation", #"{"jobs":["1"],"operation":"cancel"}"#, "v2.runs.cancel"),
                ("POST", "/clashdetection/runs", #"{"testId":"1"}"#, "v1.runs.start"),
                ("PUT", "/clash-detection/itwins/i/tests/jobs", #"{"operation":"delete"}"#, "v2.unknown"),
            ]
            for (index, (method, target, body, operation)) in calls.enumerated() {
                let answer = try await rig.call(method, target, [key, ("x-correlation-id", "w\(index)")], body: body)
                answer.expectError(403, "InsufficientPermissions", reason: "permission-denied")
                #expect(try rig.story(of: "w\(index)") == ["denied"], "\(method) \(target)")
                let line = try #require(try rig.records(of: "w\(index)").first?.line)
                #expect(line.operation == operation && line.status == 403 && line.caller?.name == "dashboard")
                let logged = try await rig.accessLog.line(with: " w\(index) ")
                #expect(logged.contains(" dashboard \(operation) \(method) "), "\(logged)")
            }
            _ = try await rig.call("PUT", "\(rig.v2)/tests/1", [key, ("x-correlation-id", "w-put")], body: "{}")
            #expect(try rig.story(of: "w-put") == [], "a write is not recorded")
            #expect(try await rig.accessLog.line(with: " w-put ").contains(" dashboard v2.tests.update PUT "))
        }
    }

    @Test("a body that has not come when its call is refused is not guessed at: what its path settles is recorded")
    func unreadBody() async throws {
        let made = try KeyGenerator.make(name: "dashboard", allow: "read")
        let jobs = "/clash-detection/itwins/i/runs/jobs"
        for (also, recorded) in [(#"["run","cancel"]"#, true), (#"["run"]"#, false)] {
            try await withRig { options in
                options.file = made.table
                options.flags = ["audit.also=\(also)"]
            } _: { rig async throws in
                let calls = [
                    ("POST", jobs, recorded), ("POST", "\(rig.v2)/reports/jobs/deletion", true),
                    ("POST", "/clashdetection/runs", true), ("PUT", "/clash-detection/itwins/i/tests/jobs", false),
                ]
                for (index, (method, target, isRecorded)) in calls.enumerated() {
                    let answer = try await rig.raw(
                        "\(method) \(target) HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: \(made.key.withValue { $0 })\r\n"
                            + "x-correlation-id: u\(index)\r\nContent-Length: 40\r\nExpect: 100-continue\r\n\r\n",
                        method: method)
                    answer.expectError(403, "InsufficientPermissions", reason: "permission-denied")
                    #expect(try rig.story(of: "u\(index)") == (isRecorded ? ["denied"] : []), "\(target) \(also)")
                }
            }
        }
    }

    @Test("a delete that a web page of a foreign origin sent is recorded as denied, a read is not")
    func foreignOrigin() async throws {
        try await withRig { rig in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            let page = [("Origin", "https://evil.example"), ("X-Audit-Reason", "because")]
            for id in ["v1", "v2"] {
                let answer =
                    id == "v1"
                    ? try await rig.deleteRun(report, id: id, page) : try await rig.deleteReport(report, id: id, page)
                answer.expectError(403, "OriginNotAllowed", reason: "origin-not-allowed", target: "Origin")
                #expect(try rig.story(of: id) == ["denied"])
                let line = try #require(try rig.records(of: id).first?.line)
                #expect(line.status == 403 && line.caller?.via == "anonymous" && line.reason == "because")
            }
            #expect(try await rig.get(rig.list, page).status == 403)
            #expect(try rig.records().count == 2)
            #expect(rig.simulator.recorded(RequestFilter(target: "/clash")).isEmpty)
        }
    }

    @Test("require_reason: a delete without one is 428 and denied, blanks are none, other calls need none")
    func requireReason() async throws {
        try await withRig { options in
            options.flags = ["audit.require_reason=true"]
        } _: { rig async throws in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            let none = ["", " \t ", "\u{A0}", "\u{200B} \u{FEFF}\u{2003}\u{3000}", "\u{2060}\u{202E}"]
            var cases = [("r1", [])] + none.enumerated().map { ("e\($0)", [("X-Audit-Reason", $1)]) }
            cases.append(("r2", [("X-Audit-Reason", ""), ("X-Audit-Reason", " ")]))
            for (id, headers) in cases {
                let answer = try await rig.deleteRun(report, id: id, headers)
                answer.expectError(
                    428, "AuditReasonRequired", reason: "audit-reason-required", target: "X-Audit-Reason", id)
                #expect(try rig.story(of: id) == ["denied"])
                #expect(try rig.records(of: id).first?.line.status == 428)
            }
            #expect(rig.simulator.recorded(RequestFilter(method: "DELETE")).isEmpty)
            #expect(try await rig.get(rig.list).status == 200)
            #expect(try await rig.deleteRun(report, id: "r4", [("X-Audit-Reason", "old")]).status == 204)
            #expect(try rig.story(of: "r4") == ["intent", "outcome deleted"])
        }
    }

    @Test("a delete that names more ids than a record holds is refused and not sent")
    func tooManyIDs() async throws {
        try await withRig { rig in
            let ids = (1...300).map { "\"r\($0)\"" }.joined(separator: ",")
            let body = "{\"jobs\":[\(ids)],\"operation\":\"delete\"}"
            let client = try rig.connect()
            let answer = try await client.exchange(
                "POST \(rig.list)/jobs/deletion HTTP/1.1\r\nHost: localhost\r\n"
                    + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
            answer.expectError(400, "InvalidRequest", reason: "invalid-request")
            #expect(rig.simulator.recorded(RequestFilter(target: "/clash")).isEmpty)
            client.close()
        }
    }

    @Test("delete_budget: the delete above it is 429 and denied; a restart does not refill it, time does")
    func budget() async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let log = folder.path + "/audit"
        let flags = ["audit.path=\(log)", "audit.delete_budget=3/1h"]
        try await withRig {
            $0.flags = flags
        } _: { rig async throws in
            let reports = rig.simulator.reportIDs(iTwin: rig.iTwin)
            for index in 0..<2 {
                #expect(try await rig.deleteRun(reports[index], id: "b\(index)").status == 204)
            }
        }
        try await withRig {
            $0.flags = flags
        } _: { rig async throws in
            let reports = rig.simulator.reportIDs(iTwin: rig.iTwin)
            #expect(try await rig.deleteReport(reports[5], id: "b2").status == 202, "the third")
            let refused = try await rig.deleteRun(reports[6], id: "b3")
            refused.expectError(
                429, "DeleteBudgetExceeded", reason: "delete-budget-exceeded", retryAfter: 3_000...3_600)
            #expect(try rig.story(of: "b3", in: log) == ["denied"])
            #expect(try rig.records(of: "b3", in: log).first?.line.status == 429)
            #expect(rig.simulator.reportExists(reports[6]))
            #expect(try await rig.get(rig.list).status == 200, "reads have no budget")
            rig.clock.advance(by: .seconds(3_601))
            #expect(try await rig.deleteRun(reports[6], id: "b4").status == 204)
        }
    }

    @Test("a delete that could not be recorded costs nothing of the budget")
    func budgetOfUnrecorded() async throws {
        try await withRig { options in
            options.flags = ["audit.delete_budget=2/1h"]
        } _: { rig async throws in
            let reports = rig.simulator.reportIDs(iTwin: rig.iTwin)
            let broken = try BrokenLog.removedFolder(rig.auditFolder)
            for index in 0..<4 {
                #expect(try await rig.deleteRun(reports[index], id: "u\(index)").status == 503)
            }
            try broken.mend()
            try await rig.untilDeletesWork()
            for index in 0..<2 {
                #expect(try await rig.deleteRun(reports[index], id: "v\(index)").status == 204)
            }
            #expect(try await rig.deleteRun(reports[3], id: "v3").status == 429)
        }
    }
}
