// Reads the log behind its writer, file by file, for those who get copies: out of the files, so that nothing is lost with the
// process, and never past what is durable.

/// A record on its way to somebody else.
package struct FollowedRecord: Sendable, Equatable {
    /// Its number and hash.
    package let head: AuditHead
    /// When it was written, as it says itself.
    package let time: String
    /// Its event.
    package let event: String
    /// Byte for byte, without its line end.
    package let line: [UInt8]

    init?(_ line: Span<UInt8>) {
        guard let frame = LineFrame(line), let start = LineStart(line) else { return nil }
        head = AuditHead(seq: frame.seq, hash: line.text(frame.hash))
        time = line.text(start.time)
        event = start.event.rawValue
        self.line = unsafe line.withUnsafeBytes { unsafe Array($0) }
    }

    /// Its line with the snapshot left out, whose hash says nothing any more.
    package var withoutSnapshot: [UInt8] {
        guard var members = JSONMembers(line.span) else { return line }
        while let member = members.next(in: line.span) {
            guard line.span.text(member.key) == "snapshot" else { continue }
            return Array(line[..<(member.key.lowerBound - 2)] + line[member.value.upperBound...])
        }
        return line
    }
}

/// Where somebody is in a log. Used by one at a time; its calls block on the file system.
package struct LogFollower: Sendable {
    private let folder: LogFolder
    private let fileSystem: any FileSystem
    /// The number of the next record.
    package private(set) var next: UInt64
    private var place: (name: LogFileName, offset: Int64)?

    /// Begins behind the record `seq`.
    package init(folder: String, after seq: UInt64) {
        self.init(folder: folder, after: seq, fileSystem: PosixFileSystem())
    }

    init(folder: String, after seq: UInt64, fileSystem: any FileSystem) {
        (self.folder, self.fileSystem, next) = (LogFolder(path: folder), fileSystem, seq + 1)
    }

    /// Goes on behind the record `seq`.
    package mutating func go(after seq: UInt64) {
        guard next != seq + 1 else { return }
        (next, place) = (seq + 1, nil)
    }

    /// The next records; none where there are no more.
    ///
    /// - Parameters:
    ///   - newest: of the log's durable records.
    ///   - maxBytes: of all their lines; one record is given however long it is.
    package mutating func read(
        upTo newest: UInt64, maxRecords: Int, maxBytes: Int
    ) throws(AuditReadFailure) -> [FollowedRecord] {
        var records: [FollowedRecord] = []
        var bytes = 0
        let room = { (record: FollowedRecord) in
            records.isEmpty || records.count < maxRecords && bytes + record.line.count <= maxBytes
        }
        while next <= newest {
            let isDone = try AuditReadFailure.wrapping { () throws(FileFailure) in
                try readFile { record in
                    guard record.head.seq <= newest, room(record) else { return false }
                    bytes += record.line.count
                    records.append(record)
                    return true
                }
            }
            if isDone { break }
        }
        return records
    }

    /// Gives the records from here on to `take`, to the end of this file; true when there is no more, or `take` has said false.
    private mutating func readFile(_ take: (FollowedRecord) -> Bool) throws(FileFailure) -> Bool {
        let files = try folder.files(in: fileSystem)
        let (first, wanted) = (files.first, files.last { $0.first <= next })
        guard var place = place ?? (wanted ?? first).map({ (name: $0, offset: Int64(0)) }) else { return true }
        defer { self.place = place }
        guard files.contains(place.name) else {
            // Retired, or moved away: what is left begins behind it.
            guard let later = files.first(where: { $0.first > place.name.first }) else { return true }
            place = (later, 0)
            return false
        }
        let file = try fileSystem.open(folder.path(of: place.name.text), .read)
        defer { fileSystem.close(file) }
        var reader = LineReader(
            file, in: fileSystem, from: place.offset, size: try fileSystem.status(file).size)
        while let line = try reader.next(), line.isTerminated {
            let end = line.offset + Int64(line.range.count) + 1
            if let record = reader.with(line, { FollowedRecord($0) }), record.head.seq >= next {
                guard take(record) else { return true }
                next = record.head.seq + 1
            }
            place.offset = end
        }
        guard let later = files.first(where: { $0.first > place.name.first }) else { return true }
        place = (later, 0)
        return false
    }
}
