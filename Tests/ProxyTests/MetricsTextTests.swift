// /metrics as text: both formats, escaping, the table, and its document.

import CoreMetrics
import FoundationEssentials
import Testing

@testable import Proxy

@Suite struct MetricsTextTests {
    @Test("counters and gauges have help, type and values, in the order of the table")
    func plain() {
        let samples = [
            MetricSample(.inFlight, 3), MetricSample(.requests, 2, "night \"job\"\\", "v2.tests.list", "200", "cache"),
            MetricSample(.tokenExpires, 1.5),
        ]
        #expect(
            MetricsFormat.prometheus.text(samples) == """
                # HELP clash_proxy_requests_total \(MetricFamily.requests.help)
                # TYPE clash_proxy_requests_total counter
                clash_proxy_requests_total{caller="night \\"job\\"\\\\",operation="v2.tests.list",status="200",source="cache"} 2
                # HELP clash_proxy_in_flight Calls upstream now.
                # TYPE clash_proxy_in_flight gauge
                clash_proxy_in_flight 3
                # HELP clash_proxy_token_expires_seconds \(MetricFamily.tokenExpires.help)
                # TYPE clash_proxy_token_expires_seconds gauge
                clash_proxy_token_expires_seconds 1.5

                """)
    }

    @Test("OpenMetrics names counters without _total in their metadata and ends with # EOF")
    func openMetrics() {
        let text = MetricsFormat.openMetrics.text([MetricSample(.pauses, 1, "all")])
        #expect(
            text == """
                # HELP clash_proxy_pauses Pauses that Bentley has asked for.
                # TYPE clash_proxy_pauses counter
                clash_proxy_pauses_total{scope="all"} 1
                # EOF

                """)
    }

    @Test(
        "who asks for OpenMetrics gets it, everybody else the older text",
        arguments: [
            (nil, false), ("*/*", false), ("text/plain, application/openmetrics-text; q=0", false),
            ("text/plain", false), ("application/openmetrics-text; version=1.0.0", true),
            ("text/plain;q=0.9, application/openmetrics-text;q=0.2", false),
            ("application/openmetrics-text;q=0.2, text/plain;q=0.1", true),
            ("application/openmetrics-text ; q=0.5 , */*;q=0.8", false),
            ("application/openmetrics-text;q=0.000", false),
            ("application/openmetrics-text, text/plain", true), ("text/*, application/openmetrics-text;q=0.9", false),
            ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1", true),
        ] as [(String?, Bool)])
    func negotiation(accept: String?, isOpen: Bool) {
        let type = MetricsFormat(accept: accept).contentType
        #expect(
            type
                == (isOpen
                    ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                    : "text/plain; version=0.0.4; charset=utf-8"))
    }

    @Test("a histogram counts each bucket with all below it, and sums in seconds")
    func histogram() {
        let registry = MetricsRegistry()
        let timer = registry.timer(.requestSeconds, "queue")
        for nanoseconds: Int64 in [100_000, 100_001, 2_000_000_000, 120_000_000_000] {
            timer.recordNanoseconds(nanoseconds)
        }
        let lines = MetricsFormat.prometheus.text(registry.samples).split(separator: "\n").map(String.init)
        func value(_ end: String) -> String? {
            lines.first { $0.hasPrefix("clash_proxy_request_seconds" + end + " ") }?.split(separator: " ").last.map(
                String.init)
        }
        #expect(value("_bucket{part=\"queue\",le=\"0.0001\"}") == "1")
        #expect(value("_bucket{part=\"queue\",le=\"0.0005\"}") == "2")
        #expect(value("_bucket{part=\"queue\",le=\"1\"}") == "2")
        #expect(value("_bucket{part=\"queue\",le=\"2.5\"}") == "3")
        #expect(value("_bucket{part=\"queue\",le=\"60\"}") == "3")
        #expect(value("_bucket{part=\"queue\",le=\"+Inf\"}") == "4")
        #expect(value("_sum{part=\"queue\"}") == "122.000200001" && value("_count{part=\"queue\"}") == "4")
    }

    @Test("names are ours or the process's, counters end in _total, and each stands in the table once")
    func table() {
        let families = MetricFamily.all
        #expect(Set(families.map(\.name)).count == families.count)
        for family in families {
            #expect(family.name.hasPrefix("clash_proxy_") || family.name.hasPrefix("process_"))
            #expect(family.name.hasSuffix("_total") == (family.kind == .counter), "\(family.name)")
            #expect(family.help.hasSuffix("."), "\(family.name)")
        }
    }

    @Test("docs/metrics.md says what the table says")
    func document() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let text = String(decoding: try Data(contentsOf: root.appending(path: "docs/metrics.md")), as: UTF8.self)
        let rows = text.split(separator: "\n").map(String.init).filter { $0.hasPrefix("| `") }
        let expected = MetricFamily.all.map { family in
            let labels = family.labels.map { "`\($0)`" }.joined(separator: ", ")
            return "| `\(family.name)` | \(family.kind.rawValue) | \(labels) | \(family.help) |"
        }
        #expect(rows == expected, "the rows are to be:\n\(expected.joined(separator: "\n"))")
    }
}
