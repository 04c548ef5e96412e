// What a simulator is made of. Every field has a usable default, so `SimulatorConfiguration()` is a small,
// fast, well-behaved fake; each knob makes it larger, slower or nastier. Plain values, no validation beyond
// clamping at the point of use: a fake should accept silly settings.

/// An OAuth client that the token endpoint knows.
public struct OAuthClient: Sendable, Hashable {
    /// The `client_id`.
    public var id: String
    /// The secret, or nil for a public client (authorization code with PKCE, refresh token).
    public var secret: String?

    /// Makes a client; without a secret it is a public one.
    public init(id: String, secret: String?) {
        self.id = id
        self.secret = secret
    }
}

/// A sliding rate window: at most `limit` calls in any span of the given length.
public struct RateWindow: Sendable, Hashable {
    /// Calls allowed in the span; less than 1 is read as 1.
    public var limit: Int
    /// Length of the span.
    public var span: Duration

    /// Makes a window of `limit` calls per `span`.
    public init(limit: Int, per span: Duration) {
        self.limit = max(1, limit)
        self.span = span
    }
}

/// Everything that can be set about a ``Simulator``.
public struct SimulatorConfiguration: Sendable {
    // MARK: Where it listens

    /// Address that both listeners bind. Default `127.0.0.1`.
    public var host = "127.0.0.1"
    /// Port of the API; 0 (the default) lets the system choose.
    public var apiPort = 0
    /// Port of the token endpoint; 0 (the default) lets the system choose, nil puts it on the API's listener.
    public var tokenPort: Int? = 0
    /// Event-loop threads. Default 1.
    public var threads = 1

    // MARK: What it holds

    /// Seed of every id, name and number. Same seed, same world. Default 1.
    public var seed: UInt64 = 1
    /// Number of iTwins (v1: projects). Default 2.
    public var iTwins = 2
    /// Ids of the first iTwins, as dashed GUIDs, instead of ids of the seed; what is none is passed over, and what comes twice
    /// counts once. Default none.
    public var iTwinIDs: [String] = []
    /// Tests in each iTwin. Default 12.
    public var testsPerITwin = 12
    /// Reports (v1: runs) in each iTwin, all of them ended. Default 25.
    public var reportsPerITwin = 25
    /// Suppression rules in each iTwin. Default 12.
    public var rulesPerITwin = 12
    /// Repositories (iModels) in each iTwin. Default 3.
    public var repositoriesPerITwin = 3
    /// Clashes in an ordinary report. Default 5.
    public var clashesPerReport = 5
    /// Clashes in the oldest report of the first iTwin, about 400 bytes each, made while they are sent.
    /// Default 100,000 (about 40 MB); 0 leaves that report ordinary.
    public var bigReportClashes = 100_000

    // MARK: How it behaves

    /// Wait before each answer, in real time. Default zero.
    public var latency: Duration = .zero
    /// Up to so much more wait, drawn from the seed. Default zero.
    public var latencyJitter: Duration = .zero
    /// How long a started run stays at status 0, by the injected clock. Default 3 s.
    public var runDuration: Duration = .seconds(3)
    /// How long an extraction of models and categories stays `unavailable`, by the injected clock. Default 3 s.
    public var extractionDuration: Duration = .seconds(3)
    /// Compress (validly, with stored blocks) answers to requests that accept gzip. Default off.
    public var gzip = false
    /// Put weak entity tags on 200 answers and honour `If-None-Match`. Default off.
    public var weakETags = false
    /// Refuse an `Accept` that names the other API version with 406. Upstream's own answer is not documented. Default off.
    public var strictAccept = false
    /// What replaces `/clash-detection` in v2 links. Default: the documented host and prefix, which differ from
    /// the real endpoint. Empty: this simulator's own address.
    public var linkBaseV2 = "https://dev-api.bentley.com/apis/clash-detection-v2/operations"
    /// What replaces `/clashdetection` in v1 links. Default `https://api.bentley.com/clashdetection`. Empty: own address.
    public var linkBaseV1 = "https://api.bentley.com/clashdetection"

    // MARK: Rate limits

    /// Windows for all calls of one client id. Default none.
    public var rateWindows: [RateWindow] = []
    /// Windows for starting runs, per client id. Default the documented 6 per second.
    public var runWindows = [RateWindow(limit: 6, per: .seconds(1))]
    /// Punish calls made before an announced `Retry-After` is over: the wait starts again and the call is counted
    /// in ``SimulatorCounters/trapViolations``. Default off.
    public var trapMode = false
    /// Calls within this time after a 429 were on their way already and are not counted as violations. Default 250 ms.
    public var trapGrace: Duration = .milliseconds(250)
    /// Value of the `Tier` header and of `ITwinPlatform-RateLimited-Tier`.
    public var tier = "iTwin Platform Community"

    // MARK: Tokens

    /// Clients of the token endpoint. Default: `demo` with secret `demo-secret`, and the public client `demo-browser`.
    public var clients = [
        OAuthClient(id: "demo", secret: "demo-secret"),
        OAuthClient(id: "demo-browser", secret: nil),
    ]
    /// Life of an access token by the injected clock, and the `expires_in` told. Default one hour.
    public var tokenLifetime: Duration = .seconds(3600)

    // MARK: Trouble and evidence

    /// Faults in force from the start; more can be injected while it runs.
    public var faults: [PlannedFault] = []
    /// Requests kept in ``Simulator/recorded``; the oldest go first. Default 10,000; 0 keeps none.
    public var recordLimit = 10_000

    /// A configuration with all defaults.
    public init() {}
}
