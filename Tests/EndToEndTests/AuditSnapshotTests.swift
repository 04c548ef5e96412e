// What is about to be deleted stands in the intent, where one small read can tell it.

import Proxy
import Simulator
import TestSupport
import Testing

@Suite struct AuditSnapshotTests {
    @Test("the snapshot of a report is its row in the list, of a run, test or rule the object itself")
    func objects() async throws {
        try await withRig { options in
            options.flags = ["audit.snapshot=true"]
        } _: { rig async throws in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[1]
            let neighbour = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            let rule = rig.simulator.ruleIDs(iTwin: rig.iTwin)[0]
            let test = rig.simulator.testIDs(iTwin: rig.iTwin)[0]
            let run =
                rig.simulator.legacyID(project: rig.iTwin, entity: rig.simulator.reportIDs(iTwin: rig.iTwin)[2]) ?? ""
            let rows: [(OperationRow, contains: [String])] = [
                (
                    OperationRow(
                        "report", "POST", "\(rig.v2)/reports/jobs/deletion",
                        body: #"{"jobs":["\#(report)"],"operation":"delete"}"#, 202), ["\"id\":\"\(report)\""]
                ),
                (
                    OperationRow(
                        "test", "POST", "\(rig.v2)/tests/jobs/deletion",
                        body: #"{"jobs":["\#(test)"],"operation":"delete"}"#, 202), [test, "\"setA\""]
                ),
                (OperationRow("rule", "DELETE", "\(rig.v2)/suppression-rules/\(rule)", 204), [rule, "\"templateId\""]),
                (OperationRow("run", "DELETE", "/clashdetection/runs/\(run)", 204), [run, "{\"run\":{"]),
            ]
            for (row, parts) in rows {
                rig.simulator.clearRecorded()
                let id = "snap-\(row.operation)"
                let answer = try await rig.call(row.method, row.target, [("x-correlation-id", id)], body: row.body)
                #expect(answer.status == row.status, "\(row.operation): \(answer.text)")
                let intent = try #require(try rig.records(of: id).first)
                let snapshot = intent.snapshot ?? ""
                #expect(snapshot.hasPrefix("{") && snapshot.hasSuffix("}"), "\(row.operation): \(intent.text)")
                for part in parts { #expect(snapshot.contains(part), "\(row.operation): \(snapshot)") }
                #expect(!snapshot.contains(neighbour), "one row, not the page")
                #expect(Array(intent.members.suffix(3)) == ["snapshot", "prev", "hash"])
                let sent = rig.simulator.recorded(RequestFilter(target: "/clash"))
                #expect(sent.map(\.method) == ["GET", row.method], "one read, then the delete")
                #expect(sent.allSatisfy { $0[header: "x-correlation-id"] == id })
                #expect(try rig.records(of: id).last?.snapshot == nil, "once is enough")
            }
        }
    }

    @Test(
        "a snapshot that cannot be had stops nothing",
        arguments: [Fault.plainText500, .reset, .garbage("no"), .truncatedLength(after: 20)])
    func failing(fault: Fault) async throws {
        try await withRig { options in
            options.flags = ["audit.snapshot=true"]
        } _: { rig async throws in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            rig.simulator.inject(fault, where: RequestFilter(method: "GET"), times: nil)
            #expect(try await rig.deleteRun(report, id: "without").status == 204)
            #expect(try rig.story(of: "without") == ["intent", "outcome deleted"])
            #expect(try rig.records(of: "without").first?.snapshot == nil)
            #expect(!rig.simulator.reportExists(report))
        }
    }
}
