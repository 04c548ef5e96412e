// The sections and tables of proxy.conf whose features come later: read and checked already, so that a file can say
// them and a mistake in them is told. ConfigKeys marks what is not in force.

import ClashAPI
import RateLimiting

extension Config {
    /// `[fleet]`.
    package struct Fleet: Sendable, Equatable {
        /// nil: alone, in memory.
        package var engine: FleetEngine?
        /// Path of a file with the password for Redis.
        package var passwordFile: String?
        /// Path of a PEM bundle for `rediss://`.
        package var caFile: String?
        /// Of this member; empty: host and pid.
        package var name = ""
        /// As many sidecars share the windows at most.
        package var maxMembers = 5
        /// Of every window, for members that are cut off from the engine, in percent.
        package var offlineReserve = Percent(10)
        /// How long a member answers from its cache without hearing from the engine.
        package var maxLag = Duration.milliseconds(500)
        /// Whether stored pages are shared.
        package var sharePages = false
        /// Path of the key that seals what is shared.
        package var keyFile: String?
    }

    /// `[deletes]`.
    package struct Deletes: Sendable, Equatable {
        /// Ids that nobody may delete.
        package var protect: [String] = []
        /// Whether a delete waits for somebody's approval.
        package var approval = DeleteApproval.none
        /// Whether what goes is kept.
        package var archive = DeleteArchive.off
        /// The folder of what is kept.
        package var archivePath = "archive"
        /// Age at which an archived file goes; nil: never.
        package var archiveKeep: Duration?
    }

    /// `[alerts]`.
    package struct Alerts: Sendable, Equatable {
        /// The URL that gets a JSON POST; secret, because such URLs hold their own key.
        package var webhook: Secret?
        /// Path of a program that gets the same JSON.
        package var command: String?
        /// Percentages of a window.
        package var budgetAt = [80, 95]
    }

    /// `[traces]`.
    package struct Traces: Sendable, Equatable {
        /// OTLP/HTTP JSON.
        package var endpoint: BaseURL?
        /// The share of requests without a sampling decision of their own that is traced, 0 to 1.
        package var sample = 1.0
    }

    /// One `[[issuer]]`.
    package struct Issuer: Sendable, Equatable {
        /// What `iss` must equal; never nil in a loaded configuration.
        package var url: IssuerURL?
        /// nil: from the discovery document.
        package var jwksURL: BaseURL?
        /// One of these must be in `aud`.
        package var audience: [String] = []
        /// One of these must be the token's client.
        package var clientIDs: [String] = []
        /// The claim that names the person.
        package var nameClaim = "email"
        /// What everybody of this issuer may do.
        package var allow: Set<Permission> = [.read]
        /// The claim whose values grant more.
        package var rightsClaim = ""
        /// What the values of `rightsClaim` grant.
        package var rights: [String: Set<Permission>] = [:]
        /// As for callers.
        package var itwins: [EntityID] = []
        /// As for callers.
        package var operations: [String] = []
        /// As for callers.
        package var priority = CallerPriority.interactive
        /// As for callers.
        package var weight = 1
        /// As for callers.
        package var maxInFlight = 0
        /// As for callers.
        package var windows: [GateWindow] = []
    }

    /// One `[[audit_sink]]`.
    package struct AuditSink: Sendable, Equatable {
        /// Unique; never empty in a loaded configuration.
        package var name = ""
        /// `tls://`, `tcp://`, `udp://`, `https://` or, on loopback, `http://`; never nil in a loaded configuration.
        package var url: SinkURL?
        /// Where a new sink begins.
        package var from = SinkStart.start
        /// Path of a PEM bundle for it.
        package var caFile: String?
        /// Path of a file with its bearer token.
        package var tokenFile: String?
    }
}

/// `deletes.approval`.
package enum DeleteApproval: String, Sendable, CaseIterable {
    /// None is needed.
    case none
    /// Another caller's.
    case second
}

/// `deletes.archive`.
package enum DeleteArchive: String, Sendable, CaseIterable {
    /// Nothing is kept.
    case off
    /// Kept where it can be.
    case bestEffort = "best_effort"
    /// Kept, or not deleted.
    case required
}

/// `from` of an `[[audit_sink]]`.
package enum SinkStart: String, Sendable, CaseIterable {
    /// The first record of the log.
    case start
    /// The next record.
    case end
}

/// Permission bits of a file.
package struct FileMode: Sendable, Hashable {
    /// 0 to 0o777.
    package var bits: UInt32
}

/// A whole number of percent, 0 to 100.
package struct Percent: Sendable, Hashable {
    /// The number.
    package var value: Int

    /// Unchecked.
    package init(_ value: Int) { self.value = value }
}

/// A place where several sidecars meet.
package enum FleetEngine: Sendable, Hashable {
    /// A file that the sidecars of one machine share.
    case file(path: String)
    /// Redis, at one of several addresses.
    case redis(hosts: [FleetHost], database: Int, isTLS: Bool)
}

/// An address of Redis.
package struct FleetHost: Sendable, Hashable {
    /// Lower case; IPv6 without brackets.
    package var name: String
    /// 1 to 65535.
    package var port: Int
}

/// Where audit records are sent.
package struct SinkURL: Sendable, Hashable {
    /// The protocols there are.
    package enum Scheme: String, Sendable, CaseIterable {
        /// Syslog over TLS.
        case tls
        /// Syslog over TCP.
        case tcp
        /// Syslog over UDP.
        case udp
        /// JSON lines by POST.
        case https
        /// The same on loopback.
        case http
    }

    /// Protocol.
    package var scheme: Scheme
    /// Whether it is spoken to by HTTP.
    package var isHTTP: Bool { scheme == .https || scheme == .http }
    /// Host, port and, for https, a path.
    package var address: BaseURL
}
