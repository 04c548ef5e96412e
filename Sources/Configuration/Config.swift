// The configuration as the rest of the proxy sees it: plain values, one struct per section of
// proxy.conf, names in camel case. `Config()` is exactly what an empty file means, so every default
// is written here and nowhere else. Values in a loaded `Config` are already checked, alone and
// against each other; see ConfigKeys for the ranges and ConfigChecks for the relations.

import Ground
import RateLimiting

/// Everything proxy.conf, the environment and `--set` can say. A value type, free to share.
public struct Config: Sendable, Equatable {
    /// `[listen]`: where tools connect.
    public var listen = Listen()
    /// `[admin]`: where operators connect.
    public var admin = Admin()
    /// `[upstream]`: the API behind the proxy.
    public var upstream = Upstream()
    /// `[token]`: where upstream credentials come from.
    public var token = Token()
    /// `[cache]`: what may be answered without asking upstream.
    public var cache = Cache()
    /// `[rate]`: the subscription's limits.
    public var rate = Rate()
    /// `[fleet]`: how several sidecars act as one.
    public var fleet = Fleet()
    /// `[audit]`: the record of what was changed and by whom.
    public var audit = Audit()
    /// `[deletes]`: what stands between a delete and Bentley.
    public var deletes = Deletes()
    /// `[alerts]`: who is told of trouble.
    public var alerts = Alerts()
    /// `[traces]`: where spans go.
    public var traces = Traces()
    /// `[log]`: access and application log.
    public var log = Log()
    /// `[shutdown]`: how the proxy ends.
    public var shutdown = Shutdown()
    /// One per `[[caller]]`, in file order. Empty: everybody on loopback is "anonymous" with every right.
    public var callers: [Caller] = []
    /// One per `[[issuer]]`: who vouches for people and machines that come with a JWT.
    public var issuers: [Issuer] = []
    /// One per `[[audit_sink]]`: where copies of the audit records go.
    public var auditSinks: [AuditSink] = []

    /// The defaults, as an empty file in an empty environment gives them.
    public init() {}
}

extension Config {
    /// `[listen]`.
    public struct Listen: Sendable, Equatable {
        /// Port 0 lets the system pick one.
        public var address = ListenAddress.tcp(host: "127.0.0.1", port: 8080)
        /// Permission bits of unix sockets; nil: what the umask gives.
        public var socketMode: FileMode?
        /// Base of rewritten links; nil: scheme and Host of each request.
        public var publicURL: BaseURL?
        /// Path of the PEM chain; set if and only if `tlsKey` is.
        public var tlsCertificate: String?
        /// Path of the PEM key.
        public var tlsKey: String?
        /// Path of a PEM bundle; when set, clients must present a certificate signed by it.
        public var clientCA: String?
        /// HTTP/2 with prior knowledge on listeners without TLS.
        public var h2c = false
        /// Who in front of us is believed about a client's address.
        public var trustedProxies: [NetworkRange] = []
        /// Connections begin with a PROXY protocol preamble.
        public var proxyProtocol = false
        /// Open connections from tools.
        public var maxConnections = 10_000
        /// Request line and header fields together, in bytes.
        public var maxHeaderBytes = 32 << 10
        /// A request body, in bytes; over it 413.
        public var maxBodyBytes = 10 << 20
        /// Request bodies waiting and answers waiting for slow tools, all together, in bytes.
        public var maxHeldBytes = 64 << 20
        /// The slowest request body, in bytes per second.
        public var minRate = 1024
        /// From the first byte of a request to the end of its head.
        public var headerTimeout = Duration.seconds(10)
        /// A connection without a request.
        public var idleTimeout = Duration.seconds(75)
        /// Browser origins that may call, as `scheme://host[:port]` in lower case without default port.
        public var corsOrigins: [String] = []
        /// Names in lower case that may stand in Host where there are no callers, besides loopback, address and public URL.
        public var hosts: [String] = []

        /// Whether this listener speaks TLS.
        public var usesTLS: Bool { tlsCertificate != nil }
    }

    /// `[admin]`.
    public struct Admin: Sendable, Equatable {
        /// nil turns the admin listener off.
        public var address: ListenAddress? = .tcp(host: "127.0.0.1", port: 8081)
        /// The key for everything but `public`.
        public var keySHA256: KeyHash?
        /// Paths that need no key.
        public var `public` = ["/healthz", "/readyz"]
        /// Names that may stand in Host.
        public var hosts: [String] = []
        /// Connections at once. No key: few people and programs look at a proxy.
        public var maxConnections = 256
    }

    /// `[upstream]`.
    public struct Upstream: Sendable, Equatable {
        /// The API, never with a path. `http` on loopback hosts only.
        public var url = BaseURL(scheme: .https, host: "api.bentley.com")
        /// Links in answers that begin so are rewritten to this proxy.
        public var linkPrefixes = [
            LinkPrefix(prefix: BaseURL(scheme: .https, host: "api.bentley.com")),
            LinkPrefix(
                prefix: BaseURL(
                    scheme: .https, host: "dev-api.bentley.com", path: "/apis/clash-detection-v2/operations"),
                replacement: "/clash-detection"),
        ]
        /// Paths that are forwarded, with everything below them; each begins with `/` and does not end with one.
        public var allowPrefixes = ["/clash-detection", "/clashdetection"]
        /// Path of a PEM bundle trusted besides the system's, for upstream and token endpoint.
        public var caFile: String?
        /// A proxy on the way out, without a path.
        public var proxy: BaseURL?
        /// Path of a file with "user:password" for `proxy`.
        public var proxyCredentialsFile: String?
        /// TCP and TLS together.
        public var connectTimeout = Duration.seconds(5)
        /// From the request sent to the first byte of the answer.
        public var firstByteTimeout = Duration.seconds(60)
        /// No byte for so long in mid-body.
        public var stallTimeout = Duration.seconds(30)
        /// Connections to upstream.
        public var maxConnections = 16
        /// HTTP/2 towards upstream.
        public var http2 = false
    }

    /// `[token]`.
    public struct Token: Sendable, Equatable {
        /// Where the token comes from.
        public var mode = TokenMode.clientCredentials
        /// The token endpoint. `http` on loopback hosts only.
        public var tokenURL = BaseURL(scheme: .https, host: "ims.bentley.com", path: "/connect/token")
        /// Never empty unless `mode` is `passthrough`.
        public var clientID = ""
        /// nil for a public client, and where `clientSecretFile` is used instead.
        public var clientSecret: Secret?
        /// Path of a file that holds the secret; wins over a `clientSecret` that is only the default reference.
        public var clientSecretFile: String?
        /// How the client proves itself at the token endpoint (RFC 6749 section 2.3.1).
        public var clientAuth = ClientAuth.basic
        /// Space-separated scopes (RFC 6749 section 3.3).
        public var scope = "itwin-platform"
        /// More form fields of token requests; none of a name that a grant sets, none twice.
        public var extraParameters: [TokenParameter] = []
        /// For `login`; nil: from the issuer's discovery document.
        public var authorizeURL: BaseURL?
        /// For `login`; 0: any free port.
        public var redirectPort = 0
        /// How long before its end a token is renewed.
        public var refreshBefore = Duration.seconds(300)
        /// Path of the file that keeps the rotating refresh token; never nil in `refresh_token` mode.
        public var stateFile: String?
    }

    /// `[cache]`.
    public struct Cache: Sendable, Equatable {
        /// Off: every call goes upstream.
        public var enabled = true
        /// All stored answers together.
        public var maxBytes = 256 << 20
        /// One stored answer; in a loaded configuration never above `maxBytes`.
        public var maxEntryBytes = 16 << 20
        /// Pages of lists.
        public var ttlList = Duration.seconds(30)
        /// A page or report with a run that has not ended.
        public var ttlInProgress = Duration.seconds(5)
        /// Reports and results whose run has ended.
        public var ttlTerminal = Duration.seconds(600)
        /// Templates.
        public var ttlStable = Duration.seconds(3600)
        /// Age past freshness at which an answer still goes out while one refresh runs; zero turns it off.
        public var staleWhileRevalidate = Duration.seconds(30)
        /// Age past freshness at which an answer still stands in for an error; zero turns it off.
        public var staleIfError = Duration.seconds(3600)
        /// Pages of any size from fetches of the largest.
        public var walks = true
        /// Fetch a walk's next page while the budget idles.
        public var prefetch = true
    }

    /// `[rate]`.
    public struct Rate: Sendable, Equatable {
        /// Hard caps on all calls; empty: none.
        public var windows = [GateWindow(limit: 5000, span: .seconds(60))]
        /// Hard caps on starting runs; empty: none.
        public var runWindows = [GateWindow(limit: 6, span: .seconds(1))]
        /// Calls that may be upstream at once.
        public var maxInFlight = 16
        /// The longest a call waits for its turn; zero: it never waits.
        public var maxWait = Duration.seconds(30)
        /// Calls that may wait at once; zero: none.
        public var maxQueue = 1000
        /// Only measure and report, hold nothing back.
        public var observe = false
        /// Path of a file that carries upstream's pauses over a restart.
        public var stateFile: String?
    }

    /// `[audit]`.
    public struct Audit: Sendable, Equatable {
        /// The folder the log rotates in.
        public var path = "audit"
        /// No record, no delete.
        public var required = true
        /// Keep what is about to be deleted.
        public var snapshot = true
        /// A delete without `X-Audit-Reason` is refused with 428.
        public var requireReason = false
        /// What is recorded besides deletes.
        public var also: Set<AuditExtra> = [.run, .cancel]
        /// Deletes per caller; nil: no limit.
        public var deleteBudget: GateWindow?
        /// Size at which a new file is begun.
        public var rotateBytes = 64 << 20
        /// Age at which whole files are retired; nil: never.
        public var keep: Duration?
        /// Path of the key that signs checkpoints.
        public var signingKeyFile: String?
        /// How often a checkpoint is signed.
        public var checkpointEvery = Duration.seconds(60)
    }

    /// `[log]`.
    public struct Log: Sendable, Equatable {
        /// The least severe message that is written.
        public var level = LogLevel.info
        /// Text for people, JSON for collectors.
        public var format = LogFormat.text
        /// One line per request on stdout.
        public var access = true
    }

    /// `[shutdown]`.
    public struct Shutdown: Sendable, Equatable {
        /// How long it still accepts, but is not ready, after SIGTERM.
        public var readyDelay = Duration.zero
        /// How long running requests may take to finish after SIGTERM.
        public var drainTimeout = Duration.seconds(25)
    }

    /// One `[[caller]]`: a tool, how it is recognised and what it may do.
    public struct Caller: Sendable, Equatable {
        /// Unique among callers; never "anonymous" and never begins with "token:".
        public var name: String
        /// How the caller is recognised.
        public var credential: Credential
        /// Never empty.
        public var allow: Set<Permission>
        /// Its place in the queue.
        public var priority = CallerPriority.interactive
        /// Its share of the queue against other callers, 1 or more.
        public var weight = 1
        /// iTwins that it may touch; empty: all that the client may see.
        public var itwins: [String] = []
        /// Names of operations, with `*` at the end for all that begin so; empty: all.
        public var operations: [String] = []
        /// Places upstream at once; 0: three quarters of `rate.max_in_flight`.
        public var maxInFlight = 0
        /// Hard caps of its own.
        public var windows: [GateWindow] = []
    }

    /// How a caller is recognised.
    public enum Credential: Sendable, Hashable {
        /// SHA-256 of the key it presents.
        case key(KeyHash)
        /// Common name or subject alternative name of its client certificate.
        case certificate(String)
        /// Login name or uid of the process at the other end of a unix socket.
        case user(String)
    }
}
