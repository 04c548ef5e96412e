// One line of the log, read back.

/// A record.
public struct AuditRecord: Sendable, Equatable {
    /// Its number.
    public var seq: UInt64
    /// When it was written.
    public var time: AuditTime
    /// `opened`, `intent`, `outcome`, `denied`, `recovered`, `witness`, `approval_asked`, `approved`, `approval_denied`,
    /// `archive_removed`, `retired` or `closed`.
    public var event: String
    /// The call; in `opened`, `archive_removed`, `retired` and `closed` only its `reason` says something.
    public var call: AuditCall
    /// The intent that it closes.
    public var intent: UInt64?
    /// What was about to be deleted; JSON.
    public var snapshot: [UInt8]?
    /// What was archived before a delete, or was removed from there; in the order of the record.
    public var archive: [AuditArchived] = []
    /// The approval that was asked for, given, denied or used.
    public var approval: AuditApproval?
    /// The status of upstream's answer, or of ours in `denied` and `approval_asked`.
    public var status: Int?
    /// What came of it.
    public var result: String?
    /// How often it was sent.
    public var attempts: Int?
    /// Milliseconds.
    public var duration: Int?
    /// The head of another log.
    public var witness: AuditWitness?

    /// Reads a line, without its line end; nil if it is no record. Hashes are not looked at.
    init?(_ line: Span<UInt8>) {
        guard let start = LineStart(line), let time = AuditTime(line.text(start.time)),
            var members = JSONMembers(line)
        else { return nil }
        seq = start.seq
        self.time = time
        event = start.event.rawValue
        call = AuditCall(id: "", operation: "", method: "", target: "", caller: AuditCaller(name: ""))
        while let member = members.next(in: line) { take(member, of: line) }
    }

    private mutating func take(_ member: JSONMember, of line: Span<UInt8>) {
        switch line.text(member.key) {
        case "id": call.id = line.string(member)
        case "intent": intent = line.number(at: member.value.lowerBound)?.value
        case "operation": call.operation = line.string(member)
        case "method": call.method = line.string(member)
        case "target": call.target = line.string(member)
        case "objects": call.objects = line.strings(member)
        case "itwin": call.itwin = line.string(member)
        case "caller": call.caller = AuditCaller(line, at: member.value.lowerBound)
        case "reason": call.reason = line.string(member)
        case "snapshot": snapshot = unsafe line.extracting(member.value).withUnsafeBytes { unsafe Array($0) }
        case "archive": archive = AuditArchived.list(line, member)
        case "approval": approval = AuditApproval(line, at: member.value.lowerBound)
        case "status": status = line.integer(member)
        case "result": result = line.string(member)
        case "attempts": attempts = line.integer(member)
        case "duration_ms": duration = line.integer(member)
        case "witness": witness = AuditWitness(member, of: line)
        default: break
        }
    }

}

extension AuditCaller {
    /// Reads the object that begins at `start`; what cannot be read is empty.
    init(_ line: Span<UInt8>, at start: Int) {
        self.init(name: "")
        guard var parts = JSONMembers(line, at: start) else { return }
        while let part = parts.next(in: line) {
            switch line.text(part.key) {
            case "name": name = line.string(part)
            case "address": address = line.string(part)
            case "via": via = line.string(part)
            case "issuer": issuer = line.string(part)
            case "subject": subject = line.string(part)
            default: break
            }
        }
    }
}

extension Span<UInt8> {
    func string(_ member: JSONMember) -> String { JSONString.decode(self, member.value) ?? "" }

    func integer(_ member: JSONMember) -> Int? {
        number(at: member.value.lowerBound).flatMap { Int(exactly: $0.value) }
    }

    func strings(_ member: JSONMember) -> [String] {
        var strings: [String] = []
        var index = member.value.lowerBound + 1
        while let end = JSONSkip.string(self, at: index) {
            if let text = JSONString.decode(self, index..<end) { strings.append(text) }
            guard end < member.value.upperBound, self[end] == 0x2C else { break }
            index = end + 1
        }
        return strings
    }
}
