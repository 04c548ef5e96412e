// The sections and tables of proxy.conf whose features come later: read and checked already, so that a file can say
// them and a mistake in them is told. ConfigKeys marks what is not in force.

import RateLimiting

extension Config {
    /// `[fleet]`.
    public struct Fleet: Sendable, Equatable {
        /// nil: alone, in memory.
        public var engine: FleetEngine?
        /// Path of a file with the password for Redis.
        public var passwordFile: String?
        /// Path of a PEM bundle for `rediss://`.
        public var caFile: String?
        /// Of this member; empty: host and pid.
        public var name = ""
        /// As many sidecars share the windows at most.
        public var maxMembers = 5
        /// Of every window, for members that are cut off from the engine, in percent.
        public var offlineReserve = Percent(10)
        /// How long a member answers from its cache without hearing from the engine.
        public var maxLag = Duration.milliseconds(500)
        /// Whether stored pages are shared.
        public var sharePages = false
        /// Path of the key that seals what is shared.
        public var keyFile: String?
    }

    /// `[deletes]`.
    public struct Deletes: Sendable, Equatable {
        /// Ids that nobody may delete.
        public var protect: [String] = []
        /// Whether a delete waits for somebody's approval.
        public var approval = DeleteApproval.none
        /// Whether what goes is kept.
        public var archive = DeleteArchive.off
        /// The folder of what is kept.
        public var archivePath = "archive"
        /// Age at which an archived file goes; nil: never.
        public var archiveKeep: Duration?
    }

    /// `[alerts]`.
    public struct Alerts: Sendable, Equatable {
        /// The URL that gets a JSON POST; secret, because such URLs hold their own key.
        public var webhook: Secret?
        /// Path of a program that gets the same JSON.
        public var command: String?
        /// Percentages of a window.
        public var budgetAt = [80, 95]
    }

    /// `[traces]`.
    public struct Traces: Sendable, Equatable {
        /// OTLP/HTTP JSON.
        public var endpoint: BaseURL?
        /// The share of requests without a sampling decision of their own that is traced, 0 to 1.
        public var sample = 1.0
    }

    /// One `[[issuer]]`.
    public struct Issuer: Sendable, Equatable {
        /// What `iss` must equal; never nil in a loaded configuration.
        public var url: BaseURL?
        /// nil: from the discovery document.
        public var jwksURL: BaseURL?
        /// One of these must be in `aud`.
        public var audience: [String] = []
        /// One of these must be the token's client.
        public var clientIDs: [String] = []
        /// The claim that names the person.
        public var nameClaim = "email"
        /// What everybody of this issuer may do.
        public var allow: Set<Permission> = [.read]
        /// The claim whose values grant more.
        public var rightsClaim = ""
        /// What the values of `rightsClaim` grant.
        public var rights: [String: Set<Permission>] = [:]
        /// As for callers.
        public var itwins: [String] = []
        /// As for callers.
        public var operations: [String] = []
        /// As for callers.
        public var priority = CallerPriority.interactive
        /// As for callers.
        public var weight = 1
        /// As for callers.
        public var maxInFlight = 0
        /// As for callers.
        public var windows: [GateWindow] = []
    }

    /// One `[[audit_sink]]`.
    public struct AuditSink: Sendable, Equatable {
        /// Unique; never empty in a loaded configuration.
        public var name = ""
        /// `tls://`, `tcp://`, `udp://` or `https://`; never nil in a loaded configuration.
        public var url: SinkURL?
        /// Where a new sink begins.
        public var from = SinkStart.start
        /// Path of a PEM bundle for it.
        public var caFile: String?
        /// Path of a file with its bearer token.
        public var tokenFile: String?
    }
}

/// `deletes.approval`.
public enum DeleteApproval: String, Sendable, CaseIterable {
    /// None is needed.
    case none
    /// Another caller's.
    case second
}

/// `deletes.archive`.
public enum DeleteArchive: String, Sendable, CaseIterable {
    /// Nothing is kept.
    case off
    /// Kept where it can be.
    case bestEffort = "best_effort"
    /// Kept, or not deleted.
    case required
}

/// `from` of an `[[audit_sink]]`.
public enum SinkStart: String, Sendable, CaseIterable {
    /// The first record of the log.
    case start
    /// The next record.
    case end
}

/// Permission bits of a file.
public struct FileMode: Sendable, Hashable {
    /// 0 to 0o777.
    public var bits: UInt32
}

/// A whole number of percent, 0 to 100.
public struct Percent: Sendable, Hashable {
    /// The number.
    public var value: Int

    /// Unchecked.
    public init(_ value: Int) { self.value = value }
}

/// A place where several sidecars meet.
public enum FleetEngine: Sendable, Hashable {
    /// A file that the sidecars of one machine share.
    case file(path: String)
    /// Redis, at one of several addresses.
    case redis(hosts: [FleetHost], database: Int, isTLS: Bool)
}

/// An address of Redis.
public struct FleetHost: Sendable, Hashable {
    /// Lower case; IPv6 without brackets.
    public var name: String
    /// 1 to 65535.
    public var port: Int
}

/// Where audit records are sent.
public struct SinkURL: Sendable, Hashable {
    /// The protocols there are.
    public enum Scheme: String, Sendable, CaseIterable {
        /// Syslog over TLS.
        case tls
        /// Syslog over TCP.
        case tcp
        /// Syslog over UDP.
        case udp
        /// JSON lines by POST.
        case https
    }

    /// Protocol.
    public var scheme: Scheme
    /// Host, port and, for https, a path.
    public var address: BaseURL
}

/// An address, or all addresses that begin with the same bits (CIDR, RFC 4632).
public struct NetworkRange: Sendable, Hashable {
    /// 4 or 16 bytes, those beyond the prefix zero.
    public var bytes: [UInt8]
    /// Of so many bits.
    public var prefixLength: Int
}
