// What a record says about a call: who asked, what for, and what came of it. Plain values; nothing here does I/O.

/// Who asked.
public struct AuditCaller: Sendable, Equatable {
    /// The caller's configured name; `anonymous` where there are none; `token:` and 8 hex digits in pass-through.
    public var name: String
    /// Where the connection came from, such as `127.0.0.1:51812`; empty if it has no address.
    public var address: String
    /// How the caller was known: `key`, `jwt`, `certificate`, `unix`, `token`, `anonymous`.
    public var via: String
    /// Who vouches for it, by URL; empty where nobody does.
    public var issuer: String
    /// What the issuer calls it; empty without an issuer.
    public var subject: String

    /// Makes a caller.
    public init(name: String, address: String = "", via: String = "", issuer: String = "", subject: String = "") {
        self.name = name
        self.address = address
        self.via = via
        self.issuer = issuer
        self.subject = subject
    }
}

/// A call as every one of its records repeats it. Empty texts and lists are left out of the record.
public struct AuditCall: Sendable, Equatable {
    /// The correlation id.
    public var id: String
    /// The operation's name, such as `v2.reports.delete`.
    public var operation: String
    /// The HTTP method.
    public var method: String
    /// The request target, as the tool sent it.
    public var target: String
    /// Ids of what the call is about.
    public var objects: [String]
    /// The iTwin's id, where it is known.
    public var itwin: String
    /// Who asked.
    public var caller: AuditCaller
    /// Why, in the caller's own words (`X-Audit-Reason`).
    public var reason: String

    /// Makes a call.
    public init(
        id: String, operation: String, method: String, target: String, objects: [String] = [], itwin: String = "",
        caller: AuditCaller, reason: String = ""
    ) {
        self.id = id
        self.operation = operation
        self.method = method
        self.target = target
        self.objects = objects
        self.itwin = itwin
        self.caller = caller
        self.reason = reason
    }
}

/// What is about to be done; to be durable before the first byte of it goes upstream.
public struct AuditIntent: Sendable, Equatable {
    /// The call.
    public var call: AuditCall
    /// What is about to be deleted, as JSON. An object or array of up to 64 KiB goes into the record as it stands
    /// (line ends between its tokens removed), anything else as a JSON string, cut at 64 KiB.
    public var snapshot: [UInt8]?
    /// What was archived of it, or why that could not be.
    public var archive: [AuditArchived]
    /// The approval that it uses up.
    public var approval: AuditApproval?

    /// Makes an intent.
    public init(
        call: AuditCall, snapshot: [UInt8]? = nil, archive: [AuditArchived] = [], approval: AuditApproval? = nil
    ) {
        self.call = call
        self.snapshot = snapshot
        self.archive = archive
        self.approval = approval
    }
}

/// What came of a call.
public enum AuditResult: String, Sendable, CaseIterable {
    /// The object is gone.
    case deleted
    /// It was not there.
    case notFound = "not_found"
    /// It was surely not carried out. Also what earlier versions wrote of a delete whose object a read still found.
    case failed
    /// Upstream said no (403, 422).
    case refusedUpstream = "refused_upstream"
    /// It was sent and nobody knows.
    case unknown
    /// It never left this process.
    case notSent = "not_sent"
    /// Upstream has taken a run on.
    case started
    /// Any other recorded call was carried out.
    case done
}

/// The second half of an entry.
public struct AuditOutcome: Sendable, Equatable {
    /// Upstream's status, if it answered.
    public var status: Int?
    /// What came of it.
    public var result: AuditResult
    /// How often it was sent.
    public var attempts: Int
    /// From the intent to the answer; whole milliseconds are recorded.
    public var duration: Duration

    /// Makes an outcome.
    public init(result: AuditResult, status: Int? = nil, attempts: Int, duration: Duration) {
        self.result = result
        self.status = status
        self.attempts = attempts
        self.duration = duration
    }
}

/// An acknowledged intent: the permission to send the call, and what its outcome is written with. Close each one once.
public struct AuditReceipt: Sendable {
    /// The intent's number in the log.
    public let seq: UInt64
    let call: EncodedCall
}

/// What became of a record that need not be durable for the call to go on.
public enum AuditDurability: Sendable, Equatable {
    /// On disk, under this number.
    case durable(seq: UInt64)
    /// Not yet on disk: kept in memory and written first as soon as the log can be written; no intent before that.
    case kept(AuditUnavailable)
    /// Not written and not kept: the log is closed, or too many denials piled up while it was broken (these are counted,
    /// and the count is recorded).
    case dropped(AuditUnavailable)
}
