// What stands in the audit log, and when: the intent before upstream gets a byte, the outcome before the tool does.

import Proxy
import Simulator
import Synchronization
import TestSupport
import Testing

@Suite struct AuditRecordTests {
    private static let intent = [
        "seq", "time", "event", "id", "operation", "method", "target", "objects", "itwin", "caller",
    ]
    private static let outcome = [
        "seq", "time", "event", "id", "intent", "operation", "method", "target", "objects", "itwin", "caller",
    ]
    private static let end = ["prev", "hash"]

    @Test("the intent is on disk when upstream sees the delete, the outcome when the tool gets its answer")
    func order() async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let log = folder.path + "/audit"
        let seen = Mutex([[String]]())
        let server = origin { _, _ in
            let events = (try? AuditLogFile.lines(log).map(\.line.event)) ?? ["unreadable"]
            seen.withLock { $0.append(events) }
            return "HTTP/1.1 204 No Content\r\n\r\n"
        }
        try await withRig(origin: server, flags: ["audit.path=\(log)"]) { rig async throws in
            for number in 0..<5 {
                let id = "order-\(number)"
                let answer = try await rig.call("DELETE", "/clashdetection/runs/r\(number)", [("x-correlation-id", id)])
                let story = try rig.story(of: id, in: log)
                #expect(answer.status == 204)
                #expect(story == ["intent", "outcome deleted"], "with the answer in hand")
            }
            let pairs = ["intent", "outcome"]
            let expected = (0..<5).map { ["opened"] + Array(repeating: pairs, count: $0).joined() + ["intent"] }
            #expect(seen.withLock { $0 } == expected, "what the log held when each delete arrived")
        }
    }

    @Test("a v1 delete leaves two self-contained lines with exactly the documented members")
    func v1Delete() async throws {
        try await withRig { rig async throws in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            let run = rig.simulator.legacyID(project: rig.iTwin, entity: report) ?? ""
            let client = try rig.connect()
            defer { client.close() }
            let request = rig.request("DELETE", "/clashdetection/runs/\(run)", [("x-correlation-id", "v1-del")])
            #expect(try await client.exchange(request).status == 204)
            let records = try rig.records(of: "v1-del")
            #expect(
                records.map(\.members) == [
                    Self.intent + Self.end, Self.outcome + ["status", "result", "attempts", "duration_ms"] + Self.end,
                ])
            let (intent, outcome) = (records[0].line, records[1].line)
            for line in [intent, outcome] {
                #expect(line.operation == "v1.runs.delete" && line.method == "DELETE")
                #expect(line.target == "/clashdetection/runs/\(run)" && line.objects == [run])
                #expect(line.itwin?.lowercased() == rig.iTwin.lowercased())
                #expect(line.caller?.name == "anonymous" && line.caller?.via == "anonymous")
                #expect(line.caller?.address == "127.0.0.1")
                #expect(line.time.hasSuffix("Z") && line.time.utf8.count == 27, "microseconds, UTC: \(line.time)")
            }
            #expect(outcome.intent == intent.seq && outcome.seq == intent.seq + 1 && outcome.prev == intent.hash)
            #expect(outcome.status == 204 && outcome.result == "deleted" && outcome.attempts == 1)
            #expect((0..<20_000).contains(outcome.duration ?? -1))
        }
    }

    @Test("every kind of call that is recorded says what it was and what came of it")
    func kinds() async throws {
        try await withRig { rig async throws in
            let reports = rig.simulator.reportIDs(iTwin: rig.iTwin)
            let tests = rig.simulator.testIDs(iTwin: rig.iTwin)
            let rule = rig.simulator.ruleIDs(iTwin: rig.iTwin)[0]
            let repository = rig.simulator.repositoryIDs(iTwin: rig.iTwin)[0]
            let running = rig.simulator.addReport(iTwin: rig.iTwin) ?? ""
            let job = #"{"jobs":[{"testId":"\#(tests[0])","iModelId":"\#(repository)"}],"operation":"run"}"#
            func jobs(_ id: String, _ operation: String) -> String {
                #"{"jobs":["\#(id)"],"operation":"\#(operation)"}"#
            }
            let suppressing = [("repository-id", repository), ("clash-report-id", reports[0])]
            let calls: [(OperationRow, object: String, result: String)] = [
                (
                    OperationRow(
                        "v2.reports.delete", "POST", "\(rig.v2)/reports/jobs/deletion",
                        body: jobs(reports[1], "delete"), 202), reports[1], "deleted"
                ),
                (
                    OperationRow(
                        "v2.tests.delete", "POST", "\(rig.v2)/tests/jobs/deletion",
                        body: jobs(tests[2], "delete"), 202), tests[2], "deleted"
                ),
                (
                    OperationRow("v2.suppression-rules.delete", "DELETE", "\(rig.v2)/suppression-rules/\(rule)", 204),
                    rule, "deleted"
                ),
                (
                    OperationRow(
                        "v2.unknown", "POST", "\(rig.v2)/models/jobs/deletion", body: jobs("m-1", "delete"), 404),
                    "m-1", "not_found"
                ),
                (
                    OperationRow(
                        "v2.manual-suppressions.remove", "POST", "\(rig.v2)/manual-suppressions/deletion",
                        headers: suppressing, body: #"{"elementIds":[["0x1","0x2"]],"reason":"r"}"#, 204),
                    reports[0], "deleted"
                ),
                (
                    OperationRow(
                        "v2.runs.start", "POST", "\(rig.v2)/runs/jobs", headers: [("In-Place", "True")], body: job, 200),
                    tests[0], "started"
                ),
                (
                    OperationRow("v2.runs.start", "POST", "\(rig.v2)/runs/jobs", body: job, 200), tests[0], "started"
                ),
                (
                    OperationRow(
                        "v2.runs.cancel", "POST", "\(rig.v2)/runs/jobs/cancellation",
                        body: jobs(running, "cancel"), 202), running, "done"
                ),
            ]
            for (index, (row, object, result)) in calls.enumerated() {
                let id = "kind-\(index)"
                let answer = try await rig.call(
                    row.method, row.target, row.headers + [("x-correlation-id", id)], body: row.body)
                #expect(answer.status == row.status, "\(row.operation): \(answer.text)")
                let records = try rig.records(of: id)
                #expect(records.map(\.line.event) == ["intent", "outcome"], "\(row.operation)")
                for record in records {
                    #expect(record.line.operation == row.operation && record.line.method == row.method)
                    #expect(record.line.objects?.contains(object) == true, "\(row.operation) \(record.text)")
                    #expect(record.line.itwin == rig.iTwin, "\(row.operation) \(record.text)")
                }
                #expect(
                    records.last?.line.status == row.status && records.last?.line.result == result, "\(row.operation)")
                #expect(records.first?.members == Self.intent + Self.end, "\(row.operation)")
            }
            let seqs = try AuditLogFile.lines(rig.auditFolder).map(\.line.seq)
            #expect(seqs == Array(1...seqs.count))
        }
    }

    @Test("a start of a run is recorded like a delete, v1 and v2: started, refused_upstream, unknown, not_sent")
    func starts() async throws {
        try await withRig { rig async throws in
            let test = rig.simulator.testIDs(iTwin: rig.iTwin)[0]
            let repository = rig.simulator.repositoryIDs(iTwin: rig.iTwin)[0]
            let legacy = rig.simulator.legacyID(project: rig.iTwin, entity: test) ?? ""
            let starts = [
                (
                    "\(rig.v2)/runs/jobs",
                    #"{"jobs":[{"testId":"\#(test)","iModelId":"\#(repository)"}],"operation":"run"}"#, test
                ),
                (
                    "/clashdetection/runs",
                    #"{"testId":"\#(legacy)","iModelId":"\#(repository)","namedVersionId":"\#(test)"}"#, legacy
                ),
            ]
            for (index, (target, body, object)) in starts.enumerated() {
                // What was lost of the one before is in nobody's way any more.
                rig.clock.advance(by: .seconds(61))
                func start(_ id: String) async throws -> RawResponse {
                    try await rig.call("POST", target, [("x-correlation-id", "\(id)-\(index)")], body: body)
                }
                #expect((200..<300).contains(try await start("run").status))
                #expect(try rig.story(of: "run-\(index)") == ["intent", "outcome started"])
                let records = try rig.records(of: "run-\(index)")
                #expect(records.allSatisfy { $0.line.objects?.contains(object) == true }, "\(records.map(\.text))")
                for status in [403, 404, 422] {
                    rig.simulator.inject(
                        .answer(status: status, body: "{}"), where: RequestFilter(method: "POST", target: "/clash"))
                    #expect(try await start("no-\(status)").status == status)
                    #expect(try rig.story(of: "no-\(status)-\(index)") == ["intent", "outcome refused_upstream"])
                }
                rig.simulator.inject(.executeThenClose, where: RequestFilter(method: "POST", target: "/clash"))
                #expect(try await rig.settling { try await start("lost").status } == (index == 0 ? 200 : 201))
                #expect(try rig.story(of: "lost-\(index)") == ["intent", "outcome started"])
                rig.simulator.inject(.close, where: RequestFilter(method: "POST", target: "/clash"))
                #expect(try await rig.settling { try await start("gone").status } == 504)
                #expect(try rig.story(of: "gone-\(index)") == ["intent", "outcome unknown"])
                rig.simulator.inject(
                    .answer(status: 500, body: "{}"), where: RequestFilter(method: "POST", target: "/clash"))
                #expect(try await rig.settling { try await start("broken").status } == 504)
                #expect(try rig.story(of: "broken-\(index)") == ["intent", "outcome unknown"])
            }
        }
    }

    @Test("the intent of a start is on disk when upstream sees it; a start that never leaves is not_sent")
    func startOrder() async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let log = folder.path + "/audit"
        let seen = Mutex([[String]]())
        let server = origin { _, _ in
            let events = (try? AuditLogFile.lines(log).map(\.line.event)) ?? ["unreadable"]
            seen.withLock { $0.append(events) }
            return json(#"{"run":{"id":"r"}}"#, status: "201 Created")
        }
        try await withRig(origin: server, flags: ["audit.path=\(log)"]) { rig async throws in
            func start(_ id: String) async throws -> Int {
                try await rig.call(
                    "POST", "/clashdetection/runs", [("x-correlation-id", id)], body: #"{"testId":"t"}"#
                ).status
            }
            #expect(try await start("s1") == 201)
            #expect(seen.withLock { $0 } == [["opened", "intent"]])
            #expect(try rig.story(of: "s1", in: log) == ["intent", "outcome started"])
            server.stop()
            try await eventually("closed") { server.isClosed }
            #expect(try await start("s2") == 502)
            #expect(try rig.story(of: "s2", in: log) == ["intent", "outcome not_sent"])
        }
    }

    @Test("a log that cannot be written stops no run")
    func startWithoutLog() async throws {
        try await withRig(origin: origin(always: json("{}", status: "201 Created"))) { rig async throws in
            let broken = try BrokenLog.removedFolder(rig.auditFolder)
            for index in 0..<3 {
                let answer = try await rig.call(
                    "POST", "/clashdetection/runs", [("x-correlation-id", "s\(index)")], body: #"{"testId":"t"}"#)
                #expect(answer.status == 201)
            }
            try broken.mend()
            try await rig.untilDeletesWork()
        }
    }

    @Test("what destroys nothing leaves no line, and audit.also decides about starts of runs and cancels")
    func unrecorded() async throws {
        try await withRig { options in
            options.flags = ["audit.also="]
        } _: { rig async throws in
            let tests = rig.simulator.testIDs(iTwin: rig.iTwin)
            let repository = rig.simulator.repositoryIDs(iTwin: rig.iTwin)[0]
            let run = #"{"jobs":[{"testId":"\#(tests[0])","iModelId":"\#(repository)"}],"operation":"run"}"#
            #expect(try await rig.get(rig.list).status == 200)
            #expect(try await rig.call("POST", "\(rig.v2)/runs/jobs", [("In-Place", "True")], body: run).status == 200)
            let running = rig.simulator.addReport(iTwin: rig.iTwin) ?? ""
            let cancel = #"{"jobs":["\#(running)"],"operation":"cancel"}"#
            #expect(try await rig.call("POST", "\(rig.v2)/runs/jobs/cancellation", body: cancel).status == 202)
            #expect(try rig.records().isEmpty)
        }
    }

    @Test("X-Audit-Reason is recorded as it came and never goes upstream")
    func reason() async throws {
        try await withRig { rig async throws in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            let why = #"superseded by "run 7" \ ticket 12"#
            #expect(try await rig.deleteRun(report, id: "why", [("x-audit-reason", why)]).status == 204)
            let records = try rig.records(of: "why")
            #expect(records.map(\.line.reason) == [why, why])
            #expect(records.first?.members == Self.intent + ["reason"] + Self.end)
            let sent = rig.simulator.recorded(RequestFilter(method: "DELETE"))
            #expect(sent.count == 1 && sent.allSatisfy { $0[header: "x-audit-reason"] == nil })
        }
    }

    @Test("upstream's no is recorded as such: 404 not_found, 403 and 422 refused_upstream, and goes to the tool")
    func refusals() async throws {
        try await withRig { rig async throws in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            #expect(try await rig.deleteReport("00000000-0000-4000-8000-000000000000", id: "no-404").status == 404)
            #expect(try rig.story(of: "no-404") == ["intent", "outcome not_found"])
            for status in [403, 422] {
                rig.simulator.inject(.answer(status: status, body: "{}"), where: RequestFilter(method: "DELETE"))
                #expect(try await rig.deleteRun(report, id: "no-\(status)").status == status)
                #expect(try rig.story(of: "no-\(status)") == ["intent", "outcome refused_upstream"])
                #expect(try rig.records(of: "no-\(status)").last?.line.status == status)
            }
        }
    }
}
