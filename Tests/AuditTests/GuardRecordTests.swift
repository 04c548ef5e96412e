// Records of approvals and of archived files: what is written is read back, and what counts is told from what is over.

import Glibc
import Testing

@testable import Audit

@Suite("Approvals and archives in the log") struct GuardRecordTests {
    private let boss = AuditCaller(
        name: "boss \u{202E}x", address: "10.0.0.7", via: "jwt", issuer: "https://ims", subject: "7")

    private func file(_ name: Character, year: Int = 2026) -> ArchivedFile {
        let sha256 = String(repeating: name, count: 64)
        return ArchivedFile(path: "\(year)/\(sha256).json.gz", sha256: sha256, bytes: 41_943_040)
    }

    private func withLog(_ body: (AuditLog, AuditReader) async throws -> Void) async throws {
        let folder = try LogFolder()
        let log = try await AuditLog.open(folder: folder.path)
        try await body(log, AuditReader(folder: folder.path))
        await log.close()
        #expect(try AuditReader(folder: folder.path).verify().isIntact)
    }

    private func records(_ reader: AuditReader) throws -> [AuditRecord] {
        var found: [AuditRecord] = []
        try reader.records {
            found.append($0)
            return true
        }
        return found
    }

    @Test(
        "an approval is read back as it was written, whatever its body is made of",
        arguments: [Array(#"{"jobs":["a\u0022"]}"#.utf8), [], [0xFF, 0x00, 0x22], Array("zeile\r\n\u{2028}\"\\".utf8)])
    func approvals(_ body: [UInt8]) async throws {
        try await withLog { log, reader in
            let asked = AuditApproval(
                id: "ab12", binding: "ff", expires: AuditTime("2026-11-30T13:00:00.5Z"),
                fields: ["content-type: application/json", "x: \"y\""], body: body)
            try await log.asked(asked, of: .make(), status: 428)
            let decided = AuditApproval(
                id: "ab12", expires: AuditTime("2026-11-30T13:00:00Z"), by: boss, reason: "no \"way\"\n")
            try await log.decided(decided, isApproved: true, of: .make())
            try await log.decided(decided, isApproved: false, of: .make())
            let used = AuditApproval(id: "ab12", by: boss)
            let receipt = try await log.append(
                AuditIntent(
                    call: .make(), archive: [.file(file("a")), .missing(why: "it \"broke\" off")], approval: used))
            await log.append(AuditOutcome(result: .notSent, attempts: 0, duration: .zero), for: receipt)
            let found = try records(reader).dropFirst()
            #expect(
                found.map(\.event) == ["approval_asked", "approved", "approval_denied", "intent", "outcome"])
            #expect(found.map(\.approval) == [asked, decided, decided, used, nil])
            #expect(found.map(\.status) == [428, nil, nil, nil, nil])
            #expect(Array(found)[3].archive == [.file(file("a")), .missing(why: "it \"broke\" off")])
            #expect(found.allSatisfy { $0.call == .make() })
            var told: [String] = []
            try reader.approvals(since: AuditTime(microseconds: 0)) { told.append($0.event) }
            #expect(told == ["approval_asked", "approved", "approval_denied", "intent", "outcome"])
            try reader.approvals(since: AuditTime("9999-01-01T00:00:00Z") ?? AuditTime(microseconds: 0)) { _ in
                Issue.record("nothing is that young")
            }
            var lines = 0
            try reader.show("ab12") { _ in lines += 1 }
            #expect(lines == 4, "by the approval's id")
        }
    }

    @Test("rows tell of approvals: asked for, and whose decision it was")
    func rows() async throws {
        try await withLog { log, reader in
            try await log.asked(AuditApproval(id: "1", body: []), of: .make(), status: 428)
            try await log.decided(AuditApproval(id: "1", by: boss, reason: "fine"), isApproved: true, of: .make())
            var rows: [AuditRow] = []
            try reader.rows {
                rows.append($0)
                return true
            }
            #expect(rows.map(\.result) == ["approval_asked", "approved"] && rows.map(\.status) == [428, nil])
            var table = AuditPrinter(.table)
            #expect(table.text(rows[1]).contains("by boss �x: fine"))
            var json = AuditPrinter(.json)
            #expect(json.text(rows[1]).contains(#""approval":{"id":"1","by":{"name":"boss \u202Ex","#))
            var filter = AuditFilter()
            filter.result = "approved"
            var count = 0
            try reader.rows(filter) { _ in
                count += 1
                return true
            }
            #expect(count == 1)
        }
    }

    @Test("an archived file is there until the log says that it was removed, and again when it is archived again")
    func archived() async throws {
        try await withLog { log, reader in
            func delete(_ id: String, _ archive: [AuditArchived]) async throws {
                await log.append(
                    .deleted, for: try await log.append(AuditIntent(call: .make(id), archive: archive)))
            }
            try await delete("one", [.file(file("a")), .file(file("b"))])
            try await delete("two", [.file(file("b")), .missing(why: "x")])
            #expect(try Set(reader.archived().keys) == [file("a").path, file("b").path])
            try await log.archiveRemoved([.file(file("a")), .file(file("b"))], setting: "deletes.archive_keep 1h")
            #expect(try reader.archived().isEmpty)
            try await delete("three", [.file(file("b"))])
            let found = try reader.archived()
            #expect(found.mapValues(\.file) == [file("b").path: file("b")])
            #expect(try reader.archived(of: "one") == [.file(file("a")), .file(file("b"))])
            #expect(try reader.archived(of: "two") == [.file(file("b")), .missing(why: "x")])
            #expect(try reader.archived(of: "none").isEmpty)
            let removed = try #require(try records(reader).first { $0.event == "archive_removed" })
            #expect(removed.call.reason.hasSuffix("deletes.archive_keep 1h: 2 files removed"))
        }
    }
}
