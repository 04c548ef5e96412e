import Testing

@testable import Audit

@Suite("Starting on what an earlier process left")
struct RecoveryTests {
    private let path = "audit/\(firstFile)"

    /// A log of `intents` intents of which every second one has its outcome, as a process that died left it.
    private func makeLog(intents: Int, rotateBytes: Int64 = 64 << 20) async throws -> MemoryFileSystem {
        let disk = MemoryFileSystem()
        let log = try await AuditLog.open(folder: "audit", options: .memory(disk, rotateBytes: rotateBytes))
        for index in 0..<intents {
            let receipt = try await log.append(AuditIntent(call: .make("c-\(index)"), snapshot: Array("{}".utf8)))
            if index % 2 == 1 { await log.append(.deleted, for: receipt) }
        }
        await log.close()
        return disk
    }

    private func open(_ disk: MemoryFileSystem) async throws -> AuditLog {
        try await AuditLog.open(folder: "audit", options: .memory(disk))
    }

    private func opened(_ disk: MemoryFileSystem) throws -> [String] {
        var reasons: [String] = []
        try AuditReader(folder: "audit", fileSystem: disk).records { record in
            if record.event == "opened" { reasons.append(record.call.reason) }
            return true
        }
        return reasons
    }

    @Test("opened names the software and the head before it")
    func openedRecord() async throws {
        let disk = try await makeLog(intents: 1)
        let head = try AuditReader(folder: "audit", fileSystem: disk).verify().head
        let log = try await open(disk)
        #expect(log.recovery.previousHead == head && log.recovery.notes.isEmpty)
        await log.close()
        #expect(
            try opened(disk) == [
                "clash-proxy test; a new log", "clash-proxy test; previous head \(head.seq) \(head.hash)",
            ])
    }

    @Test("intents without outcome are handed over, from all files, and closed by recovered records")
    func openIntents() async throws {
        let disk = try await makeLog(intents: 20, rotateBytes: 2000)
        let log = try await open(disk)
        let found = log.recovery.openIntents
        #expect(found.map(\.call.id) == stride(from: 0, to: 20, by: 2).map { "c-\($0)" })
        #expect(found.first?.call == .make("c-0"))
        for intent in found.dropLast() { await log.recovered(intent, result: .notFound, status: 404) }
        await log.close()
        let again = try await open(disk)
        #expect(again.recovery.openIntents == [found[9]])
        await again.close()
        var rows: [AuditRow] = []
        try AuditReader(folder: "audit", fileSystem: disk).rows { row in
            if row.isRecovered { rows.append(row) }
            return true
        }
        #expect(rows.count == 9 && rows.allSatisfy { $0.result == "not_found" && $0.status == 404 })
        #expect(rows.map(\.call) == found.dropLast().map(\.call))
    }

    @Test("a torn tail is set aside byte for byte, and the record opened says so", arguments: [1, 40, 400])
    func tornTail(length: Int) async throws {
        let disk = try await makeLog(intents: 3)
        let whole = try #require(disk.content(path))
        let tail = Array(whole.prefix(length))
        disk.modify(path) { $0 += tail }
        let log = try await open(disk)
        let torn = "audit-00000000000000000001.torn-1"
        #expect(log.recovery.setAside == [torn])
        #expect(disk.content("audit/\(torn)") == tail)
        await log.close()
        #expect(disk.content(path)?.starts(with: whole) == true)
        let reasons = try opened(disk)
        let last = try #require(reasons.last)
        #expect(last.hasSuffix("torn tail: \(length) bytes of \(firstFile) from line 7 on are in \(torn)"))
        #expect(try AuditReader(folder: "audit", fileSystem: disk).verify().findings.isEmpty)
    }

    @Test("an old line copied to the end is set aside: no number is given twice")
    func replayedLine() async throws {
        let disk = try await makeLog(intents: 3)
        let first = lines(try #require(disk.content(path)))[1]
        disk.modify(path) { $0 += Array(first.utf8) + [0x0A] }
        let log = try await open(disk)
        #expect(log.recovery.previousHead.seq == 6)
        await log.close()
        #expect(try AuditReader(folder: "audit", fileSystem: disk).verify().findings.isEmpty)
    }

    @Test("a whole last line that was changed stays where it is, and every later verify tells it")
    func badLastLine() async throws {
        let disk = try await makeLog(intents: 2)
        disk.modify(path) { $0[$0.count - 200] ^= 1 }
        let changed = disk.content(path)?.count { $0 == 0x0A }
        for _ in 1...2 {
            let log = try await open(disk)
            #expect(log.recovery.setAside.isEmpty)
            await log.close()
        }
        let verification = try AuditReader(folder: "audit", fileSystem: disk).verify()
        #expect(!verification.isIntact)
        #expect(verification.findingCount == 1)
        guard case .altered(_, let line, _)? = verification.findings.first else {
            Issue.record("the changed line is not told")
            return
        }
        #expect(line == changed)
    }

    @Test("an altered line in the middle stays where it is, is told, and the chain goes on from the end")
    func alteredMiddle() async throws {
        let disk = try await makeLog(intents: 4)
        disk.modify(path) { $0[600] ^= 1 }
        let before = try #require(disk.content(path))
        let log = try await open(disk)
        #expect(log.recovery.notes == ["line 2 of \(firstFile) \(LineDefect.altered.text)"])
        await log.close()
        #expect(disk.content(path)?.starts(with: before) == true)
        let findings = try AuditReader(folder: "audit", fileSystem: disk).verify().findings
        #expect(findings == [.altered(file: firstFile, line: 2, why: LineDefect.altered.text)])
    }

    @Test("a crash between making the next file and writing to it leaves no gap")
    func emptyNextFile() async throws {
        let disk = try await makeLog(intents: 2)
        let head = try AuditReader(folder: "audit", fileSystem: disk).verify().head
        let next = LogFileName(first: head.seq + 1).text
        disk.put("audit/\(next)", [])
        let log = try await open(disk)
        #expect(log.status.file == next)
        await log.close()
        #expect(try AuditReader(folder: "audit", fileSystem: disk).verify().findings.isEmpty)
    }

    @Test("a missing earlier file does not keep the log from opening, and stays visible")
    func missingFile() async throws {
        let disk = try await makeLog(intents: 20, rotateBytes: 2000)
        let names = disk.names.filter { $0.hasSuffix(".jsonl") }
        disk.delete(names[names.count - 2])
        let log = try await open(disk)
        #expect(log.recovery.notes.count == 1 && log.recovery.notes[0].hasSuffix("are missing"))
        await log.close()
        let findings = try AuditReader(folder: "audit", fileSystem: disk).verify().findings
        #expect(findings.count == 1)
        guard case .missing = findings.first else {
            Issue.record("\(findings)")
            return
        }
    }

    @Test("a log whose end is nothing that could be chained to does not open, and says which file it is")
    func damaged() async throws {
        let disk = MemoryFileSystem()
        disk.put("audit/\(LogFileName(first: 9).text)", Array("no record\n".utf8))
        await #expect(throws: AuditOpenFailure.self) { try await open(disk) }
        #expect(disk.content("audit/\(LogFileName(first: 9).text)") == Array("no record\n".utf8))
    }
}
