// The configuration as the rest of the proxy sees it: plain values, one struct per section of
// proxy.conf, names in camel case. `Config()` is exactly what an empty file means, so every default
// is written here and nowhere else. Values in a loaded `Config` are already checked, alone and
// against each other; see ConfigKeys for the ranges and ConfigChecks for the relations.

import ClashAPI
import Ground
import RateLimiting

/// Everything proxy.conf, the environment and `--set` can say. A value type, free to share.
package struct Config: Sendable, Equatable {
    /// `[listen]`: where tools connect.
    package var listen = Listen()
    /// `[admin]`: where operators connect.
    package var admin = Admin()
    /// `[upstream]`: the API behind the proxy.
    package var upstream = Upstream()
    /// `[token]`: where upstream credentials come from.
    package var token = Token()
    /// `[cache]`: what may be answered without asking upstream.
    package var cache = Cache()
    /// `[rate]`: the subscription's limits.
    package var rate = Rate()
    /// `[fleet]`: how several sidecars act as one.
    package var fleet = Fleet()
    /// `[audit]`: the record of what was changed and by whom.
    package var audit = Audit()
    /// `[deletes]`: what stands between a delete and Bentley.
    package var deletes = Deletes()
    /// `[alerts]`: who is told of trouble.
    package var alerts = Alerts()
    /// `[traces]`: where spans go.
    package var traces = Traces()
    /// `[log]`: access and application log.
    package var log = Log()
    /// `[shutdown]`: how the proxy ends.
    package var shutdown = Shutdown()
    /// One per `[[caller]]`, in file order. Empty: everybody on loopback is "anonymous" with every right.
    package var callers: [Caller] = []
    /// One per `[[issuer]]`: who vouches for people and machines that come with a JWT.
    package var issuers: [Issuer] = []
    /// One per `[[audit_sink]]`: where copies of the audit records go.
    package var auditSinks: [AuditSink] = []

    /// The defaults, as an empty file in an empty environment gives them.
    package init() {}
}

extension Config {
    /// `[listen]`.
    package struct Listen: Sendable, Equatable {
        /// Never empty. Port 0 lets the system pick one.
        package var addresses = [ListenAddress.tcp(host: "127.0.0.1", port: 8080)]
        /// Permission bits of unix sockets; nil: what the umask gives.
        package var socketMode: FileMode?
        /// Base of rewritten links; nil: scheme and Host of each request.
        package var publicURL: BaseURL?
        /// Path of the PEM chain; set if and only if `tlsKey` is.
        package var tlsCertificate: String?
        /// Path of the PEM key.
        package var tlsKey: String?
        /// Path of a PEM bundle; when set, clients must present a certificate signed by it.
        package var clientCA: String?
        /// HTTP/2 with prior knowledge on listeners without TLS.
        package var h2c = false
        /// Who in front of us is believed about a client's address.
        package var trustedProxies: [NetworkRange] = []
        /// Connections begin with a PROXY protocol preamble.
        package var proxyProtocol = false
        /// Open connections from tools.
        package var maxConnections = 10_000
        /// Request line and header fields together, in bytes.
        package var maxHeaderBytes = 32 << 10
        /// A request body, in bytes; over it 413.
        package var maxBodyBytes = 10 << 20
        /// Request bodies waiting and answers waiting for slow tools, all together, in bytes.
        package var maxHeldBytes = 64 << 20
        /// The slowest request body, in bytes per second.
        package var minRate = 1024
        /// From the first byte of a request to the end of its head.
        package var headerTimeout = Duration.seconds(10)
        /// A connection without a request.
        package var idleTimeout = Duration.seconds(75)
        /// Browser origins that may call, as `scheme://host[:port]` in lower case without default port.
        package var corsOrigins: [String] = []
        /// Names in lower case that may stand in Host where there are no callers, besides loopback, address and public URL.
        package var hosts: [String] = []

        /// Whether this listener speaks TLS.
        package var usesTLS: Bool { tlsCertificate != nil }
    }

    /// `[admin]`.
    package struct Admin: Sendable, Equatable {
        /// nil turns the admin listener off.
        package var address: ListenAddress? = .tcp(host: "127.0.0.1", port: 8081)
        /// The key for everything but `public`.
        package var keySHA256: KeyHash?
        /// Paths that need no key.
        package var `public` = ["/healthz", "/readyz"]
        /// All that there are.
        package static let paths = [
            "/", "/healthz", "/readyz", "/metrics", "/status.json", "/explain", "/purge", "/reload", "/quit",
        ]
        /// Names that may stand in Host.
        package var hosts: [String] = []
        /// Connections at once. No key: few people and programs look at a proxy.
        package var maxConnections = 256
    }

    /// `[upstream]`.
    package struct Upstream: Sendable, Equatable {
        /// The API, never with a path. `http` on loopback hosts only.
        package var url = BaseURL(scheme: .https, host: "api.bentley.com")
        /// Links in answers that begin so are rewritten to this proxy.
        package var linkPrefixes = [
            LinkPrefix(prefix: BaseURL(scheme: .https, host: "api.bentley.com")),
            LinkPrefix(
                prefix: BaseURL(
                    scheme: .https, host: "dev-api.bentley.com", path: "/apis/clash-detection-v2/operations"),
                replacement: "/clash-detection"),
        ]
        /// Paths that are forwarded, with everything below them; each begins with `/` and does not end with one.
        package var allowPrefixes = ["/clash-detection", "/clashdetection"]
        /// Path of a PEM bundle trusted besides the system's, for upstream and token endpoint.
        package var caFile: String?
        /// A proxy on the way out, without a path.
        package var proxy: BaseURL?
        /// Path of a file with "user:password" for `proxy`.
        package var proxyCredentialsFile: String?
        /// TCP and TLS together.
        package var connectTimeout = Duration.seconds(5)
        /// From the request sent to the first byte of the answer.
        package var firstByteTimeout = Duration.seconds(60)
        /// No byte for so long in mid-body.
        package var stallTimeout = Duration.seconds(30)
        /// Connections to upstream.
        package var maxConnections = 16
        /// HTTP/2 towards upstream.
        package var http2 = false
    }

    /// `[token]`.
    package struct Token: Sendable, Equatable {
        /// Where the token comes from.
        package var mode = TokenMode.clientCredentials
        /// The token endpoint. `http` on loopback hosts only.
        package var tokenURL = BaseURL(scheme: .https, host: "ims.bentley.com", path: "/connect/token")
        /// Never empty unless `mode` is `passthrough`.
        package var clientID = ""
        /// nil for a public client, and where `clientSecretFile` is used instead.
        package var clientSecret: Secret?
        /// Path of a file that holds the secret; wins over a `clientSecret` that is only the default reference.
        package var clientSecretFile: String?
        /// How the client proves itself at the token endpoint (RFC 6749 section 2.3.1).
        package var clientAuth = ClientAuth.basic
        /// Space-separated scopes (RFC 6749 section 3.3).
        package var scope = "itwin-platform"
        /// More form fields of token requests; none of a name that a grant sets, none twice.
        package var extraParameters: [TokenParameter] = []
        /// For `login`; nil: from the issuer's discovery document.
        package var authorizeURL: BaseURL?
        /// For `login`; 0: any free port.
        package var redirectPort = 0
        /// How long before its end a token is renewed.
        package var refreshBefore = Duration.seconds(300)
        /// Path of the file that keeps the rotating refresh token; never nil in `refresh_token` mode.
        package var stateFile: String?
    }

    /// `[cache]`.
    package struct Cache: Sendable, Equatable {
        /// Off: every call goes upstream.
        package var enabled = true
        /// All stored answers together.
        package var maxBytes = 256 << 20
        /// One stored answer; in a loaded configuration never above `maxBytes`.
        package var maxEntryBytes = 16 << 20
        /// Pages of lists.
        package var ttlList = Duration.seconds(30)
        /// A page or report with a run that has not ended.
        package var ttlInProgress = Duration.seconds(5)
        /// Reports and results whose run has ended.
        package var ttlTerminal = Duration.seconds(600)
        /// Templates.
        package var ttlStable = Duration.seconds(3600)
        /// Age past freshness at which an answer still goes out while one refresh runs; zero turns it off.
        package var staleWhileRevalidate = Duration.seconds(30)
        /// Age past freshness at which an answer still stands in for an error; zero turns it off.
        package var staleIfError = Duration.seconds(3600)
        /// Pages of any size from fetches of the largest.
        package var walks = true
        /// Fetch a walk's next page while the budget idles.
        package var prefetch = true
    }

    /// `[rate]`.
    package struct Rate: Sendable, Equatable {
        /// Hard caps on all calls; empty: none.
        package var windows = [GateWindow(limit: 5000, span: .seconds(60))]
        /// Hard caps on starting runs; empty: none.
        package var runWindows = [GateWindow(limit: 6, span: .seconds(1))]
        /// Calls that may be upstream at once.
        package var maxInFlight = 16
        /// The longest a call waits for its turn; zero: it never waits.
        package var maxWait = Duration.seconds(30)
        /// Calls that may wait at once; zero: none.
        package var maxQueue = 1000
        /// Only measure and report, hold nothing back.
        package var observe = false
    }

    /// `[audit]`.
    package struct Audit: Sendable, Equatable {
        /// The folder the log rotates in.
        package var path = "audit"
        /// No record, no delete.
        package var required = true
        /// Keep what is about to be deleted.
        package var snapshot = true
        /// A delete without `X-Audit-Reason` is refused with 428.
        package var requireReason = false
        /// What is recorded besides deletes.
        package var also: Set<AuditExtra> = [.run, .cancel]
        /// Deletes per caller; nil: no limit.
        package var deleteBudget: GateWindow?
        /// Size at which a new file is begun.
        package var rotateBytes = 64 << 20
        /// Age at which whole files are retired; nil: never.
        package var keep: Duration?
        /// Path of the key that signs checkpoints.
        package var signingKeyFile: String?
        /// How often a checkpoint is signed.
        package var checkpointEvery = Duration.seconds(60)
    }

    /// `[log]`.
    package struct Log: Sendable, Equatable {
        /// The least severe message that is written.
        package var level = LogLevel.info
        /// Text for people, JSON for collectors.
        package var format = LogFormat.text
        /// One line per request on stdout.
        package var access = true
    }

    /// `[shutdown]`.
    package struct Shutdown: Sendable, Equatable {
        /// How long it still accepts, but is not ready, after SIGTERM.
        package var readyDelay = Duration.zero
        /// How long running requests may take to finish after SIGTERM.
        package var drainTimeout = Duration.seconds(25)
    }

    /// One `[[caller]]`: a tool, how it is recognised and what it may do.
    package struct Caller: Sendable, Equatable {
        /// Unique among callers; never "anonymous" nor "other", and never begins with "token:".
        package var name: String
        /// How the caller is recognised.
        package var credential: Credential
        /// Never empty.
        package var allow: Set<Permission>
        /// Its place in the queue.
        package var priority = CallerPriority.interactive
        /// Its share of the queue against other callers, 1 or more.
        package var weight = 1
        /// iTwins that it may touch; empty: all that the client may see.
        package var itwins: [EntityID] = []
        /// Names of operations, with `*` at the end for all that begin so; empty: all.
        package var operations: [String] = []
        /// Places upstream at once; 0: three quarters of `rate.max_in_flight`.
        package var maxInFlight = 0
        /// Hard caps of its own.
        package var windows: [GateWindow] = []
    }

    /// How a caller is recognised.
    package enum Credential: Sendable, Hashable {
        /// SHA-256 of the key it presents.
        case key(KeyHash)
        /// Common name or subject alternative name of its client certificate.
        case certificate(String)
        /// Login name or uid of the process at the other end of a unix socket.
        case user(String)
    }
}
