// An entry as people ask for it: intent and outcome in one row. Joined while streaming; only intents that still wait for
// their outcome are kept.

/// A call and what came of it.
public struct AuditRow: Sendable, Equatable {
    /// Of the intent, or of the denial.
    public var seq: UInt64
    /// When it was asked for.
    public var time: AuditTime
    /// The call.
    public var call: AuditCall
    /// What came of it: a raw value of `AuditResult`, `denied`, `approval_asked`, `approved`, `approval_denied`, or `open` while
    /// there is no outcome.
    public var result: String
    /// The answer's status.
    public var status: Int?
    /// How often it was sent.
    public var attempts: Int?
    /// Milliseconds from intent to answer.
    public var duration: Int?
    /// The record that closed it.
    public var closedBy: UInt64?
    /// Whether it was closed by a later process, after a crash.
    public var isRecovered = false
    /// What was archived before it.
    public var archive: [AuditArchived] = []
    /// The approval that was asked for, given, denied or used.
    public var approval: AuditApproval?
}

/// Which rows to list. All that is set must hold.
public struct AuditFilter: Sendable, Equatable {
    /// Asked for or closed at this time or later.
    public var since: AuditTime?
    /// Asked for before this time.
    public var until: AuditTime?
    /// The caller's name.
    public var caller: String?
    /// One of the objects; a GUID in any spelling: braces, dashes and case count nothing.
    public var object: String?
    /// The iTwin; in either case.
    public var itwin: String?
    /// A raw value of `AuditResult`, `denied`, `approval_asked`, `approved`, `approval_denied` or `open`.
    public var result: String?

    /// A filter that lets all rows pass.
    public init() {}

    func admits(_ call: AuditCall) -> Bool {
        if let caller, call.caller.name != caller { return false }
        if let itwin, call.itwin.lowercased() != itwin.lowercased() { return false }
        guard let object else { return true }
        let guid = Self.guid(object)
        return call.objects.contains { $0 == object || guid != nil && Self.guid($0) == guid }
    }

    func admits(_ row: AuditRow, closed: AuditTime?) -> Bool {
        if let since, row.time < since, closed.map({ $0 < since }) ?? true { return false }
        if let until, row.time >= until { return false }
        return result == nil || result == row.result
    }

    /// The 32 digits of a GUID in any of its spellings: with or without braces and dashes, in either case.
    private static func guid(_ text: String) -> [UInt8]? {
        var bytes = Array(text.utf8)
        if bytes.first == 0x7B, bytes.last == 0x7D { bytes = Array(bytes.dropFirst().dropLast()) }
        let digits = bytes.filter { $0 != 0x2D }.map { $0 >= 0x41 && $0 <= 0x46 ? $0 | 0x20 : $0 }
        let isHex = digits.allSatisfy { $0 &- 0x30 < 10 || $0 &- 0x61 < 6 }
        return digits.count == 32 && isHex && [32, 36].contains(bytes.count) ? digits : nil
    }
}

/// Joins records to rows.
struct RowJoin {
    let filter: AuditFilter
    /// Intents without outcome so far, by number.
    private var open: [UInt64: AuditRow] = [:]

    init(_ filter: AuditFilter) {
        self.filter = filter
    }

    /// The row that this record completes, if it is to be listed.
    mutating func take(_ record: AuditRecord) -> AuditRow? {
        guard let event = RecordEvent(rawValue: record.event), filter.admits(record.call) else { return nil }
        switch event {
        case .opened, .witness, .archiveRemoved, .retired, .closed: return nil
        case .intent:
            open[record.seq] = AuditRow(
                seq: record.seq, time: record.time, call: record.call, result: "open", archive: record.archive,
                approval: record.approval)
            return nil
        case .denied, .approvalAsked, .approved, .approvalDenied:
            let row = AuditRow(
                seq: record.seq, time: record.time, call: record.call, result: event.rawValue, status: record.status,
                approval: record.approval)
            return filter.admits(row, closed: nil) ? row : nil
        case .outcome, .recovered:
            return close(record, isRecovered: event == .recovered)
        }
    }

    /// The rows that stay open, oldest first.
    func rest() -> [AuditRow] {
        open.values.filter { filter.admits($0, closed: nil) }.sorted { $0.seq < $1.seq }
    }

    private mutating func close(_ record: AuditRecord, isRecovered: Bool) -> AuditRow? {
        guard let intent = record.intent else { return nil }
        // Every record stands for itself: an outcome whose intent is lost makes a row as well.
        var row =
            open.removeValue(forKey: intent)
            ?? AuditRow(seq: intent, time: record.time, call: record.call, result: "open")
        row.result = record.result ?? "unknown"
        row.status = record.status
        row.attempts = record.attempts
        row.duration = record.duration
        row.closedBy = record.seq
        row.isRecovered = isRecovered
        return filter.admits(row, closed: record.time) ? row : nil
    }
}

extension AuditReader {
    /// Lists rows in the order in which they were closed, then those that are open, until `body` returns false.
    public func rows(_ filter: AuditFilter = AuditFilter(), _ body: (AuditRow) -> Bool) throws(AuditReadFailure) {
        var join = RowJoin(filter)
        var goesOn = true
        try records { record in
            if let row = join.take(record) { goesOn = body(row) }
            return goesOn
        }
        for row in join.rest() where goesOn { goesOn = body(row) }
    }

    /// The lines of one entry as they stand in the log: by correlation id, by that of an approval, or by the number of any of
    /// its records.
    public func show(_ key: String, _ body: (String) -> Void) throws(AuditReadFailure) {
        let wanted = UInt64(key)
        var entry: UInt64?
        if let wanted {
            try records { record in
                if record.seq == wanted { entry = record.intent ?? record.seq }
                return entry == nil
            }
        }
        try lines { line in
            guard let start = LineStart(line) else { return true }
            let isWanted: Bool
            if let entry {
                isWanted = start.seq == entry || OpenIntentScan.closedIntent(line, start) == entry
            } else {
                isWanted = AuditRecord(line).map { $0.call.id == key || $0.approval?.id == key } ?? false
            }
            if isWanted { body(line.text(0..<line.count)) }
            return true
        }
    }
}
