// A record but for what only the writer knows: number, time and hashes. Encoded on the calling thread, so that the
// writer's thread copies, hashes and syncs, and does nothing else.

import Ground

/// What a record is about; the value of its `event` member.
enum RecordEvent: String, Sendable, CaseIterable {
    case opened, intent, outcome, denied, recovered, witness, retired, closed
    case approvalAsked = "approval_asked"
    case approved
    case approvalDenied = "approval_denied"
    case archiveRemoved = "archive_removed"

    /// Whether it permits or announces what may only be done once it is durable: refused when it cannot be written, and never
    /// kept for later.
    var permits: Bool {
        switch self {
        case .intent, .approvalAsked, .approved, .approvalDenied, .archiveRemoved: true
        case .opened, .outcome, .denied, .recovered, .witness, .retired, .closed: false
        }
    }
}

/// The members of a call, encoded once and used by all of its records. Each fragment begins with a comma.
struct EncodedCall: Sendable, Equatable {
    /// `,"id":"…"`
    var id: [UInt8]
    /// `,"operation":…` to `,"reason":…`
    var members: [UInt8]
}

extension EncodedCall {
    init(_ call: AuditCall) {
        id = []
        id.append(#","id":"#)
        JSONText.append(call.id, .lines, to: &id)
        members = []
        Self.append(#","operation":"#, call.operation, to: &members)
        Self.append(#","method":"#, call.method, to: &members)
        Self.append(#","target":"#, call.target, to: &members)
        if !call.objects.isEmpty {
            members.append(#","objects":["#)
            for (index, object) in call.objects.enumerated() {
                if index > 0 { members.append(0x2C) }
                JSONText.append(object, .lines, to: &members)
            }
            members.append(0x5D)
        }
        Self.append(#","itwin":"#, call.itwin, to: &members)
        members.append(#","caller":"#)
        call.caller.append(to: &members)
        Self.append(#","reason":"#, call.reason, to: &members)
    }

    /// Appends a member, unless it says nothing.
    ///
    /// - Parameter name: with its comma, quotes and colon.
    static func append(_ name: StaticString, _ text: String, to out: inout [UInt8]) {
        guard !text.isEmpty else { return }
        out.append(name)
        JSONText.append(text, .lines, to: &out)
    }
}

extension AuditCaller {
    /// Appends `{"name":…}`.
    func append(to out: inout [UInt8]) {
        out.append(#"{"name":"#)
        JSONText.append(name, .lines, to: &out)
        EncodedCall.append(#","address":"#, address, to: &out)
        EncodedCall.append(#","via":"#, via, to: &out)
        EncodedCall.append(#","issuer":"#, issuer, to: &out)
        EncodedCall.append(#","subject":"#, subject, to: &out)
        out.append(0x7D)
    }
}

/// A record that waits for its number.
struct RecordDraft: Sendable, Equatable {
    var event: RecordEvent
    var call: EncodedCall
    /// The intent that this record closes.
    var intent: UInt64?
    /// `,"snapshot":…` or `,"status":…` to `,"duration_ms":…`
    var tail: [UInt8]

    /// At least the length of the encoded line: number, time, event, hashes and punctuation need less than 320 bytes.
    var maxBytes: Int { call.id.count + call.members.count + tail.count + 320 }

    static func intent(_ intent: AuditIntent) -> RecordDraft {
        var tail: [UInt8] = []
        if let snapshot = intent.snapshot { Snapshot.append(snapshot, to: &tail) }
        if !intent.archive.isEmpty { AuditArchived.append(intent.archive, to: &tail) }
        if let approval = intent.approval { approval.append(to: &tail) }
        return RecordDraft(event: .intent, call: EncodedCall(intent.call), intent: nil, tail: tail)
    }

    static func outcome(_ outcome: AuditOutcome, of call: EncodedCall, intent: UInt64) -> RecordDraft {
        var tail = result(outcome.result, status: outcome.status)
        tail.append(#","attempts":"#)
        tail.append(decimal: max(0, outcome.attempts))
        tail.append(#","duration_ms":"#)
        tail.append(decimal: max(0, outcome.duration.wholeMilliseconds))
        return RecordDraft(event: .outcome, call: call, intent: intent, tail: tail)
    }

    /// Of an intent that was given up before it was durable: nobody had the permission to send it.
    static func notSent(_ call: EncodedCall, intent: UInt64) -> RecordDraft {
        .outcome(AuditOutcome(result: .notSent, attempts: 0, duration: .zero), of: call, intent: intent)
    }

    static func recovered(_ result: AuditResult, status: Int?, of call: EncodedCall, intent: UInt64) -> RecordDraft {
        RecordDraft(event: .recovered, call: call, intent: intent, tail: self.result(result, status: status))
    }

    static func denied(_ call: AuditCall, status: Int) -> RecordDraft {
        var tail: [UInt8] = []
        tail.append(#","status":"#)
        tail.append(decimal: max(0, status))
        return RecordDraft(event: .denied, call: EncodedCall(call), intent: nil, tail: tail)
    }

    /// `opened` or `closed`: about the log itself, told in `reason`.
    static func lifecycle(_ event: RecordEvent, reason: String) -> RecordDraft {
        var members: [UInt8] = []
        members.append(#","reason":"#)
        JSONText.append(reason, .lines, to: &members)
        return RecordDraft(event: event, call: EncodedCall(id: [], members: members), intent: nil, tail: [])
    }

    /// A delete was asked for that needs an approval, or somebody has decided about one.
    static func approval(
        _ event: RecordEvent, _ approval: AuditApproval, of call: AuditCall, status: Int?
    ) -> RecordDraft {
        var tail: [UInt8] = []
        approval.append(to: &tail)
        if let status {
            tail.append(#","status":"#)
            tail.append(decimal: max(0, status))
        }
        return RecordDraft(event: event, call: EncodedCall(call), intent: nil, tail: tail)
    }

    /// Archived files are about to be taken away.
    static func archiveRemoved(_ files: [AuditArchived], reason: String) -> RecordDraft {
        var draft = lifecycle(.archiveRemoved, reason: reason)
        AuditArchived.append(files, to: &draft.tail)
        return draft
    }

    /// Files of the log are about to be taken away.
    static func retired(_ part: RetiredPart, reason: String) -> RecordDraft {
        var draft = lifecycle(.retired, reason: reason)
        draft.tail = part.encoded
        return draft
    }

    private static func result(_ result: AuditResult, status: Int?) -> [UInt8] {
        var tail: [UInt8] = []
        if let status {
            tail.append(#","status":"#)
            tail.append(decimal: max(0, status))
        }
        tail.append(#","result":""#)
        tail += result.rawValue.utf8
        tail.append(0x22)
        return tail
    }
}
