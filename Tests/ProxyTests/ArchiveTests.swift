// Archived objects on disk: what is written, under which name, and what is no file of the archive.

import Audit
import ClashAPI
import FoundationEssentials
import Glibc
import HTTPTypes
import Synchronization
import TestSupport
import Testing

@testable import Proxy

@Suite("The archive on disk") struct ArchiveTests {
    private let plain = Array(String(repeating: #"{"clash":"a","distance":0.5},"#, count: 40_000).utf8)

    private func withFolder(_ body: (ArchiveFolder) async throws -> Void) async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        try await body(ArchiveFolder(path: folder.path + "/archive"))
    }

    private func names(_ path: String) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted()
    }

    private func keep(
        _ bytes: [UInt8], in folder: ArchiveFolder, piece: Int = 70_000, year: String = "2026"
    ) async throws -> ArchivedFile {
        let kept = Mutex(0)
        let writer = try ArchiveWriter(folder, number: "n\(UInt64.random(in: 0...(.max)))") { _ in
            kept.withLock { $0 += 1 }
        }
        for start in stride(from: 0, to: bytes.count, by: piece) {
            try await writer.add(Array(bytes[start..<min(start + piece, bytes.count)]))
        }
        let file = try await writer.finish(year: year)
        #expect(kept.withLock { $0 } == 1)
        return file
    }

    @Test(
        "what is kept is read back byte for byte, under the hash of its plain bytes, for its owner alone",
        arguments: [1, 7_000, 5_000_000])
    func kept(_ piece: Int) async throws {
        try await withFolder { folder in
            let bytes = piece == 1 ? Array(plain.prefix(3_000)) : plain
            let file = try await keep(bytes, in: folder, piece: piece)
            #expect(file.bytes == bytes.count && file.path == "2026/\(file.sha256).json.gz")
            var back: [UInt8] = []
            let found = try folder.read(file.path) {
                back += $0
                return true
            }
            #expect(back == bytes && found.sha256 == file.sha256 && found.bytes == bytes.count)
            let path = "\(folder.path)/\(file.path)"
            var status = stat()
            #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
            #expect(stat(folder.path, &status) == 0 && status.st_mode & 0o777 == 0o700)
            if piece > 1 { #expect(Int(try Data(contentsOf: URL(filePath: path)).count) < bytes.count / 10) }
            #expect(names(folder.path) == ["2026"], "nothing unfinished stays")
            #expect(try folder.files().map(\.path) == [file.path])
        }
    }

    @Test("equal bytes of a year are one file, of another year another; a spoilt one is healed")
    func equal() async throws {
        try await withFolder { folder in
            let first = try await keep(plain, in: folder)
            let path = "\(folder.path)/\(first.path)"
            try Data([1, 2, 3]).write(to: URL(filePath: path))
            #expect(try await keep(plain, in: folder) == first)
            #expect(try folder.read(first.path).sha256 == first.sha256)
            let next = try await keep(plain, in: folder, year: "2027")
            #expect(next.sha256 == first.sha256 && names(folder.path) == ["2026", "2027"])
            #expect(names("\(folder.path)/2026").count == 1)
        }
    }

    @Test("a disk that is full leaves nothing behind, wherever it gets full", arguments: [0, 1, 1_000])
    func full(_ room: Int) async throws {
        try await withFolder { folder in
            let left = Mutex(room)
            var small = folder
            small.write = { descriptor, bytes in
                let count = left.withLock { left in
                    defer { left -= min(left, bytes.count) }
                    return min(left, bytes.count)
                }
                guard count > 0 else {
                    errno = ENOSPC
                    return -1
                }
                return Glibc.write(descriptor, bytes.baseAddress, count)
            }
            await #expect(throws: ArchiveTrouble.self) { try await keep(plain, in: small) }
            #expect(names(folder.path).isEmpty)
        }
    }

    @Test("what is given up, or has no end, is no file")
    func givenUp() async throws {
        try await withFolder { folder in
            let writer = try ArchiveWriter(folder, number: "1") { _ in Issue.record("kept") }
            try await writer.add(plain)
            await writer.giveUp()
            #expect(names(folder.path).isEmpty)
        }
    }

    @Test("no link is followed: not the folder, not a year, not a file")
    func links() async throws {
        try await withFolder { folder in
            let file = try await keep(plain, in: folder)
            let elsewhere = folder.path + "-elsewhere"
            rename("\(folder.path)/2026", elsewhere)
            symlink(elsewhere, "\(folder.path)/2026")
            #expect(throws: ArchiveTrouble.self) { try folder.read(file.path) }
            await #expect(throws: ArchiveTrouble.self) { try await keep(plain, in: folder) }
            #expect(try folder.files().isEmpty)
            unlink("\(folder.path)/2026")
            mkdir("\(folder.path)/2026", 0o700)
            symlink("\(elsewhere)/\(file.sha256).json.gz", "\(folder.path)/\(file.path)")
            #expect(throws: ArchiveTrouble.self) { try folder.read(file.path) }
            #expect(try folder.files().isEmpty)
            // Its own file takes the link's place.
            _ = try await keep(plain, in: folder)
            #expect(try folder.files().map(\.path) == [file.path])
            let linked = ArchiveFolder(path: folder.path + "-link")
            symlink(folder.path, linked.path)
            #expect(throws: ArchiveTrouble.self) { try linked.read(file.path) }
            await #expect(throws: ArchiveTrouble.self) { try await keep(plain, in: linked) }
        }
    }

    @Test("names that lead elsewhere are none")
    func foreignNames() async throws {
        try await withFolder { folder in
            _ = try await keep(plain, in: folder)
            for name in ["", "2026", "../2026/x", "/etc/passwd", "2026/../2026", "20/26/x", "abcd/x"] {
                #expect(throws: ArchiveTrouble.self, "\(name)") { try folder.read(name) }
            }
        }
    }

    @Test("what a killed process left unfinished is removed, what another is writing is not")
    func leftovers() async throws {
        try await withFolder { folder in
            #expect(try folder.removeLeftovers() == 0)
            let file = try await keep(plain, in: folder)
            try Data([1]).write(to: URL(filePath: "\(folder.path)/dead.part"))
            let writer = try ArchiveWriter(folder, number: "alive") { _ in }
            try await eventually("it has begun") { names(folder.path).contains("alive.part") }
            #expect(try folder.removeLeftovers() == 1)
            #expect(names(folder.path) == ["2026", "alive.part"])
            await writer.giveUp()
            #expect(try folder.files().map(\.path) == [file.path])
        }
    }

    @Test("a file that was changed, cut or added to is not read as if it were whole")
    func damaged() async throws {
        try await withFolder { folder in
            let file = try await keep(plain, in: folder)
            let path = URL(filePath: "\(folder.path)/\(file.path)")
            let good = try Data(contentsOf: path)
            for (place, bytes) in [
                ("cut", good.dropLast(1)), ("half", good.prefix(good.count / 2)), ("empty", Data()),
                ("added", good + [0x41]),
            ] {
                try Data(bytes).write(to: path)
                #expect(throws: ArchiveTrouble.self, "\(place)") { try folder.read(file.path) }
            }
            for index in stride(from: 12, to: good.count, by: max(1, good.count / 40)) {
                var bytes = good
                bytes[index] ^= 0x10
                try bytes.write(to: path)
                #expect((try? folder.read(file.path))?.sha256 != file.sha256, "byte \(index)")
            }
        }
    }

    // MARK: What is kept

    private func plan(_ method: HTTPRequest.Method, _ target: String, _ body: String = "") -> ArchivePlan {
        let route = ClashAPI.match(method: method, target: target)
        var classifier = BodyClassifier(route: route, headers: [:], always: true)
        _ = classifier.consume(Array(body.utf8))
        return ArchivePlan(route.resolve(body: route.bodyDecides ? classifier.finish() : .empty))
    }

    @Test("whole reports and the results of runs are kept, and nothing of other kinds")
    func plans() {
        let base = "/clash-detection/itwins/d5baf029-f041-4756-b717-a7011de099da"
        let jobs = #"{"jobs":["a","b"],"operation":"delete"}"#
        #expect(plan(.post, "\(base)/reports/jobs/deletion", jobs) == .objects(["a", "b"]))
        #expect(plan(.post, "\(base)/runs/jobs", jobs) == .objects(["a", "b"]))
        #expect(plan(.post, "\(base)/runs/jobs/deletion", jobs) == .objects(["a", "b"]))
        #expect(plan(.delete, "/clashdetection/runs/x") == .objects(["x"]))
        for (method, target, body): (HTTPRequest.Method, String, String) in [
            (.post, "\(base)/tests/jobs/deletion", jobs), (.delete, "\(base)/suppression-rules/x", ""),
            (.delete, "/clashdetection/tests/x", ""), (.delete, "/clashdetection/suppressionrules/x", ""),
            (.delete, "\(base)/manual-suppressions/x", ""), (.delete, "\(base)/other/x", ""),
            (.post, "\(base)/runs/jobs", #"{"jobs":[],"operation":"run"}"#), (.get, "\(base)/reports/x", ""),
            (.post, "\(base)/manual-suppressions", "{"),
        ] {
            #expect(plan(method, target, body) == .nothing, "\(method) \(target)")
        }
        for (target, body) in [
            ("\(base)/reports/jobs/deletion", "{"), ("\(base)/runs/jobs", "{"),
            ("\(base)/reports/jobs/deletion", #"{"jobs":[],"operation":"delete"}"#),
            ("\(base)/reports/jobs/deletion", ""),
        ] {
            guard case .unknown = plan(.post, target, body) else {
                Issue.record("\(target) \(body): \(plan(.post, target, body))")
                continue
            }
        }
    }

    @Test("the answer to a read of a run says where its result is, or that it has none")
    func results() {
        func result(_ run: String) -> ResultOfRun { ResultOfRun(Array(#"{"run":\#(run)}"#.utf8)) }
        #expect(result(#"{"resultId":"Ab-_9"}"#) == .at(target: "/clashdetection/results/Ab-_9", id: "Ab-_9"))
        #expect(result(#"{"resultId":null}"#) == .none)
        #expect(result(#"{"resultId":"","status":"completed"}"#) == .none)
        #expect(result(#"{"status":"inProgress"}"#) == .none)
        for untold in [#"{"status":"completed"}"#, "{}", #"{"resultId":7}"#, #"{"resultId":"../x"}"#, "[]"] {
            #expect(result(untold) == .untold, "\(untold)")
        }
        #expect(ResultOfRun(Array("<html>".utf8)) == .untold)
    }
}
