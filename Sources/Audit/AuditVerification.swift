// What verification says. Findings are told file by file and line by line; a torn tail is no tampering.

/// Something that is not as it was written.
public enum AuditFinding: Sendable, Equatable, CustomStringConvertible {
    /// A line was changed, added, dropped, swapped or doubled. Lines are counted from 1 in each file.
    case altered(file: String, line: Int, why: String)
    /// Records are missing in front of a file: the file that had them is gone or was cut.
    case missing(first: UInt64, last: UInt64, before: String)
    /// A crash left bytes behind the last whole record (or a running proxy is writing them now).
    case tornTail(file: String, line: Int, offset: Int64)
    /// The log does not have the record with this hash: it ends earlier than when the head was noted.
    case cutTail(head: String)

    /// A sentence.
    public var description: String {
        switch self {
        case .altered(let file, let line, let why): "altered: line \(line) of \(file) \(why)"
        case .missing(let first, let last, let before): "missing: records \(first) to \(last), before \(before)"
        case .tornTail(let file, let line, let offset):
            "torn tail: line \(line) of \(file), from byte \(offset) on, is no whole record"
        case .cutTail(let head): "cut tail: no record has the hash \(head)"
        }
    }
}

/// The result of a verification.
public struct AuditVerification: Sendable, Equatable {
    /// The first 100 findings, in the log's order.
    public internal(set) var findings: [AuditFinding] = []
    /// All findings.
    public internal(set) var findingCount = 0
    /// Records that carry their own right hash.
    public internal(set) var records: UInt64 = 0
    /// The newest of them.
    public internal(set) var head = AuditHead.empty
    /// Files and bytes read.
    public internal(set) var files = 0
    /// See `files`.
    public internal(set) var bytes: Int64 = 0
    /// The last record that `audit.keep` took away; nil where the log is as it began.
    public internal(set) var retired: AuditHead?
    /// Files beside the log that hold what was set aside.
    public internal(set) var setAside: [String] = []

    /// Whether the chain is whole; a torn tail does not count, since nothing in it was ever acknowledged.
    public var isIntact: Bool {
        findings.allSatisfy { if case .tornTail = $0 { true } else { false } }
    }

    mutating func add(_ finding: AuditFinding) {
        findingCount += 1
        if findings.count < 100 { findings.append(finding) }
    }
}
