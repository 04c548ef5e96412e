// What /metrics shows at one time: what was counted, and how things stand.

import Audit
import Edge
import Fleet
import Ground
import Tokens

extension Sidecar {
    /// All samples of this process.
    var samples: [MetricSample] {
        tools.service.samples + connectionSamples + tokenSamples + auditSamples + keySamples + fleetSamples
            + processSamples
            + [
                MetricSample(
                    .build, 1, Self.version, Self.libcurl, surroundings.commit.isEmpty ? "unknown" : surroundings.commit
                )
            ]
            + (certificates.map { [MetricSample(.tlsExpires, Int($0.secondsLeft))] } ?? [])
    }

    private var connectionSamples: [MetricSample] {
        let open = parts.activity.openConnections
        // Streams of one HTTP/2 connection are requests of their own; calls that outlive their connection are none of it.
        let active = min(open, parts.activity.runningExchanges)
        return [MetricSample(.connections, active, "active"), MetricSample(.connections, open - active, "idle")]
    }

    /// None where tools bring their own tokens.
    private var tokenSamples: [MetricSample] {
        guard let status = parts.credentials.source?.status else { return [] }
        let left = Double((status.expiresIn ?? .zero).clampedNanoseconds) / 1e9
        return [
            MetricSample(.tokenExpires, left), MetricSample(.tokenRefreshes, status.counters.fetched, "ok"),
            MetricSample(.tokenRefreshes, status.counters.shared, "shared"),
        ] + status.counters.failed.map { MetricSample(.tokenRefreshes, $0.value, $0.key.rawValue) }
    }

    private var auditSamples: [MetricSample] {
        guard let status = parts.audit?.log.status else { return [MetricSample(.auditDegraded, 1)] }
        return [
            MetricSample(.auditSequence, Int(clamping: status.head.seq)),
            MetricSample(.auditHead, 1, status.noted.hash),
            MetricSample(.auditDegraded, status.health == .ready ? 0 : 1),
        ] + parts.sinks.all.map { MetricSample(.auditSinkLag, $0.lag(behind: status.head), $0.name) }
    }

    private var keySamples: [MetricSample] {
        let counts = parts.onlyOnce.counts
        return [
            MetricSample(.idempotencyKeys, counts.keys - counts.open, "answered"),
            MetricSample(.idempotencyKeys, counts.open, "open"),
        ]
    }

    /// None without an engine.
    private var fleetSamples: [MetricSample] {
        guard let standing = parts.fleet?.standing else { return [] }
        return [
            MetricSample(.fleetMembers, standing.members), MetricSample(.fleetCut, standing.cut == nil ? 0 : 1),
        ]
    }

    private var processSamples: [MetricSample] {
        guard let figures = ProcessFigures.now() else { return [] }
        return [
            MetricSample(.processCPU, figures.cpuSeconds), MetricSample(.processResident, figures.residentBytes),
            MetricSample(.processVirtual, figures.virtualBytes), MetricSample(.processOpenFiles, figures.openFiles),
            MetricSample(.processMaxFiles, figures.maxFiles), MetricSample(.processStart, figures.startSeconds),
        ]
    }
}
