// The table of keys. A new key is a field in Config (with its default) and a row here; nothing else
// lists keys. Rows stand in the order of proxy.conf. `inForce: false` marks what is read and checked
// but does nothing yet; whoever builds the feature removes the word.

enum ConfigKeys {
    /// Environment variables are this, the section, `_` and the key, all in capitals.
    static let variablePrefix = "CLASH_PROXY_"

    /// The keys of all sections.
    static let all = listen + admin + upstream + token + cache + rate + audit + log + shutdown

    /// Sections in the order of proxy.conf.
    static let sections: [String] = all.reduce(into: []) { names, key in
        if names.last != key.section { names.append(key.section) }
    }

    private static let timeout = ConfigFormat.duration(.milliseconds(1)...Duration.seconds(3600))
    private static let span = ConfigFormat.duration(.zero...Duration.seconds(86_400))

    private static let listen: [ConfigKey<Config>] = [
        .init(
            "listen.address", \.listen.address, .address,
            "host:port, [v6]:port, or unix:/path.sock ; port 0 picks one and logs it", needsRestart: true),
        .init(
            "listen.public_url", \.listen.publicURL, .optional(.url),
            "base URL put into rewritten links; empty: scheme and Host of each request"),
        .init(
            "listen.tls_certificate", \.listen.tlsCertificate, .optional(.path),
            "PEM; with tls_key turns on TLS 1.2+ and HTTP/2", inForce: false, guardsAccess: true),
        .init(
            "listen.tls_key", \.listen.tlsKey, .optional(.path), "PEM; the key of tls_certificate", inForce: false,
            guardsAccess: true),
        .init(
            "listen.client_ca", \.listen.clientCA, .optional(.path),
            "PEM; when set, clients must present a certificate signed by it", inForce: false, guardsAccess: true),
        .init(
            "listen.max_connections", \.listen.maxConnections, .count(1...1_000_000),
            "open connections from tools; one more is answered 503 and closed"),
        .init(
            "listen.max_header_bytes", \.listen.maxHeaderBytes, .bytes(4096...(1 << 20)),
            "request line and header fields; over it 431"),
        .init(
            "listen.max_body_bytes", \.listen.maxBodyBytes, .bytes(1024...(1 << 30)), "request bodies; over it 413"),
        .init("listen.header_timeout", \.listen.headerTimeout, timeout, "for a request's head to arrive"),
        .init(
            "listen.idle_timeout", \.listen.idleTimeout, timeout, "a connection without a request is closed after it"),
        .init(
            "listen.cors_origins", \.listen.corsOrigins, .list(.origin),
            "browser origins that may call; preflights are answered here"),
    ]

    private static let admin: [ConfigKey<Config>] = [
        .init(
            "admin.address", \.admin.address, .optional(.address),
            "status page, /healthz /readyz /metrics, purge; \"\" turns it off", needsRestart: true)
    ]

    private static let upstream: [ConfigKey<Config>] = [
        .init("upstream.url", \.upstream.url, .url, "the API; scheme and host only"),
        .init(
            "upstream.link_prefixes", \.upstream.linkPrefixes, .list(.linkPrefix),
            "absolute URLs in `_links` that begin so are rewritten to this proxy"),
        .init(
            "upstream.allow_prefixes", \.upstream.allowPrefixes, .list(.pathPrefix, nonEmpty: true),
            "anything else: 404 OperationNotFound, never forwarded"),
        .init(
            "upstream.ca_file", \.upstream.caFile, .optional(.path),
            "extra CA bundle; verification cannot be turned off"),
        .init("upstream.connect_timeout", \.upstream.connectTimeout, timeout, "TCP and TLS together"),
        .init(
            "upstream.first_byte_timeout", \.upstream.firstByteTimeout, timeout, "from the request sent to its answer"),
        .init("upstream.stall_timeout", \.upstream.stallTimeout, timeout, "no byte for so long in mid-body"),
        .init("upstream.max_connections", \.upstream.maxConnections, .count(1...1000), "connections to the API"),
        .init(
            "upstream.http2", \.upstream.http2, .flag,
            "HTTP/2 upstream; libcurl 7.88 buffers paused streams, so off unless you need it"),
    ]

    private static let token: [ConfigKey<Config>] = [
        .init(
            "token.mode", \.token.mode, .choice, "client_credentials | refresh_token | passthrough",
            needsRestart: true),
        .init("token.token_url", \.token.tokenURL, .url, "the token endpoint"),
        .init(
            "token.client_id", \.token.clientID, .anyText, "not needed for passthrough",
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
            "cache.max_bytes", \.cache.maxBytes, .bytes(65536...(1 << 40)), "all stored answers together"),
        .init(
            "cache.max_entry_bytes", \.cache.maxEntryBytes, .bytes(1024...(1 << 40)), "one stored answer"),
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
    ]

    private static let rate: [ConfigKey<Config>] = [
        .init(
            "rate.windows", \.rate.windows, .list(.window),
            "of the subscription; Community: [\"500/1m\", \"5000/1h\"]"),
        .init(
            "rate.run_windows", \.rate.runWindows, .list(.window), "documented for starting runs"),
        .init("rate.max_in_flight", \.rate.maxInFlight, .count(1...10_000), "calls upstream at once"),
        .init("rate.max_wait", \.rate.maxWait, span, "a tool can ask for less: `Prefer: wait=5`"),
        .init("rate.max_queue", \.rate.maxQueue, .count(0...1_000_000), "calls waiting for their turn"),
        .init("rate.observe", \.rate.observe, .flag, "true: only measure and report"),
        .init(
            "rate.state_file", \.rate.stateFile, .optional(.path), "carries upstream's pauses over a restart"),
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
            "audit.rotate_bytes", \.audit.rotateBytes, .bytes(65536...(1 << 40)), "a file of the log ends here"),
    ]

    private static let log: [ConfigKey<Config>] = [
        .init("log.level", \.log.level, .choice, "trace | debug | info | notice | warning | error | critical"),
        .init("log.format", \.log.format, .choice, "text | json"),
        .init("log.access", \.log.access, .flag, "one line per request on stdout"),
    ]

    private static let shutdown: [ConfigKey<Config>] = [
        .init(
            "shutdown.drain_timeout", \.shutdown.drainTimeout, span,
            "after SIGTERM, for requests that are under way")
    ]

    /// The keys of a `[[caller]]`.
    static let caller: [ConfigKey<CallerDraft>] = [
        .init("caller.name", \.name, .callerName, "unique; stands in logs and in the audit record"),
        .init(
            "caller.key_sha256", \.keyHash, .optional(.keyHash), "or certificate = \"CN or SAN\" with client_ca",
            isSecret: true),
        .init(
            "caller.certificate", \.certificate, .optional(.filled(expects: "a common name or alternative name")),
            "CN or SAN of its certificate, with client_ca", inForce: false, guardsAccess: true),
        .init("caller.allow", \.allow, .set(.choice, nonEmpty: true), "read, write, run, delete"),
        .init("caller.priority", \.priority, .choice, "interactive | batch"),
        .init("caller.weight", \.weight, .count(1...1000), "its share of the queue against other callers"),
    ]
}

/// A `[[caller]]` while its keys are read one by one.
struct CallerDraft: Sendable, Equatable {
    var name = ""
    var keyHash: KeyHash?
    var certificate: String?
    var allow: Set<Permission> = [.read]
    var priority = CallerPriority.interactive
    var weight = 1
}
