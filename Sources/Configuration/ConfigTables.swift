// The keys of the arrays of tables: [[caller]], [[issuer]], [[audit_sink]].

import ClashAPI
import RateLimiting

/// The arrays of tables that a configuration can hold.
enum ConfigTable: String, CaseIterable, Sendable {
    case caller, issuer
    case auditSink = "audit_sink"

    /// The keys that one table can hold.
    var keyNames: [String] {
        switch self {
        case .caller: ConfigKeys.caller.map(\.name)
        case .issuer: ConfigKeys.issuer.map(\.name)
        case .auditSink: ConfigKeys.auditSink.map(\.name)
        }
    }

    /// What a whole array may look like outside a file.
    var example: String {
        switch self {
        case .caller: "[{name = \"…\", key_sha256 = \"…\"}]"
        case .issuer: "[{url = \"…\", audience = [\"…\"]}]"
        case .auditSink: "[{name = \"…\", url = \"…\"}]"
        }
    }

    var variable: String { ConfigKeys.variablePrefix + rawValue.uppercased() }
}

extension ConfigKeys {
    /// The keys of a `[[caller]]`.
    static let caller: [ConfigKey<CallerDraft>] = [
        .init("caller.name", \.name, .callerName, "unique; stands in logs and in the audit record"),
        .init(
            "caller.key_sha256", \.keyHash, .optional(.keyHash),
            "or certificate = \"CN or SAN\" (with client_ca), or user = \"login name or uid\" (unix sockets)",
            isSecret: true),
        .init(
            "caller.certificate", \.certificate, .optional(.filled(expects: "a common name or alternative name")),
            "CN or SAN of its certificate, with client_ca"),
        .init(
            "caller.user", \.user, .optional(.filled(expects: "a login name or uid")),
            "login name or uid of its process, on unix sockets"),
        .init("caller.allow", \.allow, .set(.choice, nonEmpty: true), "read, write, run, delete, approve"),
        .init(
            "caller.itwins", \.itwins, .list(.itwin), "iTwin ids it may touch; none: all that the client may see"),
        .init(
            "caller.operations", \.operations, .list(.operationPattern),
            "e.g. [\"v2.reports.*\"]; narrows allow; none: all"),
        .init("caller.priority", \.priority, .choice, "interactive | batch"),
        .init("caller.weight", \.weight, .count(1...1000), "its share of the queue against other callers"),
        .init(
            "caller.max_in_flight", \.maxInFlight, .count(0...10_000),
            "places upstream at once; 0: three quarters of rate.max_in_flight"),
        .init(
            "caller.windows", \.windows, .list(.window), "own hard caps (not spread), e.g. [\"1000/1h\"]"),
    ]

    /// The keys of an `[[issuer]]`. The table as a whole guards access.
    static let issuer: [ConfigKey<Config.Issuer>] = [
        .init(
            "issuer.url", \.url, .optional(.issuer),
            "`iss` must equal it; its keys come from its discovery document, or from jwks_url"),
        .init(
            "issuer.jwks_url", \.jwksURL, .optional(.url), "of its keys; empty: from its discovery document"),
        .init(
            "issuer.audience", \.audience, .list(.filled(expects: "an audience")), "one of them must be in `aud` …"),
        .init(
            "issuer.client_ids", \.clientIDs, .list(.filled(expects: "a client id")),
            "… or, for issuers whose access tokens name no audience, one of these must be `client_id`/`azp`; one of both lists must be set"
        ),
        .init(
            "issuer.name_claim", \.nameClaim, .filled(expects: "the name of a claim"),
            "what logs and the audit record call the person; falls back to `sub`"),
        .init(
            "issuer.allow", \.allow, .set(.choice, nonEmpty: true), "read, write, run, delete, approve"),
        .init(
            "issuer.rights_claim", \.rightsClaim, .anyText,
            "a claim whose values grant more, by the table `rights`"),
        .init(
            "issuer.rights", \.rights, .rights,
            "e.g. { \"clash-admins\" = [\"read\", \"write\", \"run\", \"delete\"] }"),
        .init(
            "issuer.itwins", \.itwins, .list(.itwin),
            "as for callers; also operations, priority, weight, max_in_flight, windows"),
        .init("issuer.operations", \.operations, .list(.operationPattern), "as for callers"),
        .init("issuer.priority", \.priority, .choice, "as for callers"),
        .init("issuer.weight", \.weight, .count(1...1000), "as for callers"),
        .init("issuer.max_in_flight", \.maxInFlight, .count(0...10_000), "as for callers"),
        .init("issuer.windows", \.windows, .list(.window), "as for callers"),
    ]

    /// The keys of an `[[audit_sink]]`.
    static let auditSink: [ConfigKey<Config.AuditSink>] = [
        .init("audit_sink.name", \.name, .filled(expects: "a name"), "unique"),
        .init(
            "audit_sink.url", \.url, .optional(.sink),
            "tls:// tcp:// udp:// = syslog RFC 5424; https:// = JSON lines by POST"),
        .init("audit_sink.from", \.from, .choice, "start | end: where a new sink begins"),
        .init("audit_sink.ca_file", \.caFile, .optional(.path), "PEM; extra CA bundle"),
        .init("audit_sink.token_file", \.tokenFile, .optional(.path), "https: Bearer"),
    ]
}

/// A `[[caller]]` while its keys are read one by one.
struct CallerDraft: Sendable, Equatable {
    var name = ""
    var keyHash: KeyHash?
    var certificate: String?
    var user: String?
    var allow: Set<Permission> = [.read]
    var itwins: [EntityID] = []
    var operations: [String] = []
    var priority = CallerPriority.interactive
    var weight = 1
    var maxInFlight = 0
    var windows: [GateWindow] = []
}

extension CallerDraft {
    /// The keys that give `caller`.
    init(_ caller: Config.Caller) {
        name = caller.name
        allow = caller.allow
        itwins = caller.itwins
        operations = caller.operations
        priority = caller.priority
        weight = caller.weight
        maxInFlight = caller.maxInFlight
        windows = caller.windows
        switch caller.credential {
        case .key(let hash): keyHash = hash
        case .certificate(let name): certificate = name
        case .user(let name): user = name
        }
    }

    /// The caller that these keys give, once its credential is known.
    func caller(_ credential: Config.Credential) -> Config.Caller {
        Config.Caller(
            name: name, credential: credential, allow: allow, priority: priority, weight: weight, itwins: itwins,
            operations: operations, maxInFlight: maxInFlight, windows: windows)
    }
}

extension Config: ConfigRoot {}
extension CallerDraft: ConfigRoot {}
extension Config.Issuer: ConfigRoot {}
extension Config.AuditSink: ConfigRoot {}
