// Reads and writes that overlap: what was fetched before a write, or stored by an older fetch, is not served after it, and
// what a delete leaves behind upstream is not kept.

import Simulator
import Synchronization
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct CacheDeleteRaceTests {
    private static let flags = ["cache.ttl_list=1h", "cache.ttl_in_progress=1h", "cache.ttl_terminal=2h"]
    private static let deletes: [(method: String, target: String, body: String?)] = [
        ("POST", Path.deletion, job("a")), ("DELETE", "/clashdetection/runs/a", nil),
    ]

    private static let only = [("Cache-Control", "only-if-cached")]

    @Test("a slow fetch begun before a delete and finished after it is neither kept nor joined", arguments: [0, 1])
    func slowFetch(which: Int) async throws {
        let delete = Self.deletes[which]
        let gate = Latch()
        try await withCache { number, request in
            guard request.requestLine.hasPrefix("GET ") else { return .bytes(writeAnswer("202 Accepted")) }
            if number == 1 { gate.waitBlocking() }
            return .bytes(numbered(number, rows: number == 1 ? report("a") + "," + report("b") : report("b")))
        } _: { rig, origin async throws in
            async let slow = rig.get(Path.reports)
            try await eventually("the read is upstream") { origin.count == 1 }
            #expect(try await rig.call(delete.method, delete.target, body: delete.body).status == 202)
            let after = try await rig.get(Path.reports)
            after.expectForwarded("uri-miss; stored", number: 3, "it must not wait for the old one")
            gate.open()
            let old = try await slow
            #expect(old.number == 1, "who asked before the delete may see what was then")
            #expect(
                old.cacheStatus == "clash-proxy; fwd=uri-miss; detail=invalidated"
                    || old.cacheStatus.hasSuffix("detail=deleted-id"))
            let watch = Stopwatch()
            (try await rig.get(Path.reports)).expectHit(lifetime: 30, watch, number: 3)
        }
    }

    @Test("a slow revalidation begun before a delete does not bring the old page back")
    func slowRevalidation() async throws {
        let gate = Latch()
        try await withCache(["cache.stale_while_revalidate=0s"]) { number, request in
            guard request.requestLine.hasPrefix("GET ") else { return .bytes(writeAnswer("202 Accepted")) }
            if number == 2 {
                gate.waitBlocking()
                return .bytes("HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\n\r\n")
            }
            return .bytes(numbered(number, "ETag: \"v\(number)\"\r\n", rows: number == 1 ? report("a") : ""))
        } _: { rig, origin async throws in
            #expect(try await rig.number(Path.reports) == 1)
            rig.clock.advance(by: .seconds(31))
            async let slow = rig.get(Path.reports)
            try await eventually("the question is upstream") { origin.count == 2 }
            #expect(try await rig.call("POST", Path.deletion, body: job("a")).status == 202)
            gate.open()
            #expect(try await slow.status == 200)
            let after = try await rig.get(Path.reports)
            after.expectForwarded("uri-miss; stored", number: 4)
            #expect(!after.text.contains("\"a\"") && origin.received.all[3].values("If-None-Match").isEmpty)
        }
    }

    @Test("a slow fetch is kept when what was written meanwhile does not concern it")
    func unconcerned() async throws {
        let gate = Latch()
        try await withCache { number, request in
            guard request.requestLine.hasPrefix("GET ") else { return .bytes(writeAnswer("202 Accepted")) }
            gate.waitBlocking()
            return .bytes(numbered(number))
        } _: { rig, origin async throws in
            async let slow = rig.get("/clash-detection/itwins/j/reports")
            try await eventually("the read is upstream") { origin.count == 1 }
            #expect(try await rig.call("POST", Path.deletion, body: job("a")).status == 202)
            gate.open()
            #expect(try await slow.cacheStatus == "clash-proxy; fwd=uri-miss; stored")
        }
    }

    @Test("reads while a delete is under way are not trusted after it")
    func readMeanwhile() async throws {
        let gate = Latch()
        try await withCache { number, request in
            guard request.requestLine.hasPrefix("GET ") else {
                gate.waitBlocking()
                return .bytes(writeAnswer("202 Accepted"))
            }
            return .bytes(numbered(number, rows: number <= 2 ? report("a") : ""))
        } _: { rig, origin async throws in
            async let delete = rig.call("POST", Path.deletion, body: job("a"))
            try await eventually("the delete is upstream") { origin.count == 1 }
            let watch = Stopwatch()
            #expect(try await rig.number(Path.reports) == 2)
            (try await rig.get(Path.reports)).expectHit(lifetime: 30, watch, number: 2)
            gate.open()
            #expect(try await delete.status == 202)
            (try await rig.get(Path.reports)).expectForwarded("uri-miss; stored", number: 3)
        }
    }

    @Test("a page that still shows a deleted report is passed on and not kept, until it does not or time has passed")
    func stillShown() async throws {
        try await withCache { number, request in
            guard request.requestLine.hasPrefix("GET ") else { return .bytes(writeAnswer("202 Accepted")) }
            return .bytes(numbered(number, rows: report("a") + "," + report("b")))
        } _: { rig, origin async throws in
            #expect(try await rig.call("POST", Path.deletion, body: job("a")).status == 202)
            for number in 2...4 {
                (try await rig.get(Path.reports)).expectForwarded("uri-miss; detail=deleted-id", number: number)
            }
            let watch = Stopwatch()
            origin.become { number, _ in .bytes(numbered(number, rows: report("b"))) }
            (try await rig.get(Path.reports)).expectForwarded("uri-miss; stored", number: 5)
            (try await rig.get(Path.reports)).expectHit(lifetime: 30, watch, number: 5)
        }
    }

    @Test("the report itself is not kept either while upstream still gives it, under either version's id")
    func stillThere() async throws {
        let row = Mutex("")
        try await withCache { number, request in
            guard request.requestLine.hasPrefix("GET ") else { return .bytes(writeAnswer("204 No Content")) }
            if request.requestLine.contains("/reports?") {
                return .bytes(numbered(number, rows: report(row.withLock { $0 })))
            }
            if request.requestLine.contains("/clashdetection/runs/") {
                return .bytes(json(#"{"run":{"id":"x","status":"completed"},"number":\#(number)}"#))
            }
            return .bytes(json(#"{"metadata":{"status":1},"number":\#(number)}"#))
        } _: { rig, _ async throws in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            let legacy = try #require(rig.simulator.legacyID(project: rig.iTwin, entity: report))
            row.withLock { $0 = report.uppercased() }
            #expect(try await rig.call("DELETE", "/clashdetection/runs/\(legacy)").status == 204)
            for target in [
                "/clashdetection/runs/\(legacy)", "\(rig.v2)/reports/\(report)",
                "\(rig.v2)/reports/\(report.uppercased())", "\(rig.v2)/reports?$top=5",
            ] {
                for _ in 0..<2 {
                    (try await rig.get(target)).expectForwarded("uri-miss; detail=deleted-id", target)
                }
            }
            rig.clock.advance(by: .seconds(301))
            (try await rig.get("\(rig.v2)/reports/\(report)")).expectForwarded("uri-miss; stored")
        }
    }

    @Test("a stale copy is never given after a delete, not even while upstream fails")
    func noStaleCopy() async throws {
        try await withCache { number, request in
            guard request.requestLine.hasPrefix("GET ") else { return .bytes(writeAnswer("202 Accepted")) }
            return number == 1
                ? .bytes(numbered(1, rows: report("a"))) : .bytes(json("{}", status: "500 Internal Server Error"))
        } _: { rig, _ async throws in
            #expect(try await rig.number(Path.reports) == 1)
            let watch = Stopwatch()
            rig.clock.advance(by: .seconds(100))
            (try await rig.get(Path.reports)).expectStale("upstream-error", lifetime: 30, age: 100, watch, number: 1)
            #expect(try await rig.call("POST", Path.deletion, body: job("a")).status == 202)
            let answer = try await rig.get(Path.reports)
            #expect(answer.status == 500 && answer.text == "{}", "\(answer.cacheStatus)")
        }
    }

    // MARK: Snapshots

    @Test("the snapshot of a delete is taken from a stored page, which is purged all the same")
    func snapshot() async throws {
        try await withCachedWorld(Self.flags + ["audit.snapshot=true"]) { rig async throws in
            let reports = rig.simulator.reportIDs(iTwin: rig.iTwin)
            let list = "\(rig.v2)/reports?$top=100"
            #expect(try await rig.get(list).status == 200)
            rig.simulator.clearRecorded()
            #expect(try await rig.deleteReport(reports[0], id: "snap-1").status == 202)
            #expect(rig.simulator.recorded(RequestFilter(target: "/clash")).map(\.method) == ["POST"])
            let snapshot = try rig.records(of: "snap-1").first?.snapshot ?? ""
            #expect(snapshot.hasPrefix("{") && snapshot.hasSuffix("}") && snapshot.contains(reports[0]), "\(snapshot)")
            #expect(!snapshot.contains(reports[1]), "one row, not the page")
            #expect(try await rig.get(list).cacheStatus == "clash-proxy; fwd=uri-miss; stored")
            #expect(try await rig.get("\(rig.v2)/reports/\(reports[0])").status == 404)
        }
    }

    @Test("the snapshot is of what is deleted, not of what one token may see: in pass-through mode it is read")
    func snapshotInPassthrough() async throws {
        try await withCache(["token.mode=passthrough", "audit.snapshot=true"]) { number, request in
            guard request.requestLine.hasPrefix("GET ") else { return .bytes(writeAnswer("202 Accepted")) }
            let owner = request.values("Authorization").first ?? "nobody"
            return .bytes(json(#"{"reports":[{"id":"a","status":1,"owner":"\#(owner)"}],"number":\#(number)}"#))
        } _: { rig, origin async throws in
            _ = try await rig.get(Path.reports, [("Authorization", "Bearer one")])
            let headers = [("Authorization", "Bearer two"), ("x-correlation-id", "snap-2")]
            #expect(try await rig.call("POST", Path.deletion, headers, body: job("a")).status == 202)
            let snapshot = try rig.records(of: "snap-2").first?.snapshot ?? ""
            #expect(snapshot.contains("Bearer two") && !snapshot.contains("Bearer one"), "\(snapshot)")
        }
    }

    // MARK: Tools that write and leave

    @Test("a delete and a read behind it on one connection: the read sees the world after the delete")
    func pipelinedDelete() async throws {
        try await withCache(Self.flags) { number, request in
            request.requestLine.hasPrefix("GET ")
                ? .bytes(numbered(number)) : .bytes(json("{}", status: "202 Accepted"))
        } _: { rig, _ async throws in
            #expect(try await rig.number(Path.reports) == 1)
            let client = try rig.connect()
            let get = rig.request("GET", Path.reports)
            try await client.send(get + rig.request("POST", Path.deletion, body: job("a")) + get)
            #expect(try await client.response().number == 1)
            #expect(try await client.response(to: "POST").status == 202)
            let after = try await client.response()
            after.expectForwarded("uri-miss; stored", number: 3)
            client.close()
        }
    }

    @Test("a delete whose tool has left purges when upstream answers it")
    func toolLeft() async throws {
        let gate = Latch()
        try await withCache(Self.flags) { number, request in
            if request.requestLine.hasPrefix("GET ") { return .bytes(numbered(number)) }
            gate.waitBlocking()
            return .bytes(json("{}", status: "202 Accepted"))
        } _: { rig, origin async throws in
            #expect(try await rig.number(Path.reports) == 1)
            let client = try rig.connect()
            try await client.send(
                rig.request("POST", Path.deletion, [("x-correlation-id", "gone")], body: job("a")))
            try await eventually("the delete is upstream") { origin.count == 2 }
            client.close()
            #expect(try await rig.get(Path.reports, Self.only).number == 1, "nobody knows of it yet")
            gate.open()
            _ = try await rig.accessLog.line(with: " gone ")
            #expect(try await rig.get(Path.reports, Self.only).status == 504)
        }
    }

    @Test("a delete that upstream does not answer in time purges, and what is read before it takes effect is not kept")
    func timeout() async throws {
        try await withCache(Self.flags + ["upstream.first_byte_timeout=200ms"]) { number, request in
            if !request.requestLine.hasPrefix("GET ") { return .silence }
            // Upstream has not got round to it: everything is still there, the object's own read fails.
            let isObject = request.requestLine.contains("/reports/a ")
            return .bytes(
                isObject ? json("{}", status: "500 Internal Server Error") : numbered(number, rows: report("a")))
        } _: { rig, _ async throws in
            #expect(try await rig.number(Path.reports) == 1)
            let delete = try await rig.settling(isSimulated: false) {
                try await rig.call("POST", Path.deletion, body: job("a"))
            }
            delete.expectError(504, "OutcomeUnknown", reason: "outcome-unknown")
            for _ in 0..<2 {
                (try await rig.get(Path.reports)).expectForwarded("uri-miss; detail=deleted-id")
            }
        }
    }

    @Test(
        "an older fetch that ends late does not replace what a newer one has brought", arguments: ["no-cache", "write"])
    func lateFetch(why: String) async throws {
        let gate = Latch()
        let target = "\(Path.tests)/t"
        try await withCache(Self.flags) { number, request in
            guard request.requestLine.hasPrefix("GET ") else { return .bytes(json("{}", status: "202 Accepted")) }
            if number == 1 { gate.waitBlocking() }
            return .bytes(numbered(number))
        } _: { rig, origin async throws in
            async let old = rig.get(target)
            try await eventually("the old fetch is upstream") { origin.count == 1 }
            // A write elsewhere lets nobody join what was sent before it.
            if why == "write" { _ = try await rig.call("POST", "/clash-detection/itwins/j/tests", body: "{}") }
            let newer = try await rig.get(target, why == "write" ? [] : [("Cache-Control", "no-cache")]).number
            #expect(newer == (why == "write" ? 3 : 2))
            gate.open()
            #expect(try await old.number == 1)
            #expect(try await rig.number(target) == newer, "time does not run backwards")
        }
    }

    @Test("a background refresh begun before a delete neither comes back after it nor is joined")
    func refreshAndDelete() async throws {
        let gate = Latch()
        try await withCache { number, request in
            guard request.requestLine.hasPrefix("GET ") else { return .bytes(json("{}", status: "202 Accepted")) }
            if number == 2 { gate.waitBlocking() }
            return .bytes(numbered(number, rows: number <= 2 ? report("a") : ""))
        } _: { rig, origin async throws in
            let watch = Stopwatch()
            #expect(try await rig.number(Path.reports) == 1)
            rig.clock.advance(by: .seconds(40))
            (try await rig.get(Path.reports)).expectStale("revalidating", lifetime: 30, age: 40, watch, number: 1)
            try await eventually("the refresh is upstream") { origin.count == 2 }
            #expect(try await rig.call("POST", Path.deletion, body: job("a")).status == 202)
            (try await rig.get(Path.reports)).expectForwarded("uri-miss; stored", number: 4)
            gate.open()
            for _ in 0..<5 { #expect(try await rig.number(Path.reports) == 4) }
        }
    }

    @Test("a job that deletes several reports makes all of them untrue")
    func severalReports() async throws {
        try await withCache(Self.flags) { number, request in
            request.requestLine.hasPrefix("GET ")
                ? .bytes(json(#"{"metadata":{"status":1},"number":\#(number)}"#))
                : .bytes(json("{}", status: "202 Accepted"))
        } _: { rig, _ async throws in
            for id in ["a", "b", "c"] { _ = try await rig.get("\(Path.reports)/\(id)") }
            #expect(try await rig.call("POST", Path.deletion, body: job("a", "b")).status == 202)
            let kept = try await ["a", "b", "c"].asyncMap {
                try await rig.get("\(Path.reports)/\($0)", Self.only).status
            }
            #expect(kept == [504, 504, 200])
        }
    }
}

extension [String] {
    fileprivate func asyncMap<Value>(_ body: (String) async throws -> Value) async throws -> [Value] {
        var values: [Value] = []
        for element in self { values.append(try await body(element)) }
        return values
    }
}
