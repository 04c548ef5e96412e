// How the gate stands, for /metrics. Tokens and their clients are no labels.

import Ground
import RateLimiting

extension GateStatistics {
    /// - Parameter observes: whether the gate only counts what it would have held up.
    func samples(observes: Bool) -> [MetricSample] {
        windowSamples + pauseSamples + [
            MetricSample(.inFlight, inFlight),
            MetricSample(.queueDepth, queued.settling, "settling"),
            MetricSample(.queueDepth, queued.interactive, "interactive"),
            MetricSample(.queueDepth, queued.batch, "batch"),
            MetricSample(.queueDepth, queued.background, "background"),
            MetricSample(.gateAdmitted, counts.admittedAtOnce, "no"),
            MetricSample(.gateAdmitted, counts.admittedAfterWait, "yes"),
            MetricSample(.gateWaited, Double(counts.waited.clampedNanoseconds) / 1e9),
            MetricSample(.gateRefused, counts.refusedQueueFull, "queue-full"),
            MetricSample(.gateRefused, counts.refusedDeadline, "deadline"),
            MetricSample(.gateRefused, counts.refusedCoolDown, "cool-down"),
            MetricSample(.gateRefused, counts.refusedPlaces, "places"),
            MetricSample(.gateRefused, counts.refusedCaller, "caller-windows"),
            MetricSample(.gateRefused, counts.refusedDown, "upstream-down"),
            MetricSample(.gateUpstreamRefusals, counts.refusedUpstream),
        ]
            + (observes
                ? [
                    MetricSample(.gateWouldWait, counts.wouldHaveWaited),
                    MetricSample(.gateWouldRefuse, counts.wouldHaveBeenRefused),
                ] : [])
    }

    private var windowSamples: [MetricSample] {
        windows.flatMap { window in
            let name = window.window.label(isForRuns: window.isForRuns)
            return [
                MetricSample(.windowLimit, window.window.limit, name),
                MetricSample(.windowUsed, window.spent + window.reserved, name),
            ]
        }
    }

    private var pauseSamples: [MetricSample] {
        ["all", "api", "operation"].map { kind in
            let longest = pauses.filter { $0.scope.kind == kind }.map(\.remaining).max() ?? .zero
            return MetricSample(.cooldownSeconds, Double(longest.clampedNanoseconds) / 1e9, kind)
        }
    }
}
