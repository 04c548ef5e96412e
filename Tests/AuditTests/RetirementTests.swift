// `audit.keep`: what leaves the log, what is told of it, and what can still be verified afterwards.

import Glibc
import Testing

@testable import Audit

@Suite("Retired files")
struct RetirementTests {
    private let key = NoteSigningKey(newFor: NoteName.origin("here"))
    private let disk = MemoryFileSystem()
    private let clock = HandClock()
    private static let never = AuditTime(microseconds: 1_795_332_063_000_000 - 1)
    /// After all that the hand clock writes in a test.
    private static let all = AuditTime(microseconds: 1_895_332_063_000_000)

    private var options: AuditOptions {
        var options = AuditOptions.memory(disk, clock: clock, rotateBytes: 4_000)
        options.signingKey = key
        return options
    }

    private var reader: AuditReader { AuditReader(folder: "audit", fileSystem: disk) }
    private var files: [String] { disk.names.filter { $0.hasSuffix(".jsonl") } }

    private func deletes(_ log: AuditLog, _ count: Int) async throws {
        for index in 0..<count {
            await log.append(.deleted, for: try await log.append(AuditIntent(call: .make("c-\(index)"))))
        }
    }

    private func checkpoint() throws -> Checkpoint {
        let note = try #require(disk.content("audit/checkpoint"))
        return try Checkpoint(parsing: String(decoding: note, as: UTF8.self), key: key.verifier)
    }

    @Test("whole files that are old enough go, never the last; the record tells their last number and hash")
    func retired() async throws {
        let log = try await AuditLog.open(folder: "audit", options: options)
        try await deletes(log, 20)
        let before = files
        #expect(before.count > 4)
        #expect(await log.retire(before: Self.never, upTo: .max, setting: "keep") == .nothing)
        let third = try #require(LogFileName(String(before[2].dropFirst(6)))).first
        var times: [AuditTime] = []
        try reader.records { record in
            if record.seq == third { times.append(record.time) }
            return true
        }
        #expect(await log.retire(before: times[0], upTo: .max, setting: "keep") == .files(2, last: third - 1))
        #expect(Array(files.prefix(before.count - 2)) == Array(before.dropFirst(2)))
        await log.close()
        let all = files.flatMap { lines(disk.content($0) ?? []) }
        let told = try #require(all.first { $0.contains(#""event":"retired""#) })
        let prev = try #require(all.first?.firstRange(of: #""prev":""#)).upperBound
        let hash = String(try #require(all.first)[prev...].prefix(64))
        #expect(told.contains(#""retired":{"seq":\#(third - 1),"hash":"\#(hash)","tree":["#), "\(told)")
        #expect(told.contains("2 files retired, last record \(third - 1) \(hash)"))
        let verified = try reader.verify()
        #expect(verified.findings.isEmpty && verified.retired == AuditHead(seq: third - 1, hash: hash))
        #expect(try reader.verify(head: hash).isIntact && reader.verify(head: verified.head.hash).isIntact)
    }

    @Test(
        "checkpoints hold as before where they reach past what is gone; of older ones it is said that it cannot be told"
    )
    func checkpoints() async throws {
        var log = try await AuditLog.open(folder: "audit", options: options)
        let first = try checkpoint()
        try await deletes(log, 20)
        await log.close()
        let old = try checkpoint()
        log = try await AuditLog.open(folder: "audit", options: options)
        guard case .files(_, let last) = await log.retire(before: Self.all, upTo: .max, setting: "keep") else {
            Issue.record("nothing was retired")
            return
        }
        try await deletes(log, 5)
        _ = await log.retire(before: Self.all, upTo: last + 12, setting: "keep")
        await log.close()
        let new = try checkpoint()
        log = try await AuditLog.open(folder: "audit", options: options)
        #expect(!log.recovery.notes.contains { $0.contains("checkpoint") }, "the tree goes on where it was")
        await log.close()
        #expect(try reader.verify().isIntact)
        let retired = try #require(try reader.verify().retired?.seq)
        #expect(try reader.verify(old) == (old.size < retired ? .retired(upTo: retired) : .holds))
        #expect(try reader.verify(new) == .holds && reader.verify(checkpoint()) == .holds)
        #expect(try reader.verify(first) == .retired(upTo: retired))
        // A forged line behind what is gone still shows.
        disk.modify(files[0]) { $0[40] ^= 1 }
        #expect(try reader.verify(new) == .differs)
    }

    @Test("what sinks have not got yet stays, and so does a file that was changed: it is evidence")
    func kept() async throws {
        let log = try await AuditLog.open(folder: "audit", options: options)
        try await deletes(log, 20)
        let second = try #require(LogFileName(String(files[1].dropFirst(6)))).first
        #expect(await log.retire(before: Self.all, upTo: second - 2, setting: "keep") == .nothing)
        #expect(await log.retire(before: Self.all, upTo: second + 1, setting: "keep") == .files(1, last: second - 1))
        disk.modify(files[0]) { $0[40] ^= 1 }
        guard case .kept(let why) = await log.retire(before: Self.all, upTo: .max, setting: "keep") else {
            Issue.record("evidence was removed")
            return
        }
        #expect(why.contains("line 1 of"))
        await log.close()
    }

    @Test("a crash between record and removal leaves files that the next start removes, and nothing to complain of")
    func crash() async throws {
        let log = try await AuditLog.open(folder: "audit", options: options)
        try await deletes(log, 20)
        let before = files.count
        disk.set([.init(operation: "remove", code: EIO, count: 1)])
        guard case .kept = await log.retire(before: Self.all, upTo: .max, setting: "keep") else {
            Issue.record("a failed removal was not told")
            return
        }
        await log.close()
        #expect(try files.count >= before && reader.verify().isIntact)
        let next = try await AuditLog.open(folder: "audit", options: options)
        await next.close()
        #expect(files.count < before)
        #expect(try reader.verify().isIntact && reader.verify(checkpoint()) == .holds)
    }
}
