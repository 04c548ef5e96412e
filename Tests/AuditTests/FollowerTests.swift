// Who reads behind the writer: every durable record once, in order, over rotated and retired files; where it stands on disk.

import Glibc
import Testing

@testable import Audit

@Suite("Following the log")
struct FollowerTests {
    private let disk = MemoryFileSystem()
    private let clock = HandClock()

    private func log(rotateBytes: Int64 = 4_000) async throws -> AuditLog {
        try await AuditLog.open(folder: "audit", options: .memory(disk, clock: clock, rotateBytes: rotateBytes))
    }

    private func deletes(_ log: AuditLog, _ count: Int) async throws {
        for index in 0..<count {
            await log.append(.deleted, for: try await log.append(AuditIntent(call: .make("c-\(index)"))))
        }
    }

    private var files: [String] { disk.names.filter { $0.hasSuffix(".jsonl") } }
    private var all: [String] { files.flatMap { lines(disk.content($0) ?? []) } }

    private func texts(_ records: [FollowedRecord]) -> [String] {
        records.map { String(decoding: $0.line, as: UTF8.self) }
    }

    @Test("every record comes once, in order and byte for byte, over rotated files, and none before it is durable")
    func follows() async throws {
        let log = try await log()
        var follower = LogFollower(folder: "audit", after: 0, fileSystem: disk)
        var seen: [FollowedRecord] = []
        for _ in 0..<6 {
            try await deletes(log, 3)
            let newest = log.status.head.seq
            #expect(try follower.read(upTo: UInt64(seen.count), maxRecords: 9, maxBytes: 1 << 20).isEmpty)
            while case let more = try follower.read(upTo: newest - 1, maxRecords: 4, maxBytes: 1 << 20), !more.isEmpty {
                #expect(more.count <= 4)
                seen += more
            }
            #expect(seen.last?.head.seq == newest - 1, "the newest was not asked for")
        }
        seen += try follower.read(upTo: .max, maxRecords: 100, maxBytes: 1)
        await log.close()
        #expect(files.count > 3)
        #expect(texts(seen) == Array(all.dropLast()))
        #expect(
            seen[1].event == "intent" && seen[1].line.starts(with: Array(#"{"seq":2,"time":"\#(seen[1].time)""#.utf8)))
        #expect(try follower.read(upTo: .max, maxRecords: 100, maxBytes: 1).map(\.event) == ["closed"])
        #expect(try follower.read(upTo: .max, maxRecords: 100, maxBytes: 1).isEmpty)
    }

    @Test("it begins anywhere, goes back, and passes over what is gone or no record")
    func places() async throws {
        let log = try await log()
        try await deletes(log, 12)
        await log.close()
        let (all, first) = (all, try #require(LogFileName(String(files[1].dropFirst(6)))).first)
        var follower = LogFollower(folder: "audit", after: 5, fileSystem: disk)
        #expect(texts(try follower.read(upTo: .max, maxRecords: 100, maxBytes: 1 << 20)) == Array(all.dropFirst(5)))
        follower.go(after: 20)
        #expect(texts(try follower.read(upTo: .max, maxRecords: 2, maxBytes: 1 << 20)) == Array(all[20..<22]))
        follower.go(after: 1)
        disk.delete(files[0])
        let rest = texts(try follower.read(upTo: .max, maxRecords: 100, maxBytes: 1 << 20))
        #expect(rest == Array(all.dropFirst(Int(first) - 1)))
        disk.modify(files[0]) { $0[3] = 0x20 }
        follower.go(after: 1)
        #expect(texts(try follower.read(upTo: .max, maxRecords: 100, maxBytes: 1 << 20)) == Array(rest.dropFirst()))
    }

    @Test("a line is taken without its snapshot, and nothing else of it changes")
    func snapshot() throws {
        let line = Array(
            #"{"seq":7,"time":"2026-11-22T07:41:03.004211Z","event":"intent","reason":"\"snapshot\":1","snapshot":{"a":[1,{"b":"}"}]},"prev":"\#(AuditHead.empty.hash)","hash":"\#(AuditHead.empty.hash)"}"#
                .utf8)
        let found = FollowedRecord(line.span)
        let record = try #require(found)
        #expect(record.line == line)
        #expect(
            String(decoding: record.withoutSnapshot, as: UTF8.self)
                == #"{"seq":7,"time":"2026-11-22T07:41:03.004211Z","event":"intent","reason":"\"snapshot\":1","prev":"\#(AuditHead.empty.hash)","hash":"\#(AuditHead.empty.hash)"}"#
        )
    }

    @Test("a position is read as it was written, by its own sink only, and is its owner's alone")
    func position() throws {
        let folder = try LogFolder()
        let (place, head) = (SinkPosition(folder: folder.path, sink: "a/b \u{1F600}"), AuditHead(seq: 12, hash: "ab"))
        #expect(try place.read() == nil)
        try place.write(AuditHead(seq: 3, hash: "cd"))
        try place.write(head)
        let name = "sink-a%2Fb%20%F0%9F%98%80.position"
        #expect(try place.read() == head && PosixFileSystem().status("\(folder.path)/\(name)")?.mode == 0o600)
        #expect(try PosixFileSystem().list(folder.path) == [name])
        try folder.write(name, Array("{\"seq\":1".utf8))
        #expect(throws: AuditReadFailure.self) { try place.read() }
        let long = String(repeating: "x", count: 300)
        #expect(SinkPosition.fileName(long + "1") != SinkPosition.fileName(long + "2"))
        #expect(SinkPosition.fileName(long).utf8.count < 200)
    }
}
