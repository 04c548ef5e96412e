// `clash-proxy audit …` as somebody runs it who must answer "who deleted it?": on the folder of a running proxy.

import FoundationEssentials
import Proxy
import Simulator
import TestSupport
import Testing

@testable import Configuration

@Suite(.enabled(if: Program.isBuilt)) struct AuditCommandTests {
    /// A few deletes by two callers, and a refusal; on request with reasons so long that the log needs four files.
    private func withStory(
        rotating: Bool = false, _ body: @escaping (Rig, [String]) async throws -> Void
    ) async throws {
        let alice = try KeyGenerator.make(name: "alice", allow: "read,write,run,delete")
        let bob = try KeyGenerator.make(name: "bob", allow: "read,delete")
        let reader = try KeyGenerator.make(name: "dashboard", allow: "read")
        func key(_ made: KeyGenerator.NewKey) -> (String, String) { ("X-Api-Key", made.key.withValue { $0 }) }
        try await withRig { options in
            options.file = alice.table + bob.table + reader.table
            options.flags = ["audit.rotate_bytes=64KiB"]
        } _: { rig async throws in
            let reports = rig.simulator.reportIDs(iTwin: rig.iTwin)
            #expect(
                try await rig.deleteReport(reports[0], id: "c-1", [key(alice), ("X-Audit-Reason", "=old, \"stale\"")])
                    .status == 202)
            let why = rotating ? [("X-Audit-Reason", String(repeating: "because ", count: 3_500))] : []
            #expect(try await rig.deleteRun(reports[1], id: "c-2", [key(bob)] + why).status == 204)
            #expect(try await rig.deleteRun(reports[1], id: "c-3", [key(bob)] + why).status == 404)
            #expect(try await rig.deleteReport(reports[2], id: "c-4", [key(reader)] + why).status == 403)
            rig.simulator.inject(.close, where: RequestFilter(method: "DELETE"))
            #expect(try await rig.deleteRun(reports[3], id: "c-5", [key(alice)] + why).status == 504)
            try await body(rig, reports)
        }
    }

    private struct Row: Decodable {
        let seq: Int
        let id: String
        let operation: String
        let objects: [String]
        let caller: AuditLine.Caller
        let reason: String?
        let result: String
        let status: Int?
    }

    private func rows(_ rig: Rig, _ arguments: [String]) async throws -> [Row] {
        let ran = try await AuditProgram.run(
            ["audit", "list", "--path", rig.auditFolder, "--format", "json"] + arguments)
        #expect(ran.status == 0, "\(ran.errors)")
        return try JSONDecoder().decode([Row].self, from: Data(ran.output.utf8))
    }

    @Test("list says who deleted what and what came of it, and every filter narrows it")
    func list() async throws {
        try await withStory { rig, reports async throws in
            let all = try await rows(rig, [])
            #expect(all.map(\.id) == ["c-1", "c-2", "c-3", "c-4", "c-5"])
            #expect(all.map(\.result) == ["deleted", "deleted", "not_found", "denied", "unknown"])
            #expect(all.map(\.caller.name) == ["alice", "bob", "bob", "dashboard", "alice"])
            #expect(all.map(\.status) == [202, 204, 404, 403, nil])
            #expect(all[0].objects == [reports[0]] && all[0].reason == "=old, \"stale\"")
            let run = rig.simulator.legacyID(project: rig.iTwin, entity: reports[1]) ?? ""
            let filters: [([String], [String])] = [
                (["--caller", "bob"], ["c-2", "c-3"]), (["--object", reports[0]], ["c-1"]),
                (["--object", reports[0].uppercased()], ["c-1"]), (["--object", run], ["c-2", "c-3"]),
                (["--itwin", rig.iTwin], ["c-1", "c-2", "c-3", "c-4", "c-5"]), (["--itwin", "other"], []),
                (["--result", "deleted"], ["c-1", "c-2"]), (["--result", "denied"], ["c-4"]),
                (["--result", "open"], []),
                (["--since", "2h"], ["c-1", "c-2", "c-3", "c-4", "c-5"]), (["--since", "2999-01-01T00:00:00Z"], []),
                (["--until", "2000-01-01T00:00:00+02:00"], []),
                (["--until", "2999-01-01T00:00:00Z", "--caller", "alice"], ["c-1", "c-5"]),
            ]
            for (arguments, expected) in filters {
                #expect(try await rows(rig, arguments).map(\.id) == expected, "\(arguments)")
            }
            let table = try await AuditProgram.run(["audit", "list", "--path", rig.auditFolder])
            #expect(table.status == 0 && table.lines.count == 6 && table.lines[0].hasPrefix("SEQ"))
            #expect(
                table.lines[1].contains("alice") && table.lines[1].contains("deleted")
                    && table.lines[1].contains(reports[0]))
            let csv = try await AuditProgram.run(["audit", "list", "--path", rig.auditFolder, "--format", "csv"])
            #expect(csv.output.split(separator: "\r\n").count == 6)
            #expect(csv.output.contains("\"'=old, \"\"stale\"\"\""), "a cell is no formula: \(csv.output)")
        }
    }

    @Test("show prints the lines of one call as they stand, by correlation id or number")
    func show() async throws {
        try await withStory { rig, _ async throws in
            let expected = try rig.records(of: "c-2")
            for key in ["c-2", "\(expected[0].line.seq)", "\(expected[1].line.seq)"] {
                let shown = try await AuditProgram.run(["audit", "show", key, "--path", rig.auditFolder])
                #expect(shown.status == 0 && shown.lines == expected.map(\.text), "\(key)")
            }
            let none = try await AuditProgram.run(["audit", "show", "c-9", "--path", rig.auditFolder])
            #expect(none.status == 1 && none.output.isEmpty && none.errors.contains("c-9"))
        }
    }

    @Test("export gives all rows as JSON or CSV; over rotated files it is still one answer")
    func export() async throws {
        try await withStory(rotating: true) { rig, _ async throws in
            let files = try FileManager.default.contentsOfDirectory(atPath: rig.auditFolder).filter {
                $0.hasPrefix("audit-") && $0.hasSuffix(".jsonl")
            }
            #expect(files.count > 3)
            let json = try await AuditProgram.run(["audit", "export", "--path", rig.auditFolder])
            #expect(try JSONDecoder().decode([Row].self, from: Data(json.output.utf8)).count == 5)
            let csv = try await AuditProgram.run(["audit", "export", "--path", rig.auditFolder, "--format", "csv"])
            #expect(csv.output.hasPrefix("seq,time,id,operation,") && csv.output.split(separator: "\r\n").count == 6)
            let verified = try await AuditProgram.run(["audit", "verify", "--path", rig.auditFolder])
            #expect(verified.status == 0 && verified.output.contains("in \(files.count) files"))
        }
    }

    @Test("verify: intact on a running proxy's log with count and head; 1 for a change, a missing file, a cut tail")
    func verify() async throws {
        try await withStory(rotating: true) { rig, _ async throws in
            let lines = try AuditLogFile.lines(rig.auditFolder)
            let (head, copy) = (lines[lines.count - 1].line.hash, rig.folder.path + "/copy")
            let files = try FileManager.default.contentsOfDirectory(atPath: rig.auditFolder)
                .filter { $0.hasPrefix("audit-") && $0.hasSuffix(".jsonl") }.sorted()
            func verified(_ arguments: [String] = [], in folder: String? = nil) async throws -> AuditProgram.Result {
                try await AuditProgram.run(["audit", "verify", "--path", folder ?? rig.auditFolder] + arguments)
            }
            func change(_ body: () throws -> Void) throws {
                try? FileManager.default.removeItem(atPath: copy)
                try FileManager.default.copyItem(atPath: rig.auditFolder, toPath: copy)
                try body()
            }
            let intact = try await verified()
            #expect(intact.status == 0, "\(intact.output)")
            #expect(
                intact.lines == ["intact: \(lines.count) records in \(files.count) files, head \(lines.count) \(head)"])
            for witness in [head, head.uppercased(), lines[1].line.hash] {
                #expect(try await verified(["--head", witness]).status == 0, "an earlier head is held, too")
            }
            let unheard = try await verified(["--head", String(repeating: "a", count: 64)])
            #expect(unheard.status == 1 && unheard.output.contains("cut tail"))

            try change { try edit("\(copy)/\(files[1])") { $0.replacing("not_found", with: "not-found") } }
            let altered = try await verified(in: copy)
            #expect(altered.status == 1 && altered.output.contains("altered: line "), "\(altered.output)")
            #expect(altered.output.contains(files[1]) || altered.output.contains("NOT INTACT"))

            try change { try FileManager.default.removeItem(atPath: "\(copy)/\(files[1])") }
            let missing = try await verified(in: copy)
            #expect(missing.status == 1 && missing.output.contains("missing: records "), "\(missing.output)")

            try change { try FileManager.default.removeItem(atPath: "\(copy)/\(files[files.count - 1])") }
            #expect(try await verified(in: copy).status == 0, "a chain alone does not show a cut tail")
            let cut = try await verified(["--head", head], in: copy)
            #expect(cut.status == 1 && cut.output.contains("cut tail"), "a head noted elsewhere does")

            try change { try edit("\(copy)/\(files[files.count - 1])") { String($0.dropLast(20)) } }
            let torn = try await verified(in: copy)
            #expect(torn.status == 0 && torn.output.contains("torn tail"), "\(torn.output)")

            let nowhere = try await verified(in: rig.folder.path + "/nothing")
            #expect(nowhere.status == 1 && nowhere.errors.contains("nothing"), "\(nowhere.output)\(nowhere.errors)")
        }
    }

    @Test("the folder comes from the configuration when no --path is given")
    func configured() async throws {
        try await withStory { rig, _ async throws in
            let listed = try await AuditProgram.run(
                ["audit", "verify", "--config", "/dev/null", "--set", "audit.path=\(rig.auditFolder)"] + credentials)
            #expect(listed.status == 0 && listed.output.contains("intact"), "\(listed.output)\(listed.errors)")
        }
    }

    private var credentials: [String] { ["--set", "token.client_id=a", "--set", "token.client_secret=b"] }

    private func edit(_ path: String, _ change: (String) -> String) throws {
        let text = String(decoding: try Data(contentsOf: URL(filePath: path)), as: UTF8.self)
        let changed = change(text)
        #expect(changed != text)
        try Data(changed.utf8).write(to: URL(filePath: path))
    }
}
