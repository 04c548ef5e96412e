// What can be wrong with a Redis server, each with words for the person who has to mend it.

/// Why a server gave no usable answer.
package enum RedisTrouble: Error, Sendable, Equatable {
    /// No connection; the kernel's or the resolver's words.
    case unreachable(String)
    /// The TLS handshake failed; why.
    case tls(String)
    /// No answer in time.
    case silent
    /// The connection ended.
    case closed
    /// So many commands are unanswered that no more are sent.
    case crowded
    /// What answers is no Redis server, or answers more than it should.
    case garbage(String)
    /// NOAUTH: it wants a password, and there is none.
    case passwordNeeded
    /// WRONGPASS, or what older servers say to a wrong password.
    case passwordRefused
    /// NOPERM: the user may not do that. The command, where the server names it.
    case notPermitted(String)
    /// READONLY: a replica, or a primary that became one.
    case readOnly
    /// LOADING: it reads its data from disk.
    case loading
    /// MOVED or ASK or CLUSTERDOWN: a cluster whose slot lies elsewhere.
    case clustered(String)
    /// OOM: `maxmemory` is reached.
    case outOfMemory
    /// MISCONF: it cannot save to its disk and takes no writes.
    case cannotSave
    /// BUSY: somebody's script does not end.
    case busy
    /// MASTERDOWN, TRYAGAIN, NOREPLICAS and others that pass.
    case unsettled(String)
    /// WRONGTYPE: a key of this name belongs to somebody else.
    case wrongType
    /// The answer to a command of ours is not what that command answers.
    case unexpected(String)
    /// NOSCRIPT: it does not know the script. Answered with the script itself, and so never seen outside.
    case noScript
    /// It has no scripts, or is older than Redis 5.
    case tooOld(String)
    /// A Sentinel, which holds no data.
    case sentinel
    /// Every server of the URL is a replica.
    case noPrimary
    /// Any other refusal, in the server's words.
    case refused(String)

    /// From an error reply.
    init(reply: String) {
        // What is looked for may stand far behind: errors within scripts say first where they happened.
        let text = Self.printable(reply)
        switch reply.prefix(while: { $0 != " " }) {
        case "NOAUTH": self = .passwordNeeded
        case "WRONGPASS": self = .passwordRefused
        case "NOPERM": self = .notPermitted(text)
        case "READONLY": self = .readOnly
        case "LOADING": self = .loading
        case "MOVED", "ASK", "CLUSTERDOWN", "CROSSSLOT": self = .clustered(text)
        case "OOM": self = .outOfMemory
        case "MISCONF": self = .cannotSave
        case "BUSY": self = .busy
        case "MASTERDOWN", "TRYAGAIN", "NOREPLICAS", "UNBLOCKED", "UNKILLABLE": self = .unsettled(text)
        case "WRONGTYPE": self = .wrongType
        case "NOSCRIPT": self = .noScript
        default: self = Self.byWords(reply, text)
        }
    }

    /// Refusals whose first word says nothing: errors within a script, and those of older servers.
    private static func byWords(_ reply: String, _ text: String) -> RedisTrouble {
        if reply.contains("WRONGTYPE") { return .wrongType }
        if reply.contains("READONLY") || reply.contains("read only replica") { return .readOnly }
        if reply.contains("OOM ") || reply.contains("command not allowed when used memory") { return .outOfMemory }
        if reply.contains("MISCONF") { return .cannotSave }
        if reply.contains("NOPERM") || reply.contains("The user executing the script can't") {
            return .notPermitted(text)
        }
        if reply.contains("CROSSSLOT") || reply.contains("non local key in a cluster") { return .clustered(text) }
        if reply.contains("invalid password") || reply.contains("without any password configured") {
            return .passwordRefused
        }
        return .refused(text)
    }

    /// Whether the connection is of no use any more: another server has to be looked for, or this one again.
    var endsConnection: Bool {
        switch self {
        case .unreachable, .tls, .closed, .garbage, .readOnly, .clustered, .sentinel, .noPrimary, .tooOld: true
        case .passwordNeeded, .passwordRefused, .unexpected, .unsettled, .loading: true
        case .silent, .crowded, .notPermitted, .outOfMemory, .cannotSave, .busy, .wrongType, .noScript, .refused: false
        }
    }

    /// What it is and what to do about it, in one sentence without a full stop. Holds no secret: what a server says to AUTH
    /// is never part of it.
    package var text: String {
        switch self {
        case .unreachable(let why): "it cannot be reached (\(why)): is it running, and is fleet.engine its address?"
        case .tls(let why):
            "TLS failed (\(why)): its certificate has to be valid for the host in fleet.engine, by fleet.ca_file or the system"
        case .silent: "it does not answer in time"
        case .closed: "it closed the connection"
        case .crowded: "too many commands wait for its answers"
        case .garbage(let what):
            "what answers does not speak the Redis protocol (\(what)): check host and port of fleet.engine, and redis:// or rediss://"
        case .passwordNeeded: "it wants a password: name a file with it in fleet.password_file"
        case .passwordRefused: "it refuses the user or password in fleet.password_file"
        case .notPermitted(let why):
            "its user may not do what is needed (\(why)): grant it the keys cp1:* and the commands in docs/fleet.md"
        case .readOnly: "it is a replica now and takes no writes: another server is looked for"
        case .loading: "it is loading its data"
        case .clustered(let why):
            "it is part of a cluster and sends elsewhere (\(why)): name the server that holds the slot, or one without a cluster"
        case .outOfMemory: "its memory is full: raise its maxmemory"
        case .cannotSave: "it cannot save to its disk and takes no writes: see its log"
        case .busy: "somebody's script keeps it busy"
        case .unsettled(let why): "it cannot answer now (\(why))"
        case .wrongType:
            "a key of this fleet belongs to somebody else: give the fleet a database of its own, as in redis://host/1"
        case .unexpected(let what):
            "it answered \(what) with something else: is it a Redis server of version 5 or newer?"
        case .noScript: "it has forgotten the script"
        case .tooOld(let version): "it is version \(version): Redis 5 or newer, or Valkey, is needed"
        case .sentinel: "it is a Sentinel, which keeps no data: name the servers themselves in fleet.engine"
        case .noPrimary: "none of the servers is a primary"
        case .refused(let why): "it refuses (\(why))"
        }
    }

    /// What a server says may hold anything, for log lines too: 120 printable characters of it.
    static func printable(_ text: String) -> String {
        String(decoding: text.utf8.prefix(120).map { (0x20...0x7E).contains($0) ? $0 : 0x3F }, as: UTF8.self)
    }
}
