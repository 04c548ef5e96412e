// How the gate stands, as Prometheus text. Tokens and their clients are no labels.

import Ground
import RateLimiting

enum GateExposition {
    static func text(_ gate: GateStatistics, observes: Bool) -> String {
        var text = ""
        func metric(_ name: String, _ kind: String, _ help: String, _ values: [(labels: String, value: Int)]) {
            text += "# HELP clash_proxy_gate_\(name) \(help)\n# TYPE clash_proxy_gate_\(name) \(kind)\n"
            for (labels, value) in values { text += "clash_proxy_gate_\(name)\(labels) \(value)\n" }
        }
        metric("in_flight", "gauge", "Calls upstream now.", [("", gate.inFlight)])
        metric(
            "queued", "gauge", "Calls that wait for their turn.",
            [
                ("{priority=\"settling\"}", gate.queued.settling),
                ("{priority=\"interactive\"}", gate.queued.interactive),
                ("{priority=\"batch\"}", gate.queued.batch),
                ("{priority=\"background\"}", gate.queued.background),
            ])
        metric(
            "paused", "gauge", "Pauses that upstream has asked for and that still hold.",
            [("", gate.pauses.count { $0.remaining > .zero })])
        metric(
            "admitted_total", "counter", "Calls that got their turn.",
            [
                ("{waited=\"no\"}", gate.counts.admittedAtOnce),
                ("{waited=\"yes\"}", gate.counts.admittedAfterWait),
            ])
        metric(
            "waited_milliseconds_total", "counter", "Time that calls spent waiting.",
            [("", gate.counts.waited.wholeMilliseconds)])
        metric(
            "refused_total", "counter", "Calls that were refused because their wait would have been too long.",
            [
                ("{reason=\"queue-full\"}", gate.counts.refusedQueueFull),
                ("{reason=\"deadline\"}", gate.counts.refusedDeadline),
                ("{reason=\"cool-down\"}", gate.counts.refusedCoolDown),
                ("{reason=\"places\"}", gate.counts.refusedPlaces),
                ("{reason=\"caller-windows\"}", gate.counts.refusedCaller),
                ("{reason=\"upstream-down\"}", gate.counts.refusedDown),
            ])
        metric(
            "upstream_refusals_total", "counter", "429s, and 503s that tell a wait.",
            [("", gate.counts.refusedUpstream)])
        if observes {
            metric(
                "would_have_waited_total", "counter", "Calls that would have waited, had the gate not only observed.",
                [("", gate.counts.wouldHaveWaited)])
            metric(
                "would_have_been_refused_total", "counter", "Calls that would have been refused.",
                [("", gate.counts.wouldHaveBeenRefused)])
        }
        return text
    }
}
