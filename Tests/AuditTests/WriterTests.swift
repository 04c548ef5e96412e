import Glibc
import Synchronization
import TestSupport
import Testing

@testable import Audit

@Suite("The writer")
struct WriterTests {
    @Test("many records at once share few syncs, and each one's number is its own")
    func groupCommit() async throws {
        let disk = MemoryFileSystem()
        let log = try await AuditLog.open(folder: "audit", options: .memory(disk))
        let seqs = try await withThrowingTaskGroup { group in
            for index in 0..<300 {
                group.addTask { try await log.append(AuditIntent(call: .make("c-\(index)"))).seq }
            }
            return try await group.reduce(into: Set<UInt64>()) { $0.insert($1) }
        }
        #expect(seqs == Set(2...301))
        let status = log.status
        #expect(status.records == 301 && status.head.seq == 301 && status.openIntents == 300)
        #expect(
            Int(status.batches) == disk.syncs && disk.writes == disk.syncs + 1,
            "one write to the lock file, else one for each sync")
        await log.close()
    }

    @Test("a failed write refuses the delete, keeps the outcome, and both are right again after the repair")
    func outcomeKept() async throws {
        let disk = MemoryFileSystem()
        let clock = HandClock()
        let log = try await AuditLog.open(folder: "audit", options: .memory(disk, clock: clock))
        let receipt = try await log.append(AuditIntent(call: .make("c-1")))
        disk.set([.init(operation: "write", code: ENOSPC, partial: 150), .init(operation: "open", code: EIO)])
        guard case .kept(let trouble) = await log.append(.deleted, for: receipt) else {
            Issue.record("the outcome was not kept")
            return
        }
        #expect(trouble.cause == .diskFull && trouble.detail.contains("No space left on device"))
        await #expect(throws: AuditUnavailable.self) { try await log.append(AuditIntent(call: .make("c-2"))) }
        #expect(log.status.waiting == 1 && log.status.head.seq == 2)

        disk.set([])
        clock.advance(.seconds(3))
        let second = try await log.append(AuditIntent(call: .make("c-3")))
        await log.append(.deleted, for: second)
        await log.close()
        let verification = try AuditReader(folder: "audit", fileSystem: disk).verify()
        #expect(verification.findings.isEmpty && verification.setAside.isEmpty)
        var events: [String] = []
        try AuditReader(folder: "audit", fileSystem: disk).records { record in
            events.append("\(record.event) \(record.call.id)")
            return true
        }
        #expect(
            events == [
                "opened ", "intent c-1", "opened ", "outcome c-1", "intent c-3", "outcome c-3", "closed ",
            ])
    }

    @Test("a disk that became read-only refuses deletes with its own words and heals when that is over")
    func readOnly() async throws {
        let disk = MemoryFileSystem()
        let clock = HandClock()
        let log = try await AuditLog.open(folder: "audit", options: .memory(disk, clock: clock))
        let operations = ["write", "open", "truncate", "reserve", "sync"]
        disk.set(operations.map { .init(operation: $0, code: EROFS) })
        for _ in 0..<5 {
            do throws(AuditUnavailable) {
                _ = try await log.append(AuditIntent(call: .make("c-1")))
                Issue.record("accepted")
            } catch {
                #expect(error.cause == .io && error.detail.hasSuffix("Read-only file system"))
                #expect(error.retryAfter > .zero && error.retryAfter <= .seconds(2))
            }
            clock.advance(.seconds(2))
        }
        disk.set([])
        _ = try await log.append(AuditIntent(call: .make("c-2")))
        #expect(log.status.health == .ready)
        await log.close()
        #expect(try AuditReader(folder: "audit", fileSystem: disk).verify().findings.isEmpty)
    }

    @Test("the record written after a failure says what had happened")
    func told() async throws {
        let disk = MemoryFileSystem()
        let clock = HandClock()
        let log = try await AuditLog.open(folder: "audit", options: .memory(disk, clock: clock))
        disk.set([.init(operation: "sync", code: EIO, count: 1)])
        await #expect(throws: AuditUnavailable.self) { try await log.append(AuditIntent(call: .make("c-1"))) }
        clock.advance(.seconds(1))
        _ = try await log.append(AuditIntent(call: .make("c-2")))
        let content = try #require(disk.content("audit/\(firstFile)"))
        let line = try #require(lines(content).dropFirst().first)
        #expect(line.contains(#""event":"opened","reason":"clash-proxy test goes on after: sync audit/audit-0"#))
        #expect(!line.contains("c-1"))
        await log.close()
    }

    @Test("a cancelled task gets its error at once even when the disk hangs, and its intent is closed as not sent")
    func cancelled() async throws {
        let disk = HangingFileSystem()
        var options = AuditOptions.memory(disk.memory)
        options.fileSystem = disk
        let log = try await AuditLog.open(folder: "audit", options: options)
        disk.hangs.withLock { $0 = true }
        let task = Task { try await log.append(AuditIntent(call: .make("c-1"))) }
        try await eventually("the writer hangs in its write") { disk.isHanging.withLock { $0 } }
        task.cancel()
        let result = await task.result
        guard case .failure(let error as AuditUnavailable) = result else {
            Issue.record("\(result)")
            return
        }
        #expect(error.cause == .cancelled)
        disk.hangs.withLock { $0 = false }
        await log.close()
        var rows: [AuditRow] = []
        try AuditReader(folder: "audit", fileSystem: disk.memory).rows { row in
            rows.append(row)
            return true
        }
        #expect(rows.map(\.result) == ["not_sent"] && rows.map(\.call.id) == ["c-1"])
    }

    @Test("a record that is too long is refused and the log stays healthy")
    func tooLong() async throws {
        let disk = MemoryFileSystem()
        let log = try await AuditLog.open(folder: "audit", options: .memory(disk))
        let objects = (0..<40_000).map { "4b2f0c1e-0000-4000-8000-0000000\($0)" }
        do throws(AuditUnavailable) {
            _ = try await log.append(AuditIntent(call: .make(objects: objects)))
            Issue.record("accepted")
        } catch {
            #expect(error.cause == .tooLarge)
        }
        #expect(log.status.health == .ready)
        await log.close()
    }

    @Test("files follow each other under the number of their first record and no batch makes one longer than asked")
    func rotation() async throws {
        let disk = MemoryFileSystem()
        let log = try await AuditLog.open(folder: "audit", options: .memory(disk, rotateBytes: 4000))
        for index in 0..<40 { _ = try await log.append(AuditIntent(call: .make("c-\(index)"))) }
        await log.close()
        let names = disk.names.filter { $0.hasSuffix(".jsonl") }
        #expect(names.count > 4)
        for name in names {
            let content = try #require(disk.content(name))
            #expect(content.count <= 4000)
            let first = try #require(LogFileName(String(name.dropFirst(6)))).first
            #expect(readRecord(Array(lines(content)[0].utf8))?.seq == first)
        }
        #expect(try AuditReader(folder: "audit", fileSystem: disk).verify().findings.isEmpty)
    }

    @Test("a log that nobody holds any more ends its thread and gives the folder free")
    func dropped() async throws {
        let disk = MemoryFileSystem()
        do {
            let log = try await AuditLog.open(folder: "audit", options: .memory(disk))
            _ = try await log.append(AuditIntent(call: .make()))
        }
        var again: AuditLog?
        for _ in 0..<20_000 where again == nil {
            again = try? await AuditLog.open(folder: "audit", options: .memory(disk))
            try await Task.sleep(for: .milliseconds(1))
        }
        let log = try #require(again)
        #expect(log.recovery.openIntents.count == 1)
        await log.close()
    }
}

/// A disk whose sync does not return while a test says so.
private final class HangingFileSystem: FileSystem {
    let memory = MemoryFileSystem()
    let hangs = Mutex(false)
    let isHanging = Mutex(false)

    func sync(_ file: FileHandle) throws(FileFailure) {
        while hangs.withLock({ $0 }) {
            isHanging.withLock { $0 = true }
            usleep(500)
        }
        try memory.sync(file)
    }

    func createFolder(_ path: String) throws(FileFailure) -> Bool { try memory.createFolder(path) }
    func status(_ path: String) throws(FileFailure) -> FileStatus? { try memory.status(path) }
    func setMode(_ path: String, _ mode: UInt32) throws(FileFailure) { try memory.setMode(path, mode) }
    func list(_ folder: String) throws(FileFailure) -> [String] { try memory.list(folder) }
    func syncFolder(_ path: String) throws(FileFailure) { try memory.syncFolder(path) }
    func rename(_ path: String, to target: String) throws(FileFailure) { try memory.rename(path, to: target) }
    func remove(_ path: String) throws(FileFailure) { try memory.remove(path) }
    func open(_ path: String, _ access: FileAccess) throws(FileFailure) -> FileHandle { try memory.open(path, access) }
    func status(_ file: FileHandle) throws(FileFailure) -> FileStatus { try memory.status(file) }
    func read(_ file: FileHandle, at offset: Int64, into buffer: UnsafeMutableRawBufferPointer) throws(FileFailure)
        -> Int
    {
        try memory.read(file, at: offset, into: buffer)
    }
    func write(_ file: FileHandle, _ bytes: UnsafeRawBufferPointer) throws(FileFailure) -> Int {
        try memory.write(file, bytes)
    }
    func truncate(_ file: FileHandle, to size: Int64) throws(FileFailure) { try memory.truncate(file, to: size) }
    func reserve(_ file: FileHandle, from offset: Int64, length: Int64) throws(FileFailure) {
        try memory.reserve(file, from: offset, length: length)
    }
    func close(_ file: FileHandle) { memory.close(file) }
    func lock(_ path: String) throws(FileFailure) -> FileHandle { try memory.lock(path) }
}
