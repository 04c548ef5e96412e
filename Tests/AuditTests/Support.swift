// What the suites share: a log on the disk in memory, a clock moved by hand, calls to record, folders that clean up.

import Glibc
import Synchronization
import TestSupport
import Testing

@testable import Audit

/// Time that stands still unless a test moves it.
final class HandClock: Sendable {
    private let instant = Mutex(ContinuousClock.now)
    private let wall = Mutex(AuditTime(microseconds: 1_795_332_063_004_211))

    var now: ContinuousClock.Instant { instant.withLock { $0 } }

    /// Each stamp is a millisecond later than the one before.
    var wallTime: AuditTime {
        wall.withLock { wall in
            wall.microseconds += 1000
            return wall
        }
    }

    func advance(_ duration: Duration) {
        instant.withLock { $0 += duration }
    }
}

/// SplitMix64: the same numbers for the same seed.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}

extension AuditOptions {
    static func memory(
        _ disk: MemoryFileSystem, clock: HandClock = HandClock(), rotateBytes: Int64 = 64 << 20
    ) -> AuditOptions {
        var options = AuditOptions(
            software: "clash-proxy test", rotateBytes: rotateBytes, wallTime: { clock.wallTime }, now: { clock.now })
        options.fileSystem = disk
        return options
    }
}

extension AuditCall {
    static func make(_ id: String = "c-1", caller: String = "dashboard", objects: [String] = ["r-1"]) -> AuditCall {
        AuditCall(
            id: id, operation: "v1.runs.delete", method: "DELETE",
            target: "/clashdetection/runs/\(objects.first ?? "")",
            objects: objects, itwin: "4b2f0c1e-0000-4000-8000-000000000001",
            caller: AuditCaller(name: caller, address: "127.0.0.1:50000", via: "key"), reason: "clean-up")
    }
}

extension AuditOutcome {
    static let deleted = AuditOutcome(result: .deleted, status: 204, attempts: 1, duration: .milliseconds(42))
}

/// A folder of its own, removed at the end, with the files of a log in it.
final class LogFolder: Sendable {
    private let folder: TemporaryFolder
    var path: String { folder.path }

    init() throws { folder = try TemporaryFolder() }

    deinit { folder.remove() }

    func read(_ name: String) throws -> [UInt8] {
        let file = try PosixFileSystem().open("\(path)/\(name)", .read)
        defer { PosixFileSystem().close(file) }
        return try PosixFileSystem().bytes(of: file, at: 0, count: Int(PosixFileSystem().status(file).size))
    }

    func write(_ name: String, _ bytes: [UInt8]) throws {
        if try PosixFileSystem().status("\(path)/\(name)") != nil { try PosixFileSystem().remove("\(path)/\(name)") }
        let file = try PosixFileSystem().open("\(path)/\(name)", .create)
        defer { PosixFileSystem().close(file) }
        try PosixFileSystem().writeAll(file, bytes)
    }
}

/// The lines of the log's only file.
func lines(_ bytes: [UInt8]) -> [String] {
    String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
}

let firstFile = LogFileName(first: 1).text

func readRecord(_ line: [UInt8]) -> AuditRecord? { AuditRecord(line.span) }

func decodeString(_ bytes: [UInt8]) -> String? { JSONString.decode(bytes.span, 0..<bytes.count) }

/// What a log told, in order.
final class Told: Sendable {
    private let texts = Mutex<[String?]>([])
    var all: [String?] { texts.withLock { $0 } }
    func add(_ text: String?) { texts.withLock { $0.append(text) } }
}
