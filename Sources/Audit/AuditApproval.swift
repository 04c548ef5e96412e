// An approval as the log knows it: what was asked for, so that a later process can go on waiting for the decision, and who
// decided. A plain value with its encoding; the rules are the proxy's.

import Ground

/// The `approval` member of a record.
public struct AuditApproval: Sendable, Equatable {
    /// Its id.
    public var id: String
    /// A hash of the call that it is for: of no other. 64 hex digits; empty where the record need not say it.
    public var binding: String
    /// In `approval_asked` when the time to decide is over, in `approved` and `approval_denied` when the decision is.
    public var expires: AuditTime?
    /// Who decided.
    public var by: AuditCaller?
    /// Why, in the words of who decided.
    public var reason: String
    /// The fields of the request that say what its body means, each as `name: value`. Only in `approval_asked`.
    public var fields: [String]
    /// What is to be sent. Only in `approval_asked`.
    public var body: [UInt8]?

    /// Makes one.
    public init(
        id: String, binding: String = "", expires: AuditTime? = nil, by: AuditCaller? = nil, reason: String = "",
        fields: [String] = [], body: [UInt8]? = nil
    ) {
        self.id = id
        self.binding = binding
        self.expires = expires
        self.by = by
        self.reason = reason
        self.fields = fields
        self.body = body
    }
}

extension AuditApproval {
    /// Appends `,"approval":{…}`. A body that is no UTF-8 stands there as `body_base64`.
    func append(to out: inout [UInt8]) {
        out.append(#","approval":{"id":"#)
        JSONText.append(id, .lines, to: &out)
        EncodedCall.append(#","binding":"#, binding, to: &out)
        EncodedCall.append(#","expires":"#, expires?.text ?? "", to: &out)
        if let by {
            out.append(#","by":"#)
            by.append(to: &out)
        }
        EncodedCall.append(#","reason":"#, reason, to: &out)
        for (index, field) in fields.enumerated() {
            out.append(index == 0 ? #","fields":["# : ",")
            JSONText.append(field, .lines, to: &out)
        }
        if !fields.isEmpty { out.append(0x5D) }
        if let body {
            if let text = String(validating: body, as: UTF8.self) {
                out.append(#","body":"#)
                JSONText.append(text, .lines, to: &out)
            } else {
                out.append(#","body_base64":"#)
                JSONText.append(Base64.encode(body), .lines, to: &out)
            }
        }
        out.append(0x7D)
    }

    /// Reads the object that begins at `start`; nil if it has no id.
    init?(_ line: Span<UInt8>, at start: Int) {
        guard var members = JSONMembers(line, at: start) else { return nil }
        self.init(id: "")
        while let member = members.next(in: line) {
            switch line.text(member.key) {
            case "id": id = line.string(member)
            case "binding": binding = line.string(member)
            case "expires": expires = AuditTime(line.string(member))
            case "by": by = AuditCaller(line, at: member.value.lowerBound)
            case "reason": reason = line.string(member)
            case "fields": fields = line.strings(member)
            case "body": body = Array(line.string(member).utf8)
            case "body_base64": body = Base64.decode(line.string(member).utf8)
            default: break
            }
        }
        if id.isEmpty { return nil }
    }
}

extension AuditApproval {
    /// Whether a call with this outcome uses none up: it was never sent, or upstream turned it away before it looked at what it is
    /// about, for a limit (429) or a token (401) of the moment.
    package static func isKept(result: String?, status: Int?) -> Bool {
        result == AuditResult.notSent.rawValue
            || result == AuditResult.refusedUpstream.rawValue && (status == 429 || status == 401)
    }
}

extension AuditReader {
    /// The records since a point of time that say how approvals stand, in their order: `approval_asked`, `approved`,
    /// `approval_denied`, intents that use one up, and outcomes of calls that have used none up.
    package func approvals(since: AuditTime, _ body: (AuditRecord) -> Void) throws(AuditReadFailure) {
        let earliest = since.text
        try lines { line in
            guard let start = LineStart(line), line.text(start.time) >= earliest else { return true }
            switch start.event {
            case .approvalAsked, .approved, .approvalDenied: AuditRecord(line).map(body)
            case .intent: if let record = AuditRecord(line), record.approval != nil { body(record) }
            case .outcome:
                if let record = AuditRecord(line), AuditApproval.isKept(result: record.result, status: record.status) {
                    body(record)
                }
            case .opened, .denied, .recovered, .witness, .archiveRemoved, .retired, .closed: break
            }
            return true
        }
    }
}
