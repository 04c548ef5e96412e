// What was kept of an object before it was deleted, as the log names it. The files themselves are the proxy's.

import Ground

/// One element of a record's `archive`.
public enum AuditArchived: Sendable, Equatable {
    /// It is kept.
    case file(ArchivedFile)
    /// It is not, and why: one sentence.
    case missing(why: String)

    /// The file, if there is one.
    public var file: ArchivedFile? {
        if case .file(let file) = self { file } else { nil }
    }
}

/// A file of the archive.
public struct ArchivedFile: Sendable, Hashable {
    /// Its path within the archive's folder, such as `2026/5f70….json.gz`.
    public var path: String
    /// SHA-256 of the plain bytes; 64 lower-case hex digits.
    public var sha256: String
    /// The length of the plain bytes.
    public var bytes: Int

    /// Makes a name for a file.
    public init(path: String, sha256: String, bytes: Int) {
        (self.path, self.sha256, self.bytes) = (path, sha256, bytes)
    }
}

extension AuditArchived {
    /// Appends `,"archive":[…]`.
    static func append(_ list: [AuditArchived], to out: inout [UInt8]) {
        for (index, element) in list.enumerated() {
            out.append(index == 0 ? #","archive":[{"# : ",{")
            switch element {
            case .file(let file):
                out.append(#""file":"#)
                JSONText.append(file.path, .lines, to: &out)
                out.append(#","sha256":"#)
                JSONText.append(file.sha256, .lines, to: &out)
                out.append(#","bytes":"#)
                out.append(decimal: max(0, file.bytes))
            case .missing(let why):
                out.append(#""why":"#)
                JSONText.append(why, .lines, to: &out)
            }
            out.append(0x7D)
        }
        if !list.isEmpty { out.append(0x5D) }
    }

    /// The elements of a record's array; what is none is left out.
    static func list(_ line: Span<UInt8>, _ member: JSONMember) -> [AuditArchived] {
        var list: [AuditArchived] = []
        var index = member.value.lowerBound + 1
        while index < member.value.upperBound, let end = JSONSkip.value(line, at: index) {
            if let element = element(line, at: index) { list.append(element) }
            guard end < member.value.upperBound, line[end] == 0x2C else { break }
            index = end + 1
        }
        return list
    }

    private static func element(_ line: Span<UInt8>, at start: Int) -> AuditArchived? {
        guard var members = JSONMembers(line, at: start) else { return nil }
        var (path, sha256, bytes, why) = ("", "", 0, String?.none)
        while let member = members.next(in: line) {
            switch line.text(member.key) {
            case "file": path = line.string(member)
            case "sha256": sha256 = line.string(member)
            case "bytes": bytes = line.integer(member) ?? 0
            case "why": why = line.string(member)
            default: break
            }
        }
        if let why { return .missing(why: why) }
        return path.isEmpty ? nil : .file(ArchivedFile(path: path, sha256: sha256, bytes: bytes))
    }
}

extension AuditReader {
    /// The archived files that the log says are there, each with the time of the newest record that names it. Files that were
    /// removed, as the log says, and not archived again are not among them.
    package func archived() throws(AuditReadFailure) -> [String: (file: ArchivedFile, named: AuditTime)] {
        var found: [String: (file: ArchivedFile, named: AuditTime)] = [:]
        try lines { line in
            guard let start = LineStart(line), start.event == .intent || start.event == .archiveRemoved,
                let record = AuditRecord(line)
            else { return true }
            for file in record.archive.compactMap(\.file) {
                found[file.path] = start.event == .intent ? (file, record.time) : nil
            }
            return true
        }
        return found
    }

    /// What the log says was archived for one call, by its correlation id: every file once, in the order of the records.
    package func archived(of id: String) throws(AuditReadFailure) -> [AuditArchived] {
        var found: [AuditArchived] = []
        try records { record in
            if record.event == RecordEvent.intent.rawValue, record.call.id == id {
                found += record.archive.filter { !found.contains($0) }
            }
            return true
        }
        return found
    }
}
