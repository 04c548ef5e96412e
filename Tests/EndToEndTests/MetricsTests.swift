// What /metrics shows of a running proxy: every series that is documented, by labels that nobody outside can multiply, in
// formats that Prometheus' own tools read.

import Glibc
import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct MetricsTests {
    private static let promtool = Shell.has("promtool")

    /// A name of a series and its labels, and its value.
    private func series(_ text: String) -> [String: Double] {
        var values: [String: Double] = [:]
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            guard let space = line.lastIndex(of: " ") else { continue }
            values[String(line[..<space])] = Double(line[space...].dropFirst())
        }
        return values
    }

    /// Reads, hits, a refusal by Bentley, deletes that are carried out, lost and denied, by callers with keys and without.
    private func withTraffic(_ body: (Rig, ScopedCallers) async throws -> Void) async throws {
        var callers = ScopedCallers()
        try callers.add("dash", allow: "read")
        try callers.add("clean", allow: "read, delete")
        let file = callers.tables
        try await withCache(["rate.windows=1000/1m", "rate.run_windows=6/1s", "audit.snapshot=false"], file: file) {
            number, request in
            if request.requestLine.hasPrefix("POST") {
                return .bytes("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
            }
            return .bytes(number == 2 ? tooMany("1") : numbered(number))
        } _: { rig, origin async throws in
            let (dash, clean) = (callers.key("dash"), callers.key("clean"))
            for _ in 0..<3 { #expect(try await rig.get(Path.reports, [dash]).status == 200) }
            let held = try await rig.begin("GET", Path.tests, [dash])
            try await eventually("upstream has asked for a pause") {
                rig.applicationLog.text.contains("pause by upstream")
            }
            rig.clock.advance(by: .seconds(2))
            #expect(try await held.answer().status == 200)
            #expect(try await rig.call("POST", Path.deletion, [clean], body: job("a")).status == 202)
            #expect(try await rig.call("POST", Path.deletion, [dash], body: job("a")).status == 403)
            #expect(try await rig.get(Path.reports, [("X-Api-Key", "cpk_wrong")]).status == 401)
            #expect(try await rig.get("/elsewhere", [dash]).status == 404)
            try await eventually("all have ended") { rig.accessLog.lines.count == 8 }
            try await body(rig, callers)
        }
    }

    @Test("every series that is documented for what is configured is there, and has moved")
    func moved() async throws {
        try await withTraffic { rig, _ in
            let values = series(try await rig.admin("/metrics").text)
            func value(_ name: String) -> Double { values["clash_proxy_" + name] ?? -1 }
            let requests = { (caller: String, operation: String, status: Int, source: String) in
                value(
                    "requests_total{caller=\"\(caller)\",operation=\"\(operation)\",status=\"\(status)\",source=\"\(source)\"}"
                )
            }
            #expect(requests("dash", "v2.reports.list", 200, "upstream") == 1)
            #expect(requests("dash", "v2.reports.list", 200, "cache") == 2)
            #expect(requests("dash", "v2.tests.list", 200, "upstream") == 1)
            #expect(requests("clean", "v2.reports.delete", 202, "upstream") == 1)
            #expect(requests("dash", "v2.reports.delete", 403, "proxy") == 1)
            #expect(requests("other", "v2.reports.list", 401, "proxy") == 1)
            #expect(requests("dash", "unknown", 404, "proxy") == 1)
            #expect(value("request_seconds_count{part=\"total\"}") == 8)
            #expect((3...4).contains(value("request_seconds_count{part=\"upstream\"}")))
            #expect(value("request_seconds_sum{part=\"queue\"}") >= 1)
            #expect(value("request_seconds_count{part=\"audit\"}") >= 1)
            #expect(value("upstream_calls_total{operation=\"v2.tests.list\",status=\"429\"}") == 1)
            #expect(value("upstream_calls_total{operation=\"v2.tests.list\",status=\"200\"}") == 1)
            #expect(value("upstream_calls_total{operation=\"v2.reports.delete\",status=\"202\"}") == 1)
            #expect(value("upstream_saved_total{by=\"hit\"}") == 2 && value("upstream_saved_total{by=\"flight\"}") == 0)
            #expect(value("window_limit{window=\"1000/1m\"}") == 1000 && value("window_used{window=\"1000/1m\"}") == 4)
            #expect(value("window_limit{window=\"run 6/1s\"}") == 6 && value("window_used{window=\"run 6/1s\"}") == 0)
            #expect(value("pauses_total{scope=\"all\"}") == 1 && value("pauses_total{scope=\"api\"}") == 0)
            #expect(value("cooldown_seconds{scope=\"all\"}") == 0 && value("in_flight") == 0)
            #expect(value("queue_depth{class=\"interactive\"}") == 0)
            #expect(value("token_refreshes_total{result=\"ok\"}") == 1)
            #expect((3_000...3_600).contains(value("token_expires_seconds")))
            #expect(value("cache_entries") >= 0 && value("cache_bytes") >= 0)
            #expect(value("audit_records_total{event=\"intent\",result=\"written\"}") == 1)
            #expect(value("audit_records_total{event=\"outcome\",result=\"deleted\"}") == 1)
            #expect(value("audit_records_total{event=\"denied\",result=\"403\"}") == 1)
            #expect(value("audit_seq") >= 4 && value("audit_degraded") == 0)
            #expect(value("connections{state=\"idle\"}") >= 0 && value("connections{state=\"active\"}") >= 0)
            #expect(values.keys.contains { $0.hasPrefix("clash_proxy_build_info{version=\"") })
            #expect(values.keys.contains { $0.hasPrefix("clash_proxy_build_info") && $0.contains("commit=\"") })
            for name in ["cpu_seconds_total", "resident_memory_bytes", "open_fds", "max_fds", "start_time_seconds"] {
                #expect((values["process_" + name] ?? 0) > 0, "\(name)")
            }
        }
    }

    @Test("Prometheus' own checker finds nothing to complain of", .enabled(if: promtool, "promtool is not installed"))
    func lint() async throws {
        try await withTraffic { rig, _ in
            let folder = try TemporaryFolder()
            defer { folder.remove() }
            let url = "http://127.0.0.1:\(rig.adminPort)/metrics"
            #expect(try await Shell.run("curl -s \(url) | promtool check metrics 2>&1; echo $?") == "0\n")
            let rules = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
            #expect(try await Shell.run("promtool check rules /\(rules)/docs/alerts.yml 2>&1").contains("SUCCESS"))
        }
    }

    @Test("who asks for OpenMetrics gets it, to its end mark")
    func openMetrics() async throws {
        try await withRig { rig in
            let client = try RawClient(port: rig.adminPort)
            defer { client.close() }
            let answer = try await client.exchange(
                "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/openmetrics-text;version=1.0.0,*/*;q=0.1\r\n\r\n"
            )
            #expect(answer.values("Content-Type") == ["application/openmetrics-text; version=1.0.0; charset=utf-8"])
            #expect(answer.text.hasSuffix("\n# EOF\n") && answer.text.contains("# TYPE clash_proxy_pauses counter\n"))
        }
    }

    @Test("invented keys, paths, methods and hosts make no series of their own")
    func bounded() async throws {
        try await withTraffic { rig, callers in
            func lines() async throws -> Int { series(try await rig.admin("/metrics").text).count }
            // One of each kind, for the series that there are to be.
            var random = SeededGenerator(seed: 7)
            func call() async throws {
                let id = UInt64.random(in: .min ... .max, using: &random)
                let client = try rig.connect()
                defer { client.close() }
                let method = ["GET", "PUT", "DELETE", "X\(id % 97)"].randomElement(using: &random) ?? "GET"
                let path =
                    [
                        "/clash-detection/itwins/\(id)/reports", "/clashdetection/\(id)", "/\(id)",
                        "/clash-detection/\(id)/x",
                    ].randomElement(using: &random) ?? "/"
                _ = try await client.exchange(
                    rig.request(method, path, [("X-Api-Key", "cpk_\(id)"), ("User-Agent", "u\(id)")]))
            }
            for _ in 0..<200 { try await call() }
            let before = try await lines()
            for _ in 0..<300 { try await call() }
            #expect(try await lines() - before <= 2, "what came once may come with another status")
        }
    }
}
