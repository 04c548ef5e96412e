// Checkpoints of a log: when they are written, what they say over restarts and rotations, and what contradicts them.

import Glibc
import Ground
import Testing

@testable import Audit

@Suite("Checkpoints")
struct CheckpointTests {
    private let key = NoteSigningKey(newFor: NoteName.origin("here"))
    private let disk = MemoryFileSystem()
    private let clock = HandClock()

    private func options(rotateBytes: Int64 = 64 << 20) -> AuditOptions {
        var options = AuditOptions.memory(disk, clock: clock, rotateBytes: rotateBytes)
        options.signingKey = key
        return options
    }

    private func deletes(_ log: AuditLog, _ count: Int) async throws {
        for index in 0..<count {
            await log.append(.deleted, for: try await log.append(AuditIntent(call: .make("c-\(index)"))))
        }
    }

    private var reader: AuditReader { AuditReader(folder: "audit", fileSystem: disk) }

    private func note(_ name: String = "checkpoint") throws -> String {
        String(decoding: try #require(disk.content("audit/\(name)")), as: UTF8.self)
    }

    private func checkpoint() throws -> Checkpoint { try Checkpoint(parsing: note(), key: key.verifier) }

    /// The tree over the lines of all files, by no way that the product goes.
    private func root(_ count: Int) throws -> [UInt8] {
        var tree = MerkleTree()
        let files = disk.names.filter { $0.hasSuffix(".jsonl") }
        let all = files.flatMap { lines(disk.content($0) ?? []) }
        for line in all.prefix(count) {
            let bytes = Array(line.utf8)
            tree.append(bytes.span)
        }
        return tree.root
    }

    @Test("one is written at both ends, when the time is over and every hundred records; it covers each line")
    func written() async throws {
        let log = try await AuditLog.open(folder: "audit", options: options())
        try await deletes(log, 1)
        #expect(try checkpoint().size == 1 && log.status.noted.seq == 1, "not with every record")
        try await deletes(log, 50)
        #expect(try (101...103).contains(checkpoint().size) && log.status.noted.seq == 1)
        clock.advance(.seconds(61))
        try await deletes(log, 1)
        #expect(try checkpoint().size >= 103 && log.status.noted.seq >= 103)
        await log.close()
        let last = try checkpoint()
        #expect(last.origin == "clash-proxy/here" && last.size == log.status.head.seq)
        #expect(try last.root == root(Int(last.size)))
        #expect(disk.content("audit/name") == Array("clash-proxy/here\n".utf8))
    }

    @Test(
        "every checkpoint of a log's life holds, over restarts and rotated files; a log that is cut or changed says so")
    func old() async throws {
        var notes: [Checkpoint] = []
        for _ in 0..<3 {
            let log = try await AuditLog.open(folder: "audit", options: options(rotateBytes: 4_000))
            #expect(!log.recovery.notes.contains { $0.contains("checkpoint") })
            notes.append(try checkpoint())
            try await deletes(log, 9)
            await log.close()
            notes.append(try checkpoint())
        }
        #expect(disk.names.filter { $0.hasSuffix(".jsonl") }.count > 3)
        #expect(Set(notes.map(\.size)).count == 6)
        for note in notes { #expect(try reader.verify(note) == .holds, "\(note.size)") }
        let first = "audit/" + firstFile
        let content = try #require(disk.content(first))
        disk.modify(first) { $0[40] ^= 1 }
        for note in notes { #expect(try reader.verify(note) == .differs, "\(note.size)") }
        disk.modify(first) { $0 = content }
        let files = disk.names.filter { $0.hasSuffix(".jsonl") }
        disk.delete(files[files.count - 1])
        guard case .tooShort(let records) = try reader.verify(notes[5]) else {
            Issue.record("a cut log holds")
            return
        }
        #expect(records < notes[5].size)
        #expect(try reader.verify(notes[0]) == .holds)
    }

    @Test("records written anew with right hashes contradict the last checkpoint: it is kept, and the log says so")
    func rewritten() async throws {
        let log = try await AuditLog.open(folder: "audit", options: options())
        try await deletes(log, 3)
        await log.close()
        let (signed, note) = (try checkpoint(), try note())
        // Somebody who can write the folder makes another log of the same length.
        for name in disk.names where name.hasSuffix(".jsonl") { disk.delete(name) }
        var plain = options()
        plain.signingKey = nil
        let forged = try await AuditLog.open(folder: "audit", options: plain)
        try await deletes(forged, 3)
        await forged.close()
        #expect(try reader.verify().isIntact && reader.verify(signed) == .differs)
        let again = try await AuditLog.open(folder: "audit", options: options())
        #expect(again.recovery.notes.contains { $0.contains("checkpoint.disputed-1") }, "\(again.recovery.notes)")
        #expect(try self.note("checkpoint.disputed-1") == note)
        #expect(again.recovery.disputed == ["checkpoint.disputed-1"])
        await again.close()
        let third = try await AuditLog.open(folder: "audit", options: options())
        #expect(third.recovery.disputed == ["checkpoint.disputed-1"], "as long as it is there")
        await third.close()
        disk.delete("audit/checkpoint.disputed-1")
        let fourth = try await AuditLog.open(folder: "audit", options: options())
        #expect(fourth.recovery.disputed.isEmpty)
        await fourth.close()
        #expect(try reader.verify(checkpoint()) == .holds)
    }

    @Test("the name is that of the key the log began with, whatever the host is called later")
    func name() async throws {
        await (try await AuditLog.open(folder: "audit", options: options())).close()
        var moved = options()
        moved.signingKey = NoteSigningKey(newFor: NoteName.origin("elsewhere"))
        moved.name = NoteName.origin("elsewhere")
        let log = try await AuditLog.open(folder: "audit", options: moved)
        await log.close()
        #expect(try log.recovery.verifierKey?.name == "clash-proxy/here" && reader.name() == "clash-proxy/here")
        let verifier = try #require(log.recovery.verifierKey)
        #expect(try Checkpoint(parsing: note(), key: verifier).origin == "clash-proxy/here")
    }

    @Test("a checkpoint that cannot be written stops no record, and is told once when it breaks and when it is mended")
    func broken() async throws {
        let told = Told()
        var options = options()
        options.checkpointTrouble = { told.add($0) }
        let log = try await AuditLog.open(folder: "audit", options: options)
        disk.set([.init(operation: "rename", code: EACCES)])
        for _ in 0..<2 {
            clock.advance(.seconds(61))
            try await deletes(log, 1)
        }
        disk.set([])
        clock.advance(.seconds(61))
        try await deletes(log, 1)
        await log.close()
        #expect(told.all.count == 2 && told.all[0]?.contains("rename") == true && told.all[1] == nil)
        #expect(try checkpoint().size == log.status.head.seq && reader.verify().isIntact)
    }
}
