// The table of all that /metrics shows: the exposition, docs/metrics.md and the tests go by it.

/// The series of one name.
struct MetricFamily: Sendable {
    /// As Prometheus calls them.
    enum Kind: String, Sendable {
        case counter
        case gauge
        case histogram
    }

    /// With its base unit; counters end in `_total`.
    let name: String
    let kind: Kind
    let help: String
    /// Names of its labels, in the order in which they are written.
    let labels: [String]

    private init(_ name: String, _ kind: Kind, _ help: String, _ labels: [String] = []) {
        (self.name, self.kind, self.help, self.labels) = (name, kind, help, labels)
    }

    // MARK: Tools' requests

    static let requests = MetricFamily(
        "clash_proxy_requests_total", .counter,
        "Requests of tools that have ended; source: who answered (cache, upstream, proxy).",
        ["caller", "operation", "status", "source"])
    static let requestSeconds = MetricFamily(
        "clash_proxy_request_seconds", .histogram,
        "Time of requests, in all and in each part that they had to wait for (queue, token, audit, upstream).", ["part"]
    )
    static let connections = MetricFamily(
        "clash_proxy_connections", .gauge, "Open connections of tools, with a request under way and without.", ["state"]
    )

    // MARK: Upstream

    static let upstreamCalls = MetricFamily(
        "clash_proxy_upstream_calls_total", .counter,
        "Calls sent to Bentley, repeats and reads of our own included; status 000: no answer.", ["operation", "status"])
    static let upstreamSaved = MetricFamily(
        "clash_proxy_upstream_saved_total", .counter,
        "Answers that cost no call of their own: out of the cache (hit), or another request's (flight).", ["by"])

    static let repeatedCalls = MetricFamily(
        "clash_proxy_repeated_calls_total", .counter,
        "Calls that were not sent because they were another one's again: starts of the same run (joined), and by their Idempotency-Key (replayed, in_progress, reused).",
        ["by"])
    static let settledStarts = MetricFamily(
        "clash_proxy_settled_starts_total", .counter,
        "Starts of runs whose answer was lost, by what the runs of their test have shown (started, unknown).",
        ["result"])
    static let idempotencyKeys = MetricFamily(
        "clash_proxy_idempotency_keys", .gauge,
        "Idempotency-Keys of the last 24 hours: answered, and under way or of unknown outcome (open).", ["state"])

    // MARK: Gate

    static let windowLimit = MetricFamily(
        "clash_proxy_window_limit", .gauge,
        "Calls that a window allows (rate.windows; 'run ' before rate.run_windows).",
        ["window"])
    static let windowUsed = MetricFamily(
        "clash_proxy_window_used", .gauge, "Calls that count in a window now.", ["window"])
    static let queueDepth = MetricFamily(
        "clash_proxy_queue_depth", .gauge, "Calls that wait for their turn.", ["class"])
    static let inFlight = MetricFamily("clash_proxy_in_flight", .gauge, "Calls upstream now.")
    static let cooldownSeconds = MetricFamily(
        "clash_proxy_cooldown_seconds", .gauge, "What is left of the longest pause that Bentley has asked for.",
        ["scope"])
    static let pauses = MetricFamily(
        "clash_proxy_pauses_total", .counter, "Pauses that Bentley has asked for.", ["scope"])
    static let gateAdmitted = MetricFamily(
        "clash_proxy_gate_admitted_total", .counter, "Calls that got their turn.", ["waited"])
    static let gateWaited = MetricFamily(
        "clash_proxy_gate_waited_seconds_total", .counter, "Time that calls have spent waiting for their turn.")
    static let gateRefused = MetricFamily(
        "clash_proxy_gate_refused_total", .counter,
        "Calls that were refused because their wait would have been too long.",
        ["reason"])
    static let gateUpstreamRefusals = MetricFamily(
        "clash_proxy_gate_upstream_refusals_total", .counter, "429s of Bentley's, and 503s that tell a wait.")
    static let gateWouldWait = MetricFamily(
        "clash_proxy_gate_would_have_waited_total", .counter,
        "Calls that would have waited, had the gate not only observed (rate.observe).")
    static let gateWouldRefuse = MetricFamily(
        "clash_proxy_gate_would_have_been_refused_total", .counter,
        "Calls that would have been refused, had the gate not only observed (rate.observe).")

    // MARK: Cache

    static let cacheRequests = MetricFamily(
        "clash_proxy_cache_requests_total", .counter, "Reads by what the cache did with them, and why.",
        ["result", "reason"])
    static let waitingReads = MetricFamily(
        "clash_proxy_waiting_reads", .gauge, "Reads that wait for a change (`Prefer: wait`).")
    static let cacheEntries = MetricFamily("clash_proxy_cache_entries", .gauge, "Stored answers.")
    static let cacheBytes = MetricFamily("clash_proxy_cache_bytes", .gauge, "Memory that stored answers take.")
    static let cacheEvictions = MetricFamily(
        "clash_proxy_cache_evictions_total", .counter, "Stored answers pushed out for want of room.")
    static let cachePurged = MetricFamily(
        "clash_proxy_cache_purged_total", .counter, "Stored answers dropped because of a write or a purge.")

    // MARK: Token

    static let tokenExpires = MetricFamily(
        "clash_proxy_token_expires_seconds", .gauge, "What is left of the token's life; 0 without a token.")
    static let tokenRefreshes = MetricFamily(
        "clash_proxy_token_refreshes_total", .counter, "Tokens that were asked for: ok, or why there was none.",
        ["result"])

    // MARK: Audit log

    static let auditRecords = MetricFamily(
        "clash_proxy_audit_records_total", .counter,
        "Records of this process's calls: what was about to be sent (intent), what came of it (outcome), what was refused (denied), and what became of approvals (approval_asked, approved, approval_denied).",
        ["event", "result"])
    static let auditSequence = MetricFamily(
        "clash_proxy_audit_seq", .gauge, "Number of the newest record in the audit log.")
    static let auditHead = MetricFamily(
        "clash_proxy_audit_head_info", .gauge,
        "Hash of the newest record as it was when audit.checkpoint_every was over last: for witnesses.", ["hash"])
    static let auditSinkLag = MetricFamily(
        "clash_proxy_audit_sink_lag_records", .gauge, "Records that a sink has not been sent yet.", ["sink"])
    static let auditDegraded = MetricFamily(
        "clash_proxy_audit_degraded", .gauge, "1 while the audit log cannot be written.")

    // MARK: Others

    static let fleetMembers = MetricFamily(
        "clash_proxy_fleet_members", .gauge, "Sidecars that share the windows, this one among them.")
    static let fleetCut = MetricFamily(
        "clash_proxy_fleet_cut", .gauge, "1 while the fleet's engine cannot be asked.")

    // MARK: Ourselves, told to others

    static let spansDropped = MetricFamily(
        "clash_proxy_spans_dropped_total", .counter,
        "Spans that never got to traces.endpoint: no room while they waited, refused there, or untold at the end.")

    static let alerts = MetricFamily(
        "clash_proxy_alerts_total", .counter,
        "Alerts by what became of them, once for each of webhook and command (delivered, failed, dropped), or held because one of the same kind and subject was told within ten minutes.",
        ["kind", "result"])

    // MARK: Process

    static let tlsExpires = MetricFamily(
        "clash_proxy_tls_expires_seconds", .gauge, "Seconds until the certificate of the listeners ends.")
    static let build = MetricFamily("clash_proxy_build_info", .gauge, "What runs.", ["version", "libcurl", "commit"])
    static let processCPU = MetricFamily(
        "process_cpu_seconds_total", .counter, "Processor time that the process has used.")
    static let processResident = MetricFamily(
        "process_resident_memory_bytes", .gauge, "Memory of the process that is in use.")
    static let processVirtual = MetricFamily(
        "process_virtual_memory_bytes", .gauge, "Address space of the process.")
    static let processOpenFiles = MetricFamily("process_open_fds", .gauge, "Open file descriptors.")
    static let processMaxFiles = MetricFamily("process_max_fds", .gauge, "Limit of open file descriptors.")
    static let processStart = MetricFamily(
        "process_start_time_seconds", .gauge, "When the process began, in seconds since 1970.")

    /// All of them, in the order in which they are shown.
    static let all: [MetricFamily] = [
        requests, requestSeconds, connections, upstreamCalls, upstreamSaved, repeatedCalls, settledStarts,
        idempotencyKeys, windowLimit, windowUsed, queueDepth, inFlight, cooldownSeconds, pauses, gateAdmitted,
        gateWaited, gateRefused, gateUpstreamRefusals, gateWouldWait, gateWouldRefuse, cacheRequests, waitingReads,
        cacheEntries, cacheBytes, cacheEvictions, cachePurged, tokenExpires, tokenRefreshes, auditRecords,
        auditSequence, auditHead, auditSinkLag, auditDegraded, fleetMembers, fleetCut, spansDropped, alerts,
        tlsExpires, build, processCPU, processResident, processVirtual, processOpenFiles, processMaxFiles,
        processStart,
    ]

    /// Upper bounds of the buckets of a histogram of seconds, in nanoseconds: from a hit to the longest wait.
    static let timeBounds: [Int64] = [
        100_000, 500_000, 1_000_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000, 100_000_000, 250_000_000,
        500_000_000, 1_000_000_000, 2_500_000_000, 5_000_000_000, 10_000_000_000, 30_000_000_000, 60_000_000_000,
    ]
}
