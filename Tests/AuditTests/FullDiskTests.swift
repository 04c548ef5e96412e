import Glibc
import TestSupport
import Testing

@testable import Audit

/// A file system of one megabyte in memory, or nil where this process may not mount one.
private final class SmallDisk: Sendable {
    private let folder: TemporaryFolder
    var path: String { folder.path }

    init?() {
        guard let folder = try? TemporaryFolder() else { return nil }
        self.folder = folder
        guard mount("tmpfs", folder.path, "tmpfs", 0, "size=1m") == 0 else {
            folder.remove()
            return nil
        }
    }

    deinit {
        umount2(path, Int32(MNT_DETACH))
        folder.remove()
    }

    static let isPossible = SmallDisk() != nil
}

@Suite("On a full disk", .enabled(if: SmallDisk.isPossible, "mounting a tmpfs needs CAP_SYS_ADMIN"))
struct FullDiskTests {
    @Test("a full disk refuses deletes, still takes the outcomes of those that were sent, and heals by itself")
    func full() async throws {
        let disk = try #require(SmallDisk())
        let path = "\(disk.path)/audit"
        let clock = HandClock()
        let log = try await AuditLog.open(folder: path, options: AuditOptions(now: { clock.now }))
        let receipts = try await withThrowingTaskGroup { group in
            for index in 0..<20 { group.addTask { try await log.append(AuditIntent(call: .make("c-\(index)"))) } }
            return try await group.reduce(into: [AuditReceipt]()) { $0.append($1) }
        }
        let ballast = try PosixFileSystem().open("\(disk.path)/ballast", .create)
        defer { PosixFileSystem().close(ballast) }
        while (try? PosixFileSystem().writeAll(ballast, [UInt8](repeating: 1, count: 4096))) != nil {}

        var refusal: AuditUnavailable?
        for index in 0..<2000 where refusal == nil {
            do throws(AuditUnavailable) {
                _ = try await log.append(AuditIntent(call: .make("full-\(index)")))
            } catch {
                refusal = error
            }
        }
        #expect(refusal?.cause == .diskFull)
        #expect(log.status.health != .ready)
        for receipt in receipts {
            guard case .durable = await log.append(.deleted, for: receipt) else {
                Issue.record("the outcome of \(receipt.seq) did not fit into the reserve")
                return
            }
        }
        try PosixFileSystem().truncate(ballast, to: 0)
        clock.advance(.seconds(3))
        log.wake()
        try await eventually("the log can be written again") { log.status.health == .ready }
        let receipt = try await log.append(AuditIntent(call: .make("after")))
        await log.append(.deleted, for: receipt)
        await log.close()
        let result = try AuditReader(folder: path).verify()
        #expect(result.findings.isEmpty && result.setAside.isEmpty)
    }
}
