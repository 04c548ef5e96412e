// Traces as a tool, Bentley and a collector see them.

import Configuration
import Proxy
import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct TraceTests {
    private let tool = ToolTrace()

    /// In front of an origin, with a collector beside it; spans are sent once the clock is moved, or at the end.
    private func withCollector(
        _ collector: Collector = Collector(), flags: [String] = [], file: String = "",
        origin server: ScriptedOrigin? = nil, _ body: (Rig, Collector) async throws -> Void
    ) async throws {
        defer { collector.stop() }
        try await withRig { options in
            options.origin = server
            options.flags = [collector.flag] + flags
            options.file = file
        } _: { rig async throws in
            try await body(rig, collector)
        }
        server?.stop()
    }

    private func parent(_ request: ReceivedRequest) -> [String] {
        (request.values("traceparent").first ?? "").split(separator: "-").map(String.init)
    }

    @Test("without an endpoint what tools say of their traces passes unchanged, valid or not, and nothing is added")
    func passing() async throws {
        let received = Received()
        try await withRig(origin: origin(received, always: ok)) { rig async throws in
            let odd = [("traceparent", "ff-x"), ("tracestate", "B=roken,,"), ("TraceState", "more=1")]
            _ = try await rig.get("/clashdetection/tests", odd)
            _ = try await rig.get("/clashdetection/tests", [tool.header, ("tracestate", "a=1")])
            _ = try await rig.get("/clashdetection/tests")
            #expect(received.all[0].values("traceparent") == ["ff-x"])
            #expect(received.all[0].values("tracestate") == ["B=roken,,", "more=1"])
            #expect(received.all[1].values("traceparent") == [tool.value])
            #expect(received.all[1].values("tracestate") == ["a=1"])
            #expect(received.all[2].values("traceparent").isEmpty && received.all[2].values("tracestate").isEmpty)
        }
    }

    @Test(
        "a valid traceparent is continued: upstream is told of our span, whose parent is the request's, whose is the tool's"
    )
    func continued() async throws {
        let received = Received()
        try await withCollector(origin: origin(received, always: json("{\"tests\":[]}"))) {
            rig, collector async throws in
            let headers = [tool.header, ("tracestate", "a=1"), ("tracestate", "b=2"), ("x-correlation-id", "t-1")]
            #expect(try await rig.get("/clashdetection/tests?projectId=p&secret=s3cret", headers).status == 200)
            let parts = parent(received.all[0])
            #expect(parts.count == 4 && parts[0] == "00" && parts[1] == tool.trace && parts[3] == "01")
            #expect(received.all[0].values("tracestate") == ["a=1,b=2"])
            _ = await rig.drain()
            let spans = try collector.spans
            #expect(Set(spans.map(\.name)) == ["request", "queue", "token", "upstream"])
            #expect(spans.allSatisfy { $0.traceId == tool.trace && $0.traceState == "a=1,b=2" })
            let root = try #require(spans.first { $0.kind == 2 })
            let call = try #require(spans.first { $0.kind == 3 })
            #expect(root.parentSpanId == tool.span && call.spanId == parts[2])
            #expect(spans.filter { $0.kind != 2 }.allSatisfy { $0.parentSpanId == root.spanId })
            #expect(spans.allSatisfy { $0.started <= $0.ended && root.started <= $0.started && $0.ended <= root.ended })
            let wall = Int(rig.clock.wall.components.seconds)
            #expect(abs(root.ended / 1_000_000_000 - wall) < 60)
            #expect(root["http.request.method"] == "GET" && root["http.response.status_code"] == "200")
            #expect(root["url.path"] == "/clashdetection/tests" && root["url.scheme"] == "http")
            #expect(root["clash_proxy.correlation_id"] == "t-1" && root["clash_proxy.caller"] == "anonymous")
            #expect(root["clash_proxy.operation"] == "v1.tests.list" && root["clash_proxy.source"] == "upstream")
            #expect(call["url.full"] == rig.config.upstream.url.description + "/clashdetection/tests")
            #expect(call["server.address"] == "127.0.0.1" && call["http.response.status_code"] == "200")
            let resource = try #require(try collector.documents.first?.resourceSpans.first?.resource.attributes)
            #expect(resource.contains { $0.key == "service.name" && $0.value.stringValue == "clash-proxy" })
            let text = collector.origin.received.all.map(\.text).joined()
            for secret in ["s3cret", "projectId", "demo-secret", "Bearer"] { #expect(!text.contains(secret)) }
            let first = collector.origin.received.all[0]
            #expect(first.requestLine == "POST /v1/traces HTTP/1.1")
            #expect(first.values("Content-Type") == ["application/json"])
        }
    }

    @Test("without a valid traceparent a trace begins, and a tracestate without one is not told on")
    func begun() async throws {
        let received = Received()
        try await withCollector(origin: origin(received, always: ok)) { rig, collector async throws in
            for bad in ["", "ff-\(tool.trace)-\(tool.span)-01", tool.value.uppercased()] {
                let headers = bad.isEmpty ? [] : [("traceparent", bad)]
                _ = try await rig.get("/clashdetection/tests", headers + [("tracestate", "a=1")])
            }
            let parents = received.all.map { parent($0) }
            #expect(parents.allSatisfy { $0.count == 4 && $0[1] != tool.trace && $0[3] == "01" })
            #expect(Set(parents.map { $0[1] }).count == 3)
            #expect(received.all.allSatisfy { $0.values("traceparent").count == 1 && $0.values("tracestate").isEmpty })
            _ = await rig.drain()
            let roots = try collector.spans.filter { $0.kind == 2 }
            #expect(roots.count == 3 && roots.allSatisfy { $0.parentSpanId == nil })
            #expect(Set(roots.map(\.traceId)) == Set(parents.map { $0[1] }))
        }
    }

    @Test("traces.sample is for requests without a decision of their own; what is not recorded is told on as such")
    func sampling() async throws {
        let received = Received()
        let server = origin(received, always: ok)
        try await withCollector(flags: ["traces.sample=0"], origin: server) { rig, collector async throws in
            _ = try await rig.get("/clashdetection/tests")
            _ = try await rig.get("/clashdetection/tests", [tool.header])
            #expect(parent(received.all[0]).last == "00" && parent(received.all[1]).last == "01")
            let reloaded = await rig.reload(["traces.sample=1"])
            #expect(reloaded == .taken(changed: ["traces.sample"], needsRestart: []))
            _ = try await rig.get("/clashdetection/tests", [ToolTrace(isSampled: false).header])
            let unsampled = parent(received.all[2])
            #expect(unsampled[1] == tool.trace && unsampled[2] != tool.span && unsampled[3] == "00")
            _ = await rig.drain()
            #expect(Set(try collector.spans.map(\.traceId)) == [tool.trace])
            #expect(try collector.spans.count { $0.kind == 2 } == 1)
        }
    }

    @Test("each try is a span of its own, with its number, and says how it ended")
    func tries() async throws {
        let received = Received()
        let server = origin(received) { number, _ in
            number == 1 ? "HTTP/1.1 503 Unavailable\r\nContent-Length: 0\r\n\r\n" : ok
        }
        try await withCollector(origin: server) { rig, collector async throws in
            #expect(try await rig.get("/clashdetection/tests", [tool.header]).status == 200)
            _ = await rig.drain()
            let calls = try collector.spans.filter { $0.kind == 3 }.sorted { $0.started < $1.started }
            #expect(calls.map { $0["http.response.status_code"] } == ["503", "200"])
            #expect(calls.map(\.spanId) == received.all.map { parent($0)[2] })
            #expect(calls.map { $0["http.request.resend_count"] } == [nil, "1"])
            #expect(calls[0].status?.code == 2 && calls[0]["error.type"] == "503" && calls[1].status == nil)
        }
    }

    @Test("a delete's record is a span; so are waits for a turn")
    func parts() async throws {
        try await withCollector(flags: ["rate.windows=1/1s"]) { rig, collector async throws in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            #expect(try await rig.get(rig.list).status == 200)
            async let deleted = rig.deleteRun(report, id: "d-1", [tool.header])
            try await rig.waitForQueue(1)
            rig.clock.advance(by: .seconds(2))
            #expect(try await deleted.status == 204)
            _ = await rig.drain()
            let spans = try collector.spans.filter { $0.traceId == tool.trace }
            #expect(Set(spans.map(\.name)).isSuperset(of: ["queue", "token", "audit", "upstream"]))
            let queue = try #require(spans.first { $0.name == "queue" })
            #expect(queue.ended - queue.started > 500_000_000)
            #expect(spans.first { $0.kind == 2 }?["clash_proxy.correlation_id"] == "d-1")
        }
    }

    @Test(
        "a shared fetch carries the trace of who began it, without its state; who waits for it links to it; a hit is a span alone"
    )
    func shared() async throws {
        let latch = Latch()
        let received = Received()
        let server = origin(received) { _, _ in
            latch.waitBlocking()
            return json("{\"count\":0,\"reports\":[],\"_links\":{}}")
        }
        try await withCollector(flags: ["cache.enabled=true"], origin: server) { rig, collector async throws in
            let path = "/clash-detection/itwins/i/reports"
            let leader = try await rig.begin("GET", path, [tool.header, ("tracestate", "a=1")])
            try await eventually("it is asked") { received.count == 1 }
            var followers: [RawClient] = []
            for _ in 0..<8 { followers.append(try await rig.begin("GET", path)) }
            // They have been read by now, all or most of them.
            for _ in 0..<8 { _ = try await rig.call("OPTIONS", "/nowhere") }
            latch.open()
            #expect(try await leader.answer().status == 200)
            for follower in followers { #expect(try await follower.answer().status == 200) }
            #expect(try await rig.get(path).status == 200)
            #expect(received.count == 1 && parent(received.all[0])[1] == tool.trace)
            #expect(received.all[0].values("tracestate").isEmpty)
            _ = await rig.drain()
            let spans = try collector.spans
            let call = try #require(spans.first { $0.kind == 3 })
            let waited = try #require(spans.first { $0.name == "shared fetch" })
            #expect(waited.links?.first?.spanId == call.spanId && waited.links?.first?.traceId == tool.trace)
            #expect(waited.traceId != tool.trace)
            let hit = try #require(spans.first { $0["clash_proxy.source"] == "cache" })
            #expect(hit["clash_proxy.cache"] == "hit" && spans.count { $0.traceId == hit.traceId } == 1)
        }
    }

    @Test(
        "spans go in batches by themselves; a collector that is down costs requests nothing, is told once, and gets them later"
    )
    func down() async throws {
        let collector = Collector { number, _ in
            number <= 2 ? .bytes("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n") : .bytes(Collector.taken)
        }
        try await withCollector(collector) { rig, collector async throws in
            for _ in 0..<3 { #expect(try await rig.get(rig.list).status == 200) }
            #expect(collector.origin.received.count == 0, "they wait for others")
            for step in 1...3 {
                rig.clock.advance(by: .seconds(4))
                try await eventually("try \(step)") { collector.origin.received.count >= step }
            }
            #expect(try await collector.spans(3, "request").count >= 3)
            _ = try await rig.applicationLog.line(with: "notice spans are delivered again")
            let lines = rig.applicationLog.lines.filter { $0.contains("spans cannot be delivered") }
            #expect(lines.count == 1 && lines[0].contains("status 503"), "\(lines)")
            let sent = try collector.documents.map { Set($0.spans.map(\.spanId)) }
            #expect(sent[1].isSuperset(of: sent[0]) && sent[2].isSuperset(of: sent[1]), "none is lost")
            #expect(try await rig.admin("/metrics").text.contains("\nclash_proxy_spans_dropped_total 0\n"))
        }
    }

    @Test("spans that a collector will not take are dropped and counted; at the end nobody waits for one that is gone")
    func refused() async throws {
        let collector = Collector { _, _ in .bytes("HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n") }
        try await withCollector(collector) { rig, collector async throws in
            #expect(try await rig.get("/elsewhere").status == 404)
            rig.clock.advance(by: .seconds(2))
            _ = try await rig.applicationLog.line(with: "spans cannot be delivered", "status 400")
            #expect(try await rig.admin("/metrics").text.contains("\nclash_proxy_spans_dropped_total 1\n"))
            collector.stop()
            #expect(try await rig.get("/elsewhere").status == 404)
            #expect(await rig.drain())
        }
    }

    @Test("a collector on this machine is not looked for behind upstream.proxy; others are")
    func wayOut() async throws {
        let proxy = TunnelProxy()
        defer { proxy.stop() }
        try await withCollector(flags: ["upstream.proxy=\(proxy.url)"]) { rig, collector async throws in
            #expect(try await rig.get(rig.list).status == 200)
            rig.clock.advance(by: .seconds(2))
            _ = try await collector.spans(1, "request")
            #expect(!proxy.heads.contains { $0.contains(":\(collector.origin.server.port) ") })
            await rig.reload(["traces.endpoint=http://collector.invalid:4318/v1/traces"])
            #expect(try await rig.get(rig.list).status == 200)
            rig.clock.advance(by: .seconds(2))
            try await eventually("it is asked for") {
                proxy.heads.contains { $0.hasPrefix("CONNECT collector.invalid:4318 ") }
            }
        }
    }
}
