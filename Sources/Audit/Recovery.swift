// The log at start: where its chain ends, with what a crash left behind set aside. An altered line in the middle is left
// where it is, for `verify` to tell; the chain goes on from the end.

/// Where the chain ends on disk.
struct ChainPlace: Sendable, Equatable {
    var file: LogFileName
    /// The length of the file up to and with its last acknowledged record.
    var size: Int64
}

/// What was found at start.
struct RecoveredChain: Sendable, Equatable {
    var head: AuditHead
    /// Nil for a log without files.
    var place: ChainPlace?
    /// Sentences for people and for the `opened` record.
    var notes: [String] = []
    var setAside: [String] = []
}

struct Recovery {
    let folder: LogFolder
    let fileSystem: any FileSystem

    private static let maxNotes = 5

    /// Reads the last file, sets aside what is torn, and finds the head.
    func run() throws(AuditOpenFailure) -> RecoveredChain {
        let files = try AuditOpenFailure.wrapping { () throws(FileFailure) in try folder.files(in: fileSystem) }
        guard let last = files.last else { return RecoveredChain(head: .empty) }
        let (prior, why) = try AuditOpenFailure.wrapping { () throws(FileFailure) in
            try headBefore(files.dropLast(), last)
        }
        var inspection = Inspection()
        var notes: [String] = []
        try AuditOpenFailure.wrapping { () throws(FileFailure) in
            try inspect(last, after: prior, &inspection, &notes)
        }
        guard let head = inspection.head ?? prior else {
            throw .damaged(file: folder.path(of: last.text), why: "holds no record, and \(why)")
        }
        return try AuditOpenFailure.wrapping { () throws(FileFailure) in
            try settle(last, inspection, RecoveredChain(head: head, notes: notes))
        }
    }

    private func inspect(
        _ name: LogFileName, after prior: AuditHead?, _ inspection: inout Inspection, _ notes: inout [String]
    ) throws(FileFailure) {
        let file = try fileSystem.open(folder.path(of: name.text), .read)
        defer { fileSystem.close(file) }
        let size = try fileSystem.status(file).size
        var reader = LineReader(file, in: fileSystem, size: size)
        var verifier = ChainVerifier(after: prior ?? .empty)
        if prior?.seq != name.first - 1 {
            // Not this file's fault: `verify` tells it, and the chain goes on from this file's end.
            if let prior { notes.append("records \(prior.seq + 1) to \(name.first - 1) are missing") }
            verifier.skip(to: name.first)
        }
        var told: [(line: Int, text: String)] = []
        try inspection.run(&reader, isLast: true, size: size, verifier: &verifier) { line, defect in
            if told.count < Self.maxNotes { told.append((line, "line \(line) of \(name.text) \(defect.text)")) }
        }
        let end = inspection.trailing?.line ?? .max
        notes += told.filter { $0.line < end }.map(\.text)
    }

    private func settle(
        _ last: LogFileName, _ inspection: Inspection, _ chain: RecoveredChain
    ) throws(FileFailure) -> RecoveredChain {
        var chain = chain
        let setAside = SetAside(folder: folder, fileSystem: fileSystem)
        var size = inspection.bytes
        if let trailing = inspection.trailing {
            let status = try fileSystem.status(folder.path(of: last.text))
            let torn = try setAside.tail(of: last, from: trailing.offset)
            let count = (status?.size ?? inspection.bytes) - trailing.offset
            chain.notes.append("torn tail: \(count) bytes of \(last.text) from line \(trailing.line) on are in \(torn)")
            chain.setAside.append(torn)
            size = trailing.offset
        }
        if size == 0, last.first != chain.head.seq + 1 {
            chain.setAside.append(try setAside.whole(last))
            return chain
        }
        chain.place = ChainPlace(file: last, size: size)
        return chain
    }

    /// The head before the last file, or why there is none.
    private func headBefore(
        _ files: ArraySlice<LogFileName>, _ last: LogFileName
    ) throws(FileFailure) -> (head: AuditHead?, why: String) {
        for name in files.reversed() {
            switch try lastRecord(of: name) {
            case .record(let head): return (head, "")
            case .noRecord: return (nil, "\(name.text) before it does not end with a record")
            case .empty: continue
            }
        }
        return (last.first == 1 ? .empty : nil, "the file before it is missing")
    }

    private enum LastRecord {
        case record(AuditHead), noRecord, empty
    }

    private func lastRecord(of name: LogFileName) throws(FileFailure) -> LastRecord {
        let file = try fileSystem.open(folder.path(of: name.text), .read)
        defer { fileSystem.close(file) }
        let size = try fileSystem.status(file).size
        if size == 0 { return .empty }
        let window = Int64(LineReader.maxLineBytes)
        var reader = LineReader(file, in: fileSystem, from: max(0, size - window), size: size)
        var found = LastRecord.noRecord
        while let line = try reader.next() {
            guard line.isTerminated else { return .noRecord }
            var verifier = ChainVerifier()
            _ = reader.with(line) { verifier.check($0) }
            found = verifier.head.map { .record($0) } ?? .noRecord
        }
        return found
    }
}
