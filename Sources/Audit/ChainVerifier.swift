// The chain rule, line by line: no I/O, no JSON. After a defect it goes on from what the defective line claims, so that
// one altered line is one finding and not a thousand.

/// What is wrong with a line.
enum LineDefect: Sendable, Equatable {
    /// It has not the form of a record.
    case malformed
    /// Its bytes do not have the hash that it carries.
    case altered
    /// It is a record, but not the one that belongs here.
    case misplaced(expected: UInt64, found: UInt64)
    /// It is chained to another record than the one before it.
    case unchained

    /// Whether the chain cannot go on from such a line: it is no record, or an old one come again.
    var isNoRecord: Bool {
        switch self {
        case .malformed, .altered: true
        case .misplaced(let expected, let found): found < expected
        case .unchained: false
        }
    }

    /// For a person.
    var text: String {
        switch self {
        case .malformed: "is not a record"
        case .altered: "does not have the hash that it carries"
        case .misplaced(let expected, let found): "is record \(found) where \(expected) belongs"
        case .unchained: "is not chained to the record before it"
        }
    }
}

struct ChainVerifier {
    /// What the next record's number must be.
    private(set) var expected: UInt64
    /// What the next record's `prev` must be; nil behind a gap that has been told already.
    private(set) var previous: [UInt8]?
    /// Of the newest line that has its own right hash.
    private(set) var head: AuditHead?
    /// What the newest line claims to be, whether or not its hash is right.
    private(set) var claim: AuditHead?

    init(after head: AuditHead = .empty) {
        expected = head.seq + 1
        previous = Array(head.hash.utf8)
    }

    /// Goes on behind a gap.
    mutating func skip(to seq: UInt64) {
        expected = seq
        previous = nil
    }

    /// Takes the next line into account.
    mutating func check(_ line: Span<UInt8>) -> LineDefect? {
        guard let frame = LineFrame(line) else {
            expected &+= 1
            previous = nil
            claim = nil
            return .malformed
        }
        let hash = RecordHash.hex(of: line.extracting(0..<frame.hashedCount))
        let defect = defect(of: line, frame, hash)
        claim = AuditHead(seq: frame.seq, hash: line.text(frame.hash))
        if line.equals(hash, at: frame.hash) { head = claim }
        expected = frame.seq &+ 1
        previous = unsafe line.extracting(frame.hash).withUnsafeBytes { unsafe Array($0) }
        return defect
    }

    private func defect(of line: Span<UInt8>, _ frame: LineFrame, _ hash: [UInt8]) -> LineDefect? {
        if !line.equals(hash, at: frame.hash) { return .altered }
        if frame.seq != expected { return .misplaced(expected: expected, found: frame.seq) }
        if let previous, !line.equals(previous, at: frame.prev) { return .unchained }
        return nil
    }
}
