// One pass over one file of the log, for verification and for recovery. What a crash can leave at the end of the last
// file (a torn tail) is told apart from what a crash cannot do.

/// Bytes at the end of the log that a crash left behind: never acknowledged to anybody.
struct TornTail: Sendable, Equatable {
    var line: Int
    var offset: Int64
}

struct Inspection {
    /// A crash can lose at most the batch that was being written: `WriterState.Limits.batchBytes` and one record.
    static let maxTornBytes: Int64 = 4 << 20

    /// Lines that carry their own right hash.
    private(set) var records: UInt64 = 0
    private(set) var bytes: Int64 = 0
    private(set) var torn: TornTail?
    /// The first of the lines at the end of the file that are no records, if there are such.
    private(set) var trailing: TornTail?
    /// Of the newest whole record that comes before `torn`.
    private(set) var head: AuditHead?

    /// Reads the file through.
    ///
    /// - Parameters:
    ///   - isLast: whether it is the log's last file, the only one that can have a torn tail.
    ///   - size: how long the file was when it was opened.
    ///   - found: told of each defect, but not of a torn tail.
    ///   - record: told of each record's hash.
    mutating func run(
        _ reader: inout LineReader, isLast: Bool, size: Int64, verifier: inout ChainVerifier,
        found: (_ line: Int, LineDefect) -> Void, record: (AuditHead) -> Void = { _ in }
    ) throws(FileFailure) {
        while let line = try reader.next() {
            bytes = line.offset + Int64(line.range.count) + (line.isTerminated ? 1 : 0)
            let place = TornTail(line: line.number, offset: line.offset)
            if isLast, !line.isTerminated, bytes >= size {
                torn = place
                trailing = trailing ?? place
                return
            }
            let before = verifier
            // Only the last file may end without a line end; in another one it was taken away.
            let defect = reader.with(line) { verifier.check($0) } ?? (line.isTerminated ? nil : .malformed)
            guard let defect else {
                accept(verifier.head, record)
                continue
            }
            if defect.isNoRecord {
                // Pages that never reached the disk read as zeros; no record has one.
                if isLast, size - line.offset <= Self.maxTornBytes, reader.bytes(of: line).contains(0) {
                    verifier = before
                    torn = place
                    trailing = place
                    return
                }
                if defect == .altered, line.isTerminated, verifier.claim != nil {
                    // A crash tears a line, it does not change a whole one: this stays where it is, for all to see, and
                    // the chain goes on from what it claims.
                    head = verifier.claim
                    trailing = nil
                } else {
                    trailing = trailing ?? place
                }
            } else {
                accept(verifier.head, record)
            }
            found(line.number, defect)
        }
    }

    private mutating func accept(_ head: AuditHead?, _ record: (AuditHead) -> Void) {
        guard let head else { return }
        self.head = head
        records += 1
        trailing = nil
        record(head)
    }
}
