// Heads of other logs, written down in this one: who cuts a log's tail has to cut every other log that has seen it.

import Ground

/// A head of a log as somebody else saw it.
public struct AuditWitness: Sendable, Equatable {
    /// Which log: its name and place, see `AuditReader.identity`.
    public var log: String
    /// The number of its newest record.
    public var seq: UInt64
    /// That record's hash, hex.
    public var hash: String
    /// When that was published, RFC 3339, by the publisher's clock.
    public var time: String
    /// The log was seen with a greater number before.
    public var hasRegressed: Bool

    /// A head.
    public init(log: String, seq: UInt64, hash: String, time: String, hasRegressed: Bool = false) {
        (self.log, self.seq, self.hash, self.time, self.hasRegressed) = (log, seq, hash, time, hasRegressed)
    }

    /// `,"witness":{…}`
    var encoded: [UInt8] {
        var out: [UInt8] = []
        out.append(#","witness":{"log":"#)
        JSONText.append(log, .lines, to: &out)
        out.append(#","seq":"#)
        out.append(decimal: Int(clamping: seq))
        out.append(#","hash":"#)
        JSONText.append(hash, .lines, to: &out)
        out.append(#","time":"#)
        JSONText.append(time, .lines, to: &out)
        if hasRegressed { out.append(#","regressed":true"#) }
        out.append(0x7D)
        return out
    }

    /// From the member `witness` of a line.
    init?(_ member: JSONMember, of line: Span<UInt8>) {
        guard var parts = JSONMembers(line, at: member.value.lowerBound) else { return nil }
        self.init(log: "", seq: 0, hash: "", time: "")
        while let part = parts.next(in: line) {
            switch line.text(part.key) {
            case "log": log = JSONString.decode(line, part.value) ?? ""
            case "seq": seq = line.number(at: part.value.lowerBound)?.value ?? 0
            case "hash": hash = JSONString.decode(line, part.value) ?? ""
            case "time": time = JSONString.decode(line, part.value) ?? ""
            case "regressed": hasRegressed = true
            default: break
            }
        }
    }
}

extension AuditLog {
    /// Records the head of another log.
    @discardableResult
    public func witness(_ witness: AuditWitness) async -> AuditDurability {
        durability(of: await core.submit(.witness(witness)))
    }
}

extension RecordDraft {
    static func witness(_ witness: AuditWitness) -> RecordDraft {
        RecordDraft(
            event: .witness, call: EncodedCall(id: [], members: []), intent: nil, tail: witness.encoded)
    }
}

extension AuditReader {
    /// What this log is known by to others: its fixed name, and its folder without links.
    public func identity() throws(AuditReadFailure) -> String {
        "\(try name() ?? "clash-proxy") \(SharedFolder.real(folder.path) ?? folder.path)"
    }

    /// What this log has seen of others, oldest first.
    public func witnesses() throws(AuditReadFailure) -> [AuditWitness] {
        var found: [AuditWitness] = []
        try lines { line in
            guard let start = LineStart(line), start.event == .witness, let witness = AuditRecord(line)?.witness else {
                return true
            }
            found.append(witness)
            return true
        }
        return found
    }

    /// What is wrong with this log by what another one saw of it; empty: nothing. What `audit.keep` took away counts as there.
    ///
    /// - Parameter witnesses: of the other log; those of further logs are left out.
    public func disproved(by witnesses: [AuditWitness]) throws(AuditReadFailure) -> [AuditWitness] {
        let own = try identity()
        var open = Dictionary(grouping: witnesses.filter { $0.log == own }, by: \.seq)
        var first: UInt64?
        try lines { line in
            guard let start = LineStart(line) else { return true }
            first = first ?? start.seq
            guard let seen = open[start.seq], let frame = LineFrame(line) else { return true }
            let hash = line.text(frame.hash)
            open[start.seq] = seen.filter { $0.hash != hash }
            return true
        }
        let kept = first ?? 1
        return open.filter { $0.key >= kept }.flatMap(\.value).sorted { $0.seq < $1.seq }
    }
}
