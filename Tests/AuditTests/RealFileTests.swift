import Glibc
import Testing

@testable import Audit

@Suite("On a real disk")
struct RealFileTests {
    private let clock = HandClock()

    private var options: AuditOptions {
        let clock = clock
        return AuditOptions(software: "clash-proxy test", now: { clock.now })
    }

    private func mode(_ path: String) throws -> UInt32? { try PosixFileSystem().status(path)?.mode }

    private func cause(_ body: () async throws -> Void) async -> AuditUnavailable? {
        do {
            try await body()
            return nil
        } catch {
            return error as? AuditUnavailable
        }
    }

    @Test("a new folder is 0700, its files 0600")
    func permissions() async throws {
        let folder = try LogFolder()
        let path = "\(folder.path)/log"
        let log = try await AuditLog.open(folder: path, options: options)
        #expect(try mode(path) == 0o700)
        #expect(try mode("\(path)/\(firstFile)") == 0o600 && mode("\(path)/audit.lock") == 0o600)
        await log.close()
        #expect(try AuditReader(folder: path).verify().records == 2)
    }

    @Test("a second writer is refused also where somebody has removed the lock file")
    func removedLockFile() async throws {
        let folder = try LogFolder()
        let first = try await AuditLog.open(folder: folder.path, options: options)
        unlink("\(folder.path)/audit.lock")
        await #expect(throws: AuditOpenFailure.self) { try await AuditLog.open(folder: folder.path, options: options) }
        _ = try await first.append(AuditIntent(call: .make("after")))
        await first.close()
        #expect(try AuditReader(folder: folder.path).verify().findings.isEmpty)
        let second = try await AuditLog.open(folder: folder.path, options: options)
        #expect(second.recovery.openIntents.count == 1)
        await second.close()
    }

    @Test("others' rights on the folder or on a file are taken away and told", arguments: [0o777, 0o755, 0o750])
    func repairedPermissions(folderMode: UInt32) async throws {
        let folder = try LogFolder()
        let first = try await AuditLog.open(folder: folder.path, options: options)
        await first.close()
        chmod(folder.path, folderMode)
        chmod("\(folder.path)/\(firstFile)", folderMode & 0o666)
        let log = try await AuditLog.open(folder: folder.path, options: options)
        #expect(
            log.recovery.notes == [
                "the folder was open to others (mode 0\(String(folderMode, radix: 8))); it is 0700 now",
                "\(firstFile) was open to others (mode 0\(String(folderMode & 0o666, radix: 8))); it is 0600 now",
            ])
        #expect(try mode(folder.path) == 0o700 && mode("\(folder.path)/\(firstFile)") == 0o600)
        await log.close()
    }

    @Test("a second writer is refused with the first one's process id, and may come when the first has gone")
    func secondWriter() async throws {
        let folder = try LogFolder()
        let log = try await AuditLog.open(folder: folder.path, options: options)
        await #expect(throws: AuditOpenFailure.locked(folder: folder.path, owner: "pid \(getpid())")) {
            try await AuditLog.open(folder: folder.path, options: options)
        }
        await log.close()
        let next = try await AuditLog.open(folder: folder.path, options: options)
        await next.close()
    }

    @Test("a path that is a file is no folder; a missing parent is told")
    func noFolder() async throws {
        let folder = try LogFolder()
        try folder.write("file", [1])
        await #expect(throws: AuditOpenFailure.self) {
            try await AuditLog.open(folder: "\(folder.path)/file", options: options)
        }
        await #expect(throws: AuditOpenFailure.self) {
            try await AuditLog.open(folder: "\(folder.path)/no/such", options: options)
        }
    }

    @Test("a removed file is noticed before the delete is allowed; then the log goes on and the gap stays visible")
    func removed() async throws {
        let folder = try LogFolder()
        let log = try await AuditLog.open(folder: folder.path, options: options)
        let receipt = try await log.append(AuditIntent(call: .make("c-1")))
        unlink("\(folder.path)/\(firstFile)")
        let trouble = await cause { _ = try await log.append(AuditIntent(call: .make("c-2"))) }
        #expect(trouble?.cause == .removed && trouble?.detail.contains(firstFile) == true)
        clock.advance(.seconds(1))
        _ = try await log.append(AuditIntent(call: .make("c-3")))
        #expect(await log.append(.deleted, for: receipt) == .durable(seq: 5))
        await log.close()
        let result = try AuditReader(folder: folder.path).verify()
        #expect(result.findings == [.missing(first: 1, last: 2, before: LogFileName(first: 3).text)])
        let content = try folder.read(LogFileName(first: 3).text)
        let opened = try #require(lines(content).first)
        #expect(opened.contains("records 1 to 2 were in \(firstFile), which was removed while in use"))
    }

    @Test("a file replaced by a changed copy is noticed; nothing is written into the stranger")
    func replaced() async throws {
        let folder = try LogFolder()
        let log = try await AuditLog.open(folder: folder.path, options: options)
        _ = try await log.append(AuditIntent(call: .make("c-1")))
        var copy = try folder.read(firstFile)
        copy.removeLast(300)
        try folder.write(firstFile, copy)
        let trouble = await cause { _ = try await log.append(AuditIntent(call: .make("c-2"))) }
        #expect(trouble?.cause == .replaced)
        clock.advance(.seconds(1))
        _ = try await log.append(AuditIntent(call: .make("c-3")))
        await log.close()
        #expect(try folder.read(firstFile) == copy)
        #expect(try !AuditReader(folder: folder.path).verify().isIntact)
        let again = try await AuditLog.open(folder: folder.path, options: options)
        await again.close()
    }

    @Test("a file replaced by an exact copy is gone on with")
    func copied() async throws {
        let folder = try LogFolder()
        let log = try await AuditLog.open(folder: folder.path, options: options)
        try folder.write(firstFile, try folder.read(firstFile))
        #expect(await cause { _ = try await log.append(AuditIntent(call: .make("c-1"))) }?.cause == .replaced)
        clock.advance(.seconds(1))
        _ = try await log.append(AuditIntent(call: .make("c-2")))
        await log.close()
        #expect(try AuditReader(folder: folder.path).verify().findings.isEmpty)
    }

    @Test("bytes that somebody else appended are noticed and set aside")
    func appended() async throws {
        let folder = try LogFolder()
        let log = try await AuditLog.open(folder: folder.path, options: options)
        let file = Glibc.open("\(folder.path)/\(firstFile)", O_WRONLY | O_APPEND)
        #expect(write(file, "graffiti\n", 9) == 9)
        close(file)
        #expect(await cause { _ = try await log.append(AuditIntent(call: .make("c-1"))) }?.cause == .changed)
        clock.advance(.seconds(1))
        _ = try await log.append(AuditIntent(call: .make("c-2")))
        await log.close()
        let result = try AuditReader(folder: folder.path).verify()
        #expect(result.findings.isEmpty && result.setAside == ["audit-00000000000000000001.torn-1"])
        #expect(try folder.read("audit-00000000000000000001.torn-1").starts(with: Array("graffiti\n".utf8)))
    }

    @Test("a removed folder is not made anew behind the administrator's back; the log goes on once it is there again")
    func removedFolder() async throws {
        let folder = try LogFolder()
        let path = "\(folder.path)/log"
        let log = try await AuditLog.open(folder: path, options: options)
        try PosixFileSystem().rename(path, to: "\(folder.path)/away")
        #expect(await cause { _ = try await log.append(AuditIntent(call: .make("c-1"))) }?.cause == .removed)
        clock.advance(.seconds(1))
        #expect(await cause { _ = try await log.append(AuditIntent(call: .make("c-2"))) }?.cause == .removed)
        #expect(try PosixFileSystem().status(path) == nil)
        try PosixFileSystem().rename("\(folder.path)/away", to: path)
        clock.advance(.seconds(3))
        _ = try await log.append(AuditIntent(call: .make("c-3")))
        await log.close()
        #expect(try AuditReader(folder: path).verify().findings.isEmpty)
    }

    @Test("records of many concurrent calls on a real disk verify, rotated and reopened")
    func concurrent() async throws {
        let folder = try LogFolder()
        var options = options
        options.rotateBytes = 20_000
        for life in 0..<3 {
            let log = try await AuditLog.open(folder: folder.path, options: options)
            #expect(log.recovery.openIntents.isEmpty)
            await withTaskGroup { group in
                for index in 0..<100 {
                    group.addTask {
                        guard let receipt = try? await log.append(AuditIntent(call: .make("\(life)-\(index)"))) else {
                            Issue.record("refused")
                            return
                        }
                        await log.append(.deleted, for: receipt)
                    }
                }
            }
            await log.close()
        }
        let result = try AuditReader(folder: folder.path).verify()
        #expect(result.findings.isEmpty && result.records == 3 * 202 && result.files > 5)
    }
}
