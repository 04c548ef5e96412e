// Intents that nobody closed, over all files: a first pass keeps the numbers of those that are open so far, a second
// reads the few that stay so.

/// An intent that an earlier process left without outcome.
public struct AuditOpenIntent: Sendable, Equatable {
    /// Its number.
    public let seq: UInt64
    /// When it was written.
    public let time: AuditTime
    /// The call.
    public let call: AuditCall
    let encoded: EncodedCall
}

struct OpenIntentScan {
    let folder: LogFolder
    let fileSystem: any FileSystem

    /// - Parameter look: is shown every line.
    func run(
        _ look: (_ line: Span<UInt8>, _ start: LineStart?) -> Void = { _, _ in }
    ) throws(FileFailure) -> [AuditOpenIntent] {
        let scan = LogScan(folder: folder, fileSystem: fileSystem)
        var open: Set<UInt64> = []
        try scan.run { line in
            let start = LineStart(line)
            look(line, start)
            guard let start else { return true }
            switch start.event {
            case .intent: open.insert(start.seq)
            case .outcome, .recovered:
                if let intent = Self.closedIntent(line, start) { open.remove(intent) }
            case .opened, .denied, .witness, .approvalAsked, .approved, .approvalDenied, .archiveRemoved, .retired,
                .closed:
                break
            }
            return true
        }
        guard let first = open.min() else { return [] }
        var found: [AuditOpenIntent] = []
        try scan.run(from: first) { line in
            guard let start = LineStart(line), start.event == .intent, open.remove(start.seq) != nil else {
                return true
            }
            if let record = AuditRecord(line) {
                found.append(
                    AuditOpenIntent(
                        seq: record.seq, time: record.time, call: record.call, encoded: EncodedCall(record.call)))
            }
            return !open.isEmpty
        }
        return found
    }

    /// `,"id":"…","intent":N` behind the event.
    static func closedIntent(_ line: Span<UInt8>, _ start: LineStart) -> UInt64? {
        guard line.holds(#","id":"#, at: start.end), let end = JSONSkip.string(line, at: start.end + 6),
            line.holds(#","intent":"#, at: end)
        else { return nil }
        return line.number(at: end + 10)?.value
    }
}
