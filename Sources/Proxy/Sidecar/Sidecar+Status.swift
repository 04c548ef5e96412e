// How everything stands, as one JSON document: for the status page, `clash-proxy status`, and scripts.

import Audit
import Caching
import Configuration
import Fleet
import Ground
import RateLimiting
import Synchronization
import Tokens

extension Sidecar {
    /// The document of `/status.json`. Holds no secret.
    func status() async -> JSONObject {
        // Asked first: the rest is of one moment.
        let fleet = await fleetStatus()
        var object = JSONObject()
        let now = environment.wallTime()
        object.add("version", Self.version)
        object.add("libcurl", Self.libcurl)
        object.add("commit", surroundings.commit.isEmpty ? nil : surroundings.commit)
        object.add("now", RFC3339.text(now, digits: 3))
        object.add("started", RFC3339.text(began, digits: 3))
        object.add("ready", notReadyReasons.isEmpty)
        object.add("troubles", notReadyReasons + degradedReasons)
        object.add("token", tokenStatus)
        let (gate, budget) = (parts.gate.statistics, parts.gate.busiestBudget)
        object.add("windows", budget.windows.map { Self.windowStatus($0, now) })
        object.add("cooldowns", gate.pauses.map(\.json))
        object.add("queue", queueStatus(gate))
        object.add("cache", cacheStatus)
        object.add("callers", callerStatus)
        object.add("deletes", parts.traffic.deletes.all.reversed().map(\.json))
        object.add("audit", auditStatus)
        object.add("idempotency", idempotencyStatus)
        object.add("fleet", fleet)
        object.add("configuration", configurationStatus)
        return object
    }

    private var tokenStatus: JSONObject {
        var object = JSONObject()
        guard let status = parts.credentials.source?.status else {
            object.add("mode", TokenMode.passthrough.rawValue)
            return object
        }
        object.add("mode", inForce.token.mode.rawValue)
        object.add("usable", status.isUsable)
        object.add("expires_in_seconds", seconds: status.expiresIn)
        object.add("next_refresh_in_seconds", seconds: status.nextRefreshIn)
        object.add("needs_sign_in", status.needsSignIn)
        object.add("last_failure", status.lastFailure?.message)
        return object
    }

    private static func windowStatus(_ window: GateBudget.Window, _ now: WallTime) -> JSONObject {
        var object = window.json
        object.add("exhausted_at", window.exhausted(now))
        return object
    }

    private func queueStatus(_ gate: GateStatistics) -> JSONObject {
        var object = JSONObject()
        object.add("settling", gate.queued.settling)
        object.add("interactive", gate.queued.interactive)
        object.add("batch", gate.queued.batch)
        object.add("background", gate.queued.background)
        object.add("in_flight", gate.inFlight)
        object.add("places", min(inForce.rate.maxInFlight, inForce.upstream.maxConnections))
        object.add("upstream_refusals", gate.counts.refusedUpstream)
        object.add("refused", gate.counts.refused)
        return object
    }

    private var cacheStatus: JSONObject {
        var object = JSONObject()
        object.add("enabled", inForce.cache.enabled)
        guard inForce.cache.enabled else { return object }
        let store = parts.cache.store.statistics
        let saved = parts.counts.counters.saved
        object.add("entries", store.entries)
        object.add("bytes", store.bytes)
        object.add("max_bytes", inForce.cache.maxBytes)
        object.add("saved_by_hit", saved.hits)
        object.add("saved_by_flight", saved.flights)
        return object
    }

    /// Those that called, and those of the configuration that have not.
    private var callerStatus: [JSONObject] {
        let requests = parts.traffic.requestsByCaller
        let waits = parts.traffic.callers.all
        let names = Set(requests.keys).union(inForce.callers.map(\.name))
        return names.sorted().map { name in
            let (count, wait) = (requests[name] ?? Traffic.Requests(), waits[name] ?? CallerTallies.Tally())
            var object = JSONObject()
            object.add("name", name)
            object.add("requests", count.all)
            object.add("upstream", wait.calls)
            object.add("refused", count.refused)
            object.add("waits", wait.waits)
            object.add("waited_seconds", seconds: wait.waited)
            return object
        }
    }

    private var auditStatus: JSONObject {
        var object = JSONObject()
        object.add("path", inForce.audit.path)
        guard let status = parts.audit?.log.status else {
            object.add("state", "not opened")
            return object
        }
        switch status.health {
        case .ready: object.add("state", "ready")
        case .broken(let trouble): object.add("state", "broken: \(trouble.detail)")
        case .closed: object.add("state", "closed")
        }
        object.add("seq", Int(clamping: status.head.seq))
        object.add("hash", status.head.hash)
        object.add("open_intents", status.openIntents)
        object.add(
            "sinks",
            parts.sinks.all.map { sink in
                var object = JSONObject()
                object.add("name", sink.name)
                object.add("state", sink.downSince == nil ? "up" : "down")
                object.add("lag", sink.lag(behind: status.head))
                object.add("down_seconds", seconds: sink.downSince.map { $0.duration(to: environment.now()) })
                object.add("trouble", sink.trouble)
                return object
            })
        return object
    }

    private var idempotencyStatus: JSONObject {
        let counts = parts.onlyOnce.counts
        var object = JSONObject()
        object.add("keys", counts.keys)
        object.add("open", counts.open)
        object.add("trouble", parts.onlyOnce.trouble)
        return object
    }

    /// `engine` is nothing where this process is alone; `members` is empty where the engine cannot be asked.
    private func fleetStatus() async -> JSONObject {
        var object = JSONObject()
        guard let fleet = parts.fleet else { return object }
        let standing = fleet.standing
        object.add("engine", standing.engine)
        object.add("name", standing.name)
        object.add("cut", standing.cut)
        object.add("max_members", standing.policy.maxMembers)
        object.add(
            "members",
            await fleet.members().map { member in
                var object = JSONObject()
                object.add("name", member.name)
                object.add("version", member.version)
                object.add("self", member.id == fleet.id)
                object.add("joined_seconds", seconds: .milliseconds(member.joined))
                object.add("heard_seconds", seconds: .milliseconds(member.heard))
                return object
            })
        object.add(
            "windows",
            zip(standing.policy.windows, standing.used).map { window, used in
                var object = JSONObject()
                object.add("window", (window.isForRuns ? "run " : "") + window.text)
                object.add("limit", window.limit)
                object.add("used", used)
                return object
            })
        return object
    }

    private var configurationStatus: JSONObject {
        let taken = taken.withLock { $0 }
        var object = JSONObject()
        object.add("taken", RFC3339.text(taken.at, digits: 3))
        object.add("toml", taken.text.isEmpty ? nil : taken.text)
        if let refused = taken.refused {
            var refusal = JSONObject()
            refusal.add("time", RFC3339.text(refused.at, digits: 3))
            refusal.add("mistakes", refused.mistakes)
            object.add("refused", refusal)
        }
        return object
    }
}
