// The keys' file on a real disk: what is there after a restart, a torn tail, a link, a second process.

import Glibc
import Ground
import HTTPTypes
import TestSupport
import Testing

@testable import Proxy

@Suite struct KeyFileTests {
    private let folder: TemporaryFolder
    private var path: String { "\(folder.path)/\(KeyFile.name)" }

    init() throws { folder = try TemporaryFolder() }

    private func claim(_ id: String) -> KeyBook.Record {
        .claimed(KeyBook.Claim(key: CallKey(id: id, owner: "o", request: "r"), time: 0, id: id))
    }

    private func read() throws -> (records: [KeyBook.Record], notes: [String]) {
        var (records, notes) = ([KeyBook.Record](), [String]())
        _ = try KeyFile.open(in: folder.path, notes: &notes) { records.append($0) }
        return (records, notes)
    }

    private func write(_ bytes: [UInt8]) {
        let file = open(path, O_WRONLY | O_APPEND | O_CLOEXEC)
        _ = Glibc.write(file, bytes, bytes.count)
        close(file)
    }

    @Test("what was appended is there when it is opened again, for its owner alone")
    func reopened() throws {
        defer { folder.remove() }
        #expect(try read().records.isEmpty)
        do {
            var notes: [String] = []
            var file = try KeyFile.open(in: folder.path, notes: &notes) { _ in }
            try file.append(claim("a").line + claim("b").line)
            try file.append(KeyBook.Record.released("a").line)
            #expect(throws: KeyFile.Trouble.self, "another process has it") { _ = try read() }
            _ = consume file
        }
        let (records, notes) = try read()
        #expect(records == [claim("a"), claim("b"), .released("a")] && notes.isEmpty)
        #expect(FileStatus(path: path, followsLinks: false)?.permissions == 0o600)
        chmod(path, 0o644)
        #expect(try read().notes == ["\(KeyFile.name) was open to others; it is 0600 now"])
        #expect(FileStatus(path: path, followsLinks: false)?.permissions == 0o600)
    }

    @Test("a torn tail is set aside and said so, and what stood before it counts", arguments: 1...3)
    func torn(kind: Int) throws {
        defer { folder.remove() }
        do {
            var notes: [String] = []
            var file = try KeyFile.open(in: folder.path, notes: &notes) { _ in }
            try file.append(claim("a").line)
            _ = consume file
        }
        let tail: [UInt8] =
            switch kind {
            case 1: Array(claim("b").line.dropLast(5))
            case 2: [UInt8](repeating: 0, count: 4_096)
            default: Array("garbage\nmore garbage\n".utf8)
            }
        write(tail)
        let (records, notes) = try read()
        #expect(records == [claim("a")])
        #expect(notes == ["torn tail: \(tail.count) bytes of \(KeyFile.name) are in \(KeyFile.name).torn-1"])
        #expect(try TextFileBytes.read("\(path).torn-1") == tail)
        #expect(try read() == ([claim("a")], []), "once")
    }

    @Test("a line in the middle that is no record is passed over and said so")
    func middle() throws {
        defer { folder.remove() }
        _ = try read()
        write(Array("garbage\n".utf8) + claim("a").line)
        let (records, notes) = try read()
        #expect(records == [claim("a")] && notes == ["1 lines of \(KeyFile.name) are no records and were passed over"])
    }

    @Test("no link is followed, and a folder or a pipe in its place is none")
    func links() throws {
        defer { folder.remove() }
        let target = "\(folder.path)/elsewhere"
        close(open(target, O_CREAT | O_WRONLY, 0o600))
        symlink(target, path)
        #expect(throws: KeyFile.Trouble.self) { _ = try read() }
        unlink(path)
        mkfifo(path, 0o600)
        #expect(throws: KeyFile.Trouble.self) { _ = try read() }
        unlink(path)
        #expect(throws: Never.self) { _ = try read() }
    }

    @Test("a file that was removed, moved away or replaced is not in place")
    func inPlace() throws {
        defer { folder.remove() }
        var notes: [String] = []
        let file = try KeyFile.open(in: folder.path, notes: &notes) { _ in }
        var places = [file.isInPlace]
        rename(path, path + ".aside")
        places.append(file.isInPlace)
        // A link to it is not it.
        symlink(path + ".aside", path)
        places.append(file.isInPlace)
        unlink(path)
        rename(path + ".aside", path)
        places.append(file.isInPlace)
        #expect(places == [true, false, false, true])
    }

    @Test("it is made anew in place, and appended to after that")
    func replaced() throws {
        defer { folder.remove() }
        do {
            var notes: [String] = []
            var file = try KeyFile.open(in: folder.path, notes: &notes) { _ in }
            try file.append(claim("a").line)
            try file.replace(with: claim("b").line)
            try file.append(claim("c").line)
            #expect(file.size == Int64(claim("b").line.count * 2))
            _ = consume file
        }
        #expect(try read().records == [claim("b"), claim("c")])
    }
}

private enum TextFileBytes {
    static func read(_ path: String) throws -> [UInt8] {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw KeyFile.Trouble("open \(path)") }
        defer { close(file) }
        var (bytes, buffer) = ([UInt8](), [UInt8](repeating: 0, count: 65_536))
        while case let count = Glibc.read(file, &buffer, buffer.count), count > 0 { bytes += buffer[..<count] }
        return bytes
    }
}
