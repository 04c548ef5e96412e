// How the gates stand, as Prometheus text. In pass-through mode their sum: tokens are no labels.

import RateLimiting

enum GateExposition {
    static func text(_ gates: [GateStatistics], observes: Bool) -> String {
        var text = ""
        func metric(_ name: String, _ kind: String, _ help: String, _ values: [(labels: String, value: Int)]) {
            text += "# HELP clash_proxy_gate_\(name) \(help)\n# TYPE clash_proxy_gate_\(name) \(kind)\n"
            for (labels, value) in values { text += "clash_proxy_gate_\(name)\(labels) \(value)\n" }
        }
        func sum(_ value: (GateStatistics) -> Int) -> Int { gates.reduce(0) { $0 + value($1) } }
        metric("in_flight", "gauge", "Calls upstream now.", [("", sum { $0.inFlight })])
        metric(
            "queued", "gauge", "Calls that wait for their turn.",
            [
                ("{priority=\"interactive\"}", sum { $0.queued.interactive }),
                ("{priority=\"batch\"}", sum { $0.queued.batch }),
                ("{priority=\"background\"}", sum { $0.queued.background }),
            ])
        metric(
            "paused", "gauge", "Pauses that upstream has asked for and that still hold.",
            [("", sum { $0.pauses.count { $0.remaining > .zero } })])
        metric(
            "admitted_total", "counter", "Calls that got their turn.",
            [
                ("{waited=\"no\"}", sum { $0.counts.admittedAtOnce }),
                ("{waited=\"yes\"}", sum { $0.counts.admittedAfterWait }),
            ])
        metric(
            "waited_milliseconds_total", "counter", "Time that calls spent waiting.",
            [("", sum { $0.counts.waited.wholeMilliseconds })])
        metric(
            "refused_total", "counter", "Calls that were refused because their wait would have been too long.",
            [
                ("{reason=\"queue-full\"}", sum { $0.counts.refusedQueueFull }),
                ("{reason=\"deadline\"}", sum { $0.counts.refusedDeadline }),
                ("{reason=\"cool-down\"}", sum { $0.counts.refusedCoolDown }),
            ])
        metric(
            "upstream_refusals_total", "counter", "429s, and 503s that tell a wait.",
            [("", sum { $0.counts.refusedUpstream })])
        if observes {
            metric(
                "would_have_waited_total", "counter", "Calls that would have waited, had the gate not only observed.",
                [("", sum { $0.counts.wouldHaveWaited })])
            metric(
                "would_have_been_refused_total", "counter", "Calls that would have been refused.",
                [("", sum { $0.counts.wouldHaveBeenRefused })])
        }
        return text
    }
}

extension Duration {
    /// Rounded down.
    var wholeMilliseconds: Int {
        let (seconds, attoseconds) = components
        return Int(seconds) * 1_000 + Int(attoseconds / 1_000_000_000_000_000)
    }
}
