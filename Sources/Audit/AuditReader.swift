// Reads a log's folder without the writer: it needs no lock, changes nothing, and works while a proxy writes.

import Glibc

/// Reads a log in constant memory.
public struct AuditReader: Sendable {
    let folder: LogFolder
    let fileSystem: any FileSystem

    /// Reads the log in `folder`.
    public init(folder: String) {
        self.init(folder: folder, fileSystem: PosixFileSystem())
    }

    init(folder: String, fileSystem: any FileSystem) {
        self.folder = LogFolder(path: folder)
        self.fileSystem = fileSystem
    }

    /// Checks every hash and every link of the chain.
    ///
    /// - Parameter head: a hash noted elsewhere, 64 hex digits in either case; the log must still have its record.
    public func verify(head: String? = nil) throws(AuditReadFailure) -> AuditVerification {
        try AuditReadFailure.wrapping { () throws(FileFailure) in try verify(noted: head?.lowercased()) }
    }

    private func verify(noted: String?) throws(FileFailure) -> AuditVerification {
        var result = AuditVerification()
        var verifier = ChainVerifier()
        var isFound = noted == nil || noted == AuditHead.empty.hash
        let files = try folder.files(in: fileSystem)
        if let first = files.first, first.first > 1,
            let part = try LogScan(folder: folder, fileSystem: fileSystem).retired(),
            part.last.seq >= first.first - 1
        {
            result.retired = part.last
            isFound = isFound || noted == part.last.hash
            verifier = ChainVerifier(after: part.last)
            // A crash may have kept some of the files that were to go.
            if part.last.seq >= first.first { verifier.skip(to: first.first) }
        }
        result.setAside = try fileSystem.list(folder.path).filter { $0.hasPrefix("audit-") && $0.contains(".torn-") }
            .sorted()
        for (index, name) in files.enumerated() {
            let file = try fileSystem.open(folder.path(of: name.text), .read)
            defer { fileSystem.close(file) }
            let size = try fileSystem.status(file).size
            if name.first > verifier.expected, size > 0 || index + 1 < files.count {
                result.add(.missing(first: verifier.expected, last: name.first - 1, before: name.text))
                verifier.skip(to: name.first)
            }
            var reader = LineReader(file, in: fileSystem, size: size)
            var inspection = Inspection()
            try inspection.run(&reader, isLast: index + 1 == files.count, size: size, verifier: &verifier) {
                result.add(.altered(file: name.text, line: $0, why: $1.text))
            } record: {
                if !isFound, $0.hash == noted { isFound = true }
            }
            if let torn = inspection.torn {
                result.add(.tornTail(file: name.text, line: torn.line, offset: torn.offset))
            }
            result.records += inspection.records
            result.bytes += inspection.bytes
            result.head = inspection.head ?? result.head
            result.files += 1
        }
        if let noted, !isFound { result.add(.cutTail(head: noted)) }
        return result
    }

    /// All records, in the log's order, until `body` returns false. Lines that are no records are left out.
    public func records(_ body: (AuditRecord) -> Bool) throws(AuditReadFailure) {
        try lines { line in
            guard let record = AuditRecord(line) else { return true }
            return body(record)
        }
    }

    /// The intents of a caller since a point of time, oldest first, without those whose outcome says that the call was never
    /// sent: what a delete budget is counted from.
    ///
    /// - Parameter caller: a name; nil for all callers.
    public func intents(
        since: AuditTime, caller: String? = nil, _ body: (AuditTime, AuditCall) -> Void
    ) throws(AuditReadFailure) {
        let earliest = since.text
        var found: [UInt64: AuditRecord] = [:]
        try lines { line in
            // Stamps of one length sort as text; most lines are passed over without being parsed.
            guard let start = LineStart(line), line.text(start.time) >= earliest else { return true }
            if start.event == .intent {
                guard let record = AuditRecord(line), caller == nil || record.call.caller.name == caller else {
                    return true
                }
                found[record.seq] = record
            } else if start.event == .outcome, let intent = OpenIntentScan.closedIntent(line, start),
                found[intent] != nil,
                AuditRecord(line)?.result == AuditResult.notSent.rawValue
            {
                found[intent] = nil
            }
            return true
        }
        for record in found.values.sorted(by: { $0.seq < $1.seq }) { body(record.time, record.call) }
    }

    func lines(_ body: (Span<UInt8>) -> Bool) throws(AuditReadFailure) {
        try AuditReadFailure.wrapping { () throws(FileFailure) in
            try LogScan(folder: folder, fileSystem: fileSystem).run(body)
        }
    }
}

/// The log could not be read.
public struct AuditReadFailure: Error, Sendable, Equatable, CustomStringConvertible {
    /// Names file and error.
    public let description: String

    static func wrapping<T>(_ body: () throws(FileFailure) -> T) throws(AuditReadFailure) -> T {
        do throws(FileFailure) {
            return try body()
        } catch {
            guard error.code == EACCES || error.code == EPERM else {
                throw AuditReadFailure(description: error.description)
            }
            throw AuditReadFailure(
                description:
                    "\(error); the log is its writer's alone: read it as the user that the proxy runs as, or as "
                    + "root (\((error.missedFolder ?? error.logFolder).absolute) may not be read by uid \(geteuid()))")
        }
    }
}
