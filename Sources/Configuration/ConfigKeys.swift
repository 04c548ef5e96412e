// The table of keys. A new key is a field in Config (with its default) and a row here or, for arrays of tables, in
// ConfigTables; no other code lists them all. Rows stand in the order of proxy.conf. `inForce: false` marks what is read and checked
// but does nothing yet; whoever builds the feature removes the word.

enum ConfigKeys {
    /// What this proxy shows others about itself; secret keys besides.
    static let credentials: Set = [
        "token.client_id", "token.client_secret", "token.client_secret_file", "token.state_file",
        "upstream.proxy_credentials_file", "audit.signing_key_file",
    ]

    /// Environment variables are this, the section, `_` and the key, all in capitals.
    static let variablePrefix = "CLASH_PROXY_"

    /// The keys of all sections.
    static let all =
        listen + admin + upstream + token + cache + rate + fleet + audit + deletes + alerts + traces + log + shutdown

    /// Sections in the order of proxy.conf.
    static let sections: [String] = all.reduce(into: []) { names, key in
        if names.last != key.section { names.append(key.section) }
    }

    private static let timeout = ConfigFormat.duration(.milliseconds(1)...Duration.seconds(3600))
    private static let span = ConfigFormat.duration(.zero...Duration.seconds(86_400))
    /// Of what is kept on disk: from an hour to a century.
    private static let age = ConfigFormat.duration(Duration.seconds(3600)...Duration.seconds(3_155_760_000))

    private static let listen: [ConfigKey<Config>] = [
        .init(
            "listen.address", \.listen.addresses, .addresses,
            "host:port, [v6]:port, or unix:/path.sock, or a list of them; port 0 picks one and logs it",
            needsRestart: true),
        .init(
            "listen.socket_mode", \.listen.socketMode, .optional(.fileMode),
            "of unix sockets, e.g. \"0660\"; empty: what the umask gives",
            needsRestart: true),
        .init(
            "listen.public_url", \.listen.publicURL, .optional(.url),
            "base URL put into rewritten links; empty: scheme and Host of each request"),
        .init(
            "listen.tls_certificate", \.listen.tlsCertificate, .optional(.path),
            "PEM; with tls_key: TLS 1.2+ and HTTP/2 on every TCP address (never on unix sockets); both are reloaded when they change"
        ),
        .init(
            "listen.tls_key", \.listen.tlsKey, .optional(.path), "PEM; the key of tls_certificate"),
        .init(
            "listen.client_ca", \.listen.clientCA, .optional(.path),
            "PEM; when set, TLS clients must present a certificate signed by it"),
        .init(
            "listen.h2c", \.listen.h2c, .flag, "HTTP/2 with prior knowledge on listeners without TLS",
            needsRestart: true),
        .init(
            "listen.trusted_proxies", \.listen.trustedProxies, .list(.network),
            "addresses or CIDRs in front of us whose X-Forwarded-For and -Proto (and PROXY protocol) are believed"),
        .init(
            "listen.proxy_protocol", \.listen.proxyProtocol, .flag,
            "expect PROXY protocol v1/v2 from trusted_proxies"),
        .init(
            "listen.max_connections", \.listen.maxConnections, .count(1...1_000_000),
            "open connections from tools; one more is answered 503 and closed"),
        .init(
            "listen.max_header_bytes", \.listen.maxHeaderBytes, .bytes(4096...(1 << 20)),
            "header fields; over it 431"),
        .init(
            "listen.max_body_bytes", \.listen.maxBodyBytes, .bytes(1024...(1 << 30)), "request bodies; over it 413"),
        .init(
            "listen.max_held_bytes", \.listen.maxHeldBytes, .bytes(1024...(1 << 40)),
            "request bodies waiting and answers waiting for slow tools, all together; no caller more than half"),
        .init(
            "listen.min_rate", \.listen.minRate, .byteRate,
            "slowest request body (408): at any time at least min_rate x (elapsed - 10 s); for answers see \"Rate\""),
        .init("listen.header_timeout", \.listen.headerTimeout, timeout, "for a request's head to arrive"),
        .init(
            "listen.idle_timeout", \.listen.idleTimeout, timeout,
            "between requests, and the longest silence of a tool in mid-body"),
        .init(
            "listen.cors_origins", \.listen.corsOrigins, .list(.origin),
            "browser origins that may call; preflights are answered here"),
        .init(
            "listen.hosts", \.listen.hosts, .list(.hostName),
            "names that may stand in Host where there are no callers, besides loopback, address and public_url"),
    ]

    private static let admin: [ConfigKey<Config>] = [
        .init(
            "admin.address", \.admin.address, .optional(.address),
            "status page, /healthz /readyz /metrics, purge; \"\" turns it off", needsRestart: true),
        .init(
            "admin.key_sha256", \.admin.keySHA256, .optional(.keyHash),
            "key for everything but `public`; must be set when address is beyond loopback (where it is TLS, too, if listen has a certificate)",
            isSecret: true),
        .init(
            "admin.public", \.admin.public, .list(.adminPath),
            "what needs no key; add \"/metrics\" for a scraper without one"),
        .init(
            "admin.hosts", \.admin.hosts, .list(.hostName),
            "names that may stand in Host; IP addresses and localhost always may"),
    ]

    private static let upstream: [ConfigKey<Config>] = [
        .init("upstream.url", \.upstream.url, .url, "the API; scheme and host only", needsRestart: true),
        .init(
            "upstream.link_prefixes", \.upstream.linkPrefixes, .list(.linkPrefix),
            "absolute URLs in `_links` that begin so are rewritten to this proxy", needsRestart: true),
        .init(
            "upstream.allow_prefixes", \.upstream.allowPrefixes, .list(.pathPrefix, nonEmpty: true),
            "anything else: 404 OperationNotFound, never forwarded", needsRestart: true),
        .init(
            "upstream.ca_file", \.upstream.caFile, .optional(.path),
            "extra CA bundle; verification cannot be turned off", needsRestart: true),
        .init(
            "upstream.proxy", \.upstream.proxy, .optional(.url),
            "http://host:port of a proxy on the way out, also for token endpoint, issuers, webhooks; *_proxy variables are ignored",
            needsRestart: true),
        .init(
            "upstream.proxy_credentials_file", \.upstream.proxyCredentialsFile, .optional(.path),
            "\"user:password\" for it", needsRestart: true),
        .init("upstream.connect_timeout", \.upstream.connectTimeout, timeout, "TCP and TLS together"),
        .init(
            "upstream.first_byte_timeout", \.upstream.firstByteTimeout, timeout, "from the request sent to its answer"),
        .init(
            "upstream.stall_timeout", \.upstream.stallTimeout, timeout,
            "no byte for so long in mid-body (silence that our own back-pressure makes does not count)"),
        .init(
            "upstream.max_connections", \.upstream.maxConnections, .count(1...1000), "connections to the API",
            needsRestart: true),
        .init(
            "upstream.http2", \.upstream.http2, .flag,
            "HTTP/2 upstream; libcurl 7.88 buffers paused streams, so off unless you need it", needsRestart: true),
    ]

    private static let token: [ConfigKey<Config>] = [
        .init(
            "token.mode", \.token.mode, .choice, "client_credentials | refresh_token | passthrough",
            needsRestart: true),
        .init("token.token_url", \.token.tokenURL, .url, "the token endpoint"),
        .init(
            "token.client_id", \.token.clientID, .credential, "not needed for passthrough",
            defaultReference: "${CLASH_CLIENT_ID}"),
        .init(
            "token.client_secret", \.token.clientSecret, .optional(.secret), "a public client has none",
            isSecret: true, defaultReference: "${CLASH_CLIENT_SECRET}"),
        .init(
            "token.client_secret_file", \.token.clientSecretFile, .optional(.path),
            "instead of client_secret; re-read when a refresh is refused"),
        .init("token.client_auth", \.token.clientAuth, .choice, "basic | post"),
        .init("token.scope", \.token.scope, .scope, "scopes, separated by spaces"),
        .init(
            "token.extra_parameters", \.token.extraParameters, .list(.tokenParameter),
            "more fields of token requests, such as \"audience=https://example.com\""),
        .init(
            "token.authorize_url", \.token.authorizeURL, .optional(.url),
            "for `login`; empty: from the issuer's discovery document"),
        .init(
            "token.redirect_port", \.token.redirectPort, .count(0...65535),
            "for `login`; IMS wants registered redirect URIs, 0 = any free port"),
        .init(
            "token.refresh_before", \.token.refreshBefore, span, "never more than half of a token's life; jittered"),
        .init(
            "token.state_file", \.token.stateFile, .optional(.path),
            "refresh_token mode: where the rotating token lives (0600)", needsRestart: true),
    ]

    private static let cache: [ConfigKey<Config>] = [
        .init("cache.enabled", \.cache.enabled, .flag, "false: every call goes upstream"),
        .init(
            "cache.max_bytes", \.cache.maxBytes, .bytes(65536...(1 << 40)),
            "never more than a quarter of the container's memory limit"),
        .init(
            "cache.max_entry_bytes", \.cache.maxEntryBytes, .bytes(1024...(1 << 40)),
            "to keep one, at most a quarter of max_bytes counts"),
        .init("cache.ttl_list", \.cache.ttlList, span, "pages of lists"),
        .init(
            "cache.ttl_in_progress", \.cache.ttlInProgress, span, "a page or report with a run that has not ended"),
        .init(
            "cache.ttl_terminal", \.cache.ttlTerminal, span, "reports and results whose run has ended"),
        .init("cache.ttl_stable", \.cache.ttlStable, span, "templates"),
        .init(
            "cache.stale_while_revalidate", \.cache.staleWhileRevalidate, span,
            "so long a stale answer goes out while one refresh runs"),
        .init("cache.stale_if_error", \.cache.staleIfError, span, "hard upper bound of staleness"),
        .init(
            "cache.walks", \.cache.walks, .flag,
            "serve any $top of the paged lists from fetches of the largest page"),
        .init(
            "cache.prefetch", \.cache.prefetch, .flag, "fetch a walk's next page while the budget idles"),
    ]

    private static let rate: [ConfigKey<Config>] = [
        .init(
            "rate.windows", \.rate.windows, .list(.window),
            "of the subscription; Community: [\"500/1m\", \"5000/1h\"]"),
        .init(
            "rate.run_windows", \.rate.runWindows, .list(.window), "documented for starting runs"),
        .init(
            "rate.max_in_flight", \.rate.maxInFlight, .count(1...10_000),
            "places upstream; more than upstream.max_connections is a mistake"),
        .init("rate.max_wait", \.rate.maxWait, span, "a tool can ask for less: `Prefer: wait=5`"),
        .init("rate.max_queue", \.rate.maxQueue, .count(0...1_000_000), "calls waiting for their turn"),
        .init(
            "rate.observe", \.rate.observe, .flag,
            "hold nothing, pass 429s as they are, count what would have waited"),
    ]

    private static let fleet: [ConfigKey<Config>] = [
        .init(
            "fleet.engine", \.fleet.engine, .optional(.engine),
            "\"\" alone in memory | file:/path.db | redis://host:6379/0 | rediss://… ; several hosts: redis://h1:6379,h2:6379/0",
            guardsAccess: true, needsRestart: true),
        .init(
            "fleet.password_file", \.fleet.passwordFile, .optional(.path),
            "Redis AUTH (\"user:password\" or \"password\"; the first colon separates, one line end is dropped)",
            needsRestart: true),
        .init(
            "fleet.ca_file", \.fleet.caFile, .optional(.path), "rediss://; verification cannot be turned off",
            needsRestart: true),
        .init(
            "fleet.name", \.fleet.name, .anyText,
            "of this member; empty: host and pid (in checkpoints the host alone)", needsRestart: true),
        .init(
            "fleet.max_members", \.fleet.maxMembers, .count(1...1000), "so many sidecars share the windows at most",
            needsRestart: true),
        .init(
            "fleet.offline_reserve", \.fleet.offlineReserve, .percent,
            "Redis only: of every window but run_windows, for members cut off from the engine; \"0%\", or a share below one call: hold, never send",
            needsRestart: true),
        .init(
            "fleet.max_lag", \.fleet.maxLag, timeout,
            "how long a member answers from its cache without hearing from the engine",
            needsRestart: true),
        .init(
            "fleet.share_pages", \.fleet.sharePages, .flag,
            "stored pages too (they hold names and e-mails); needs key_file", inForce: false, needsRestart: true),
        .init(
            "fleet.key_file", \.fleet.keyFile, .optional(.path),
            "32 bytes; seals shared pages and a shared refresh token (a mistake to leave out with either)",
            inForce: false, needsRestart: true),
    ]

    private static let audit: [ConfigKey<Config>] = [
        .init(
            "audit.path", \.audit.path, .path, "a folder; the log rotates inside it",
            needsRestart: true),
        .init("audit.required", \.audit.required, .flag, "no record, no delete"),
        .init(
            "audit.snapshot", \.audit.snapshot, .flag,
            "keep what is about to be deleted, from the cache or by one read"),
        .init(
            "audit.require_reason", \.audit.requireReason, .flag,
            "true: a delete without X-Audit-Reason is refused (428)"),
        .init(
            "audit.also", \.audit.also, .set(.choice),
            "what else to record; deletes always are. run: every start of a run"),
        .init(
            "audit.delete_budget", \.audit.deleteBudget, .optional(.window),
            "e.g. \"20/1h\" per caller; \"\" = no limit"),
        .init(
            "audit.rotate_bytes", \.audit.rotateBytes, .bytes(65536...(1 << 40)), "a file of the log ends here",
            needsRestart: true),
        .init(
            "audit.keep", \.audit.keep, .optional(age),
            "e.g. \"17520h\": whole files older than that are retired, with a record; \"\" = for ever"),
        .init(
            "audit.signing_key_file", \.audit.signingKeyFile, .optional(.path),
            "Ed25519 key by `audit keygen`: signed checkpoints of the log", needsRestart: true),
        .init(
            "audit.checkpoint_every", \.audit.checkpointEvery, timeout, "how often a checkpoint is signed",
            needsRestart: true),
    ]

    private static let deletes: [ConfigKey<Config>] = [
        .init(
            "deletes.protect", \.deletes.protect, .list(.objectID),
            "ids (iTwin, test, report, run; v1 or v2) that nobody may delete through this proxy"),
        .init(
            "deletes.approval", \.deletes.approval, .choice,
            "none | second: a delete waits for another caller's approval"),
        .init(
            "deletes.archive", \.deletes.archive, .choice,
            "off | best_effort | required: whole report or result before it is deleted"),
        .init(
            "deletes.archive_path", \.deletes.archivePath, .path, "a folder", needsRestart: true),
        .init(
            "deletes.archive_keep", \.deletes.archiveKeep, .optional(age), "e.g. \"8760h\"; \"\" = for ever"),
    ]

    private static let alerts: [ConfigKey<Config>] = [
        .init(
            "alerts.webhook", \.alerts.webhook, .optional(.secretURL),
            "https URL (http on loopback) that gets a JSON POST", isSecret: true),
        .init(
            "alerts.command", \.alerts.command, .optional(.path),
            "program (no shell) that gets the same JSON on standard input; 10 s, one at a time, an environment without secrets"
        ),
        .init("alerts.budget_at", \.alerts.budgetAt, .list(.count(1...100)), "percent of a window"),
    ]

    private static let traces: [ConfigKey<Config>] = [
        .init(
            "traces.endpoint", \.traces.endpoint, .optional(.url),
            "OTLP/HTTP JSON, such as \"http://127.0.0.1:4318/v1/traces\""),
        .init(
            "traces.sample", \.traces.sample, .fraction,
            "of requests that bring no sampling decision of their own"),
    ]

    private static let log: [ConfigKey<Config>] = [
        .init("log.level", \.log.level, .choice, "trace | debug | info | notice | warning | error | critical"),
        .init("log.format", \.log.format, .choice, "text | json"),
        .init("log.access", \.log.access, .flag, "one line per request on stdout"),
    ]

    private static let shutdown: [ConfigKey<Config>] = [
        .init(
            "shutdown.ready_delay", \.shutdown.readyDelay, span,
            "not ready, but still accepting, for so long after SIGTERM"),
        .init(
            "shutdown.drain_timeout", \.shutdown.drainTimeout, span,
            "after SIGTERM, for requests that are under way"),
    ]
}
