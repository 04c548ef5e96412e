import Testing

@testable import Audit

@Suite("Verification")
struct VerifyTests {
    /// A log of three files, and its lines.
    private func makeLog() async throws -> (disk: MemoryFileSystem, names: [String], head: AuditHead) {
        let disk = MemoryFileSystem()
        let log = try await AuditLog.open(folder: "audit", options: .memory(disk, rotateBytes: 1600))
        for index in 0..<3 {
            let receipt = try await log.append(AuditIntent(call: .make("c-\(index)")))
            await log.append(.deleted, for: receipt)
        }
        await log.close()
        let names = disk.names.filter { $0.hasSuffix(".jsonl") }
        try #require(names.count == 3)
        return (disk, names, log.status.head)
    }

    private func verify(_ disk: MemoryFileSystem, head: String? = nil) throws -> AuditVerification {
        try AuditReader(folder: "audit", fileSystem: disk).verify(head: head)
    }

    @Test("a log as it was written is intact, and its head is the writer's")
    func intact() async throws {
        let (disk, _, head) = try await makeLog()
        let result = try verify(disk, head: head.hash.uppercased())
        #expect(result.isIntact && result.findings.isEmpty)
        #expect(result.head == head && result.records == 8 && result.files == 3)
    }

    @Test("every single byte that is changed is found")
    func everyByte() async throws {
        let (disk, names, _) = try await makeLog()
        for name in names {
            let original = try #require(disk.content(name))
            for index in original.indices {
                for value in [original[index] ^ 0x01, original[index] ^ 0x20, 0x00, 0x0A] where value != original[index]
                {
                    disk.modify(name) { $0[index] = value }
                    #expect(try !verify(disk).findings.isEmpty, "byte \(index) of \(name) as \(value)")
                    disk.modify(name) { $0[index] = original[index] }
                }
            }
        }
    }

    @Test("every byte that is removed or added is found")
    func lengths() async throws {
        let (disk, names, _) = try await makeLog()
        for name in names {
            let original = try #require(disk.content(name))
            for index in original.indices {
                disk.modify(name) { $0.remove(at: index) }
                #expect(try !verify(disk).findings.isEmpty, "byte \(index) of \(name) removed")
                disk.modify(name) {
                    $0 = original
                    $0.insert(0x20, at: index)
                }
                #expect(try !verify(disk).findings.isEmpty, "a space before byte \(index) of \(name)")
                disk.modify(name) { $0 = original }
            }
        }
    }

    @Test("every line dropped, doubled or swapped is found, and told where it is")
    func wholeLines() async throws {
        let (disk, names, head) = try await makeLog()
        for (file, name) in names.enumerated() {
            let original = try #require(disk.content(name))
            let all = lines(original)
            for index in all.indices {
                let isEnd = file == names.count - 1 && index == all.count - 1
                disk.modify(name) { $0 = Self.join(all.enumerated().filter { $0.offset != index }.map(\.element)) }
                if isEnd {
                    #expect(try verify(disk).isIntact, "a cut tail looks whole without a head")
                    #expect(try verify(disk, head: head.hash).findings == [.cutTail(head: head.hash)])
                } else {
                    #expect(try !verify(disk).isIntact, "line \(index) of \(name) dropped")
                }
                disk.modify(name) { $0 = Self.join(all[...index] + all[index...]) }
                let doubled = try verify(disk)
                #expect(
                    doubled.findings.first.flatMap { Self.line($0) } == index + 2, "line \(index) of \(name) doubled")
                for other in all.indices where other > index {
                    var swapped = all
                    swapped.swapAt(index, other)
                    disk.modify(name) { $0 = Self.join(swapped) }
                    let found = try verify(disk).findings
                    #expect(found.first.flatMap { Self.line($0) } == index + 1, "lines \(index) and \(other) swapped")
                }
                disk.modify(name) { $0 = original }
            }
        }
    }

    @Test("a removed file is told as missing, whichever it is; the last one only against a head")
    func removedFile() async throws {
        let (disk, names, head) = try await makeLog()
        for (index, name) in names.enumerated() {
            let original = try #require(disk.content(name))
            disk.delete(name)
            if index == names.count - 1 {
                #expect(try verify(disk).isIntact)
                #expect(try verify(disk, head: head.hash).findings == [.cutTail(head: head.hash)])
            } else {
                let first = try #require(LogFileName(String(name.dropFirst(6)))).first
                let next = try #require(LogFileName(String(names[index + 1].dropFirst(6)))).first
                #expect(
                    try verify(disk).findings
                        == [.missing(first: first, last: next - 1, before: LogFileName(first: next).text)])
            }
            disk.put(name, original)
        }
    }

    @Test("a removed file is not hidden by renaming the next one")
    func renamedFile() async throws {
        let (disk, names, _) = try await makeLog()
        let third = try #require(disk.content(names[2]))
        disk.delete(names[2])
        disk.modify(names[1]) { $0 = third }
        #expect(try !verify(disk).isIntact)
    }

    @Test("a line that was rewritten with a new hash of its own breaks the chain behind it")
    func rehashed() async throws {
        let (disk, names, _) = try await makeLog()
        let original = try #require(disk.content(names[0]))
        var all = lines(original)
        var bytes = Array(all[1].replacing("dashboard", with: "intruder!").utf8)
        let hash = RecordHash.hex(of: bytes.span.extracting(0..<bytes.count - LineFrame.hashPartBytes))
        bytes.replaceSubrange(bytes.count - 66..<bytes.count - 2, with: hash)
        all[1] = String(decoding: bytes, as: UTF8.self)
        disk.modify(names[0]) { $0 = Self.join(all) }
        let found = try verify(disk).findings
        #expect(found == [.altered(file: firstFile, line: 3, why: LineDefect.unchained.text)])
    }

    @Test("one altered line is one finding, with its file and line")
    func oneFinding() async throws {
        let (disk, names, _) = try await makeLog()
        disk.modify(names[1]) { $0[40] ^= 1 }
        let name = String(names[1].dropFirst(6))
        #expect(try verify(disk).findings == [.altered(file: name, line: 1, why: LineDefect.altered.text)])
    }

    @Test("a torn last line is a torn tail and not an alteration, wherever it is cut")
    func tornTail() async throws {
        let (disk, names, _) = try await makeLog()
        let original = try #require(disk.content(names[2]))
        let all = lines(original)
        let start = original.count - all[all.count - 1].utf8.count - 1
        for end in start + 1..<original.count {
            disk.modify(names[2]) { $0 = Array(original[..<end]) }
            let result = try verify(disk)
            #expect(
                result.findings
                    == [.tornTail(file: String(names[2].dropFirst(6)), line: all.count, offset: Int64(start))])
            #expect(result.isIntact)
        }
    }

    @Test("sectors that read as zeros at the end are a torn tail; in an earlier file they are an alteration")
    func zeros() async throws {
        let (disk, names, _) = try await makeLog()
        disk.modify(names[2]) { bytes in for index in bytes.count - 100..<bytes.count - 20 { bytes[index] = 0 } }
        #expect(try verify(disk).isIntact && verify(disk).findingCount == 1)
        disk.modify(names[1]) { bytes in for index in bytes.count - 100..<bytes.count - 20 { bytes[index] = 0 } }
        #expect(try !verify(disk).isIntact)
    }

    @Test("an empty folder, and a new file that nothing was written to yet, are intact")
    func empty() async throws {
        let disk = MemoryFileSystem()
        #expect(try verify(disk).findings.isEmpty)
        let (full, _, head) = try await makeLog()
        full.put("audit/" + LogFileName(first: head.seq + 1).text, [])
        #expect(try verify(full, head: head.hash).findings.isEmpty)
    }

    @Test("a log much bigger than the read buffer is read whole, lines across its borders included")
    func big() async throws {
        let disk = MemoryFileSystem()
        let log = try await AuditLog.open(folder: "audit", options: .memory(disk))
        for index in 0..<60 {
            let rows = String(repeating: "7,", count: 20_000 + 97 * index)
            _ = try await log.append(AuditIntent(call: .make("c-\(index)"), snapshot: Array("[\(rows)7]".utf8)))
        }
        await log.close()
        let result = try verify(disk, head: log.status.head.hash)
        #expect(result.findings.isEmpty && result.records == 62 && result.bytes > 2 << 20)
        var sizes: [Int] = []
        try AuditReader(folder: "audit", fileSystem: disk).records { record in
            if let snapshot = record.snapshot { sizes.append(snapshot.count) }
            return true
        }
        #expect(sizes == (0..<60).map { 40_000 + 194 * $0 + 3 })
    }

    @Test("megabytes without a line end are findings and no trap")
    func endlessLine() async throws {
        let (disk, names, _) = try await makeLog()
        disk.modify(names[0]) { $0.insert(contentsOf: [UInt8](repeating: 0x41, count: 9 << 20), at: 0) }
        #expect(try !verify(disk).isIntact)
        disk.modify(names[0]) { $0 = [UInt8](repeating: 0x7B, count: 9 << 20) }
        #expect(try !verify(disk).isIntact)
    }

    @Test("findings are bounded, their count is not")
    func manyFindings() {
        var result = AuditVerification()
        for line in 0..<1000 { result.add(.altered(file: "f", line: line, why: "")) }
        #expect(result.findings.count == 100 && result.findingCount == 1000)
    }

    private static func join(_ lines: some Sequence<String>) -> [UInt8] {
        lines.flatMap { Array($0.utf8) + [0x0A] }
    }

    private static func line(_ finding: AuditFinding) -> Int? {
        if case .altered(_, let line, _) = finding { line } else { nil }
    }
}
