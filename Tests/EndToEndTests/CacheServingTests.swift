// How a stored answer goes out: on kept and pipelined connections, to old tools, in the access log, with no call upstream;
// and the proxy without a cache.

import FoundationEssentials
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct CacheServingTests {
    @Test("hits follow each other on one connection, each whole")
    func keepAlive() async throws {
        try await withNumberedPages { rig, origin async throws in
            let client = try rig.connect()
            let watch = Stopwatch()
            _ = try await client.exchange(rig.request("GET", Path.reports))
            for index in 0..<200 {
                let id = "k-\(index)"
                let hit = try await client.exchange(rig.request("GET", Path.reports, [("x-correlation-id", id)]))
                hit.expectHit(lifetime: 30, watch, number: 1)
                #expect(hit.values("x-correlation-id") == [id])
                #expect(hit["Connection"] == nil && hit["Server-Timing"] == nil)
            }
            client.close()
            #expect(origin.count == 1)
        }
    }

    @Test("pipelined requests are answered in order, hits and misses mixed")
    func pipelined() async throws {
        try await withNumberedPages { rig, origin async throws in
            for target in [Path.reports, Path.tests] { _ = try await rig.get(target) }
            let targets = [
                Path.reports, "\(Path.tests)?a", Path.tests, Path.reports, "\(Path.tests)?b", Path.tests, Path.reports,
            ]
            let client = try rig.connect()
            var requests = ""
            for (index, target) in targets.enumerated() {
                requests += rig.request(index == 3 ? "HEAD" : "GET", target, [("x-correlation-id", "p-\(index)")])
            }
            try await client.send(requests)
            var numbers: [Int] = []
            for index in targets.indices {
                let answer = try await client.response(to: index == 3 ? "HEAD" : "GET")
                #expect(answer.status == 200 && answer["x-correlation-id"] == "p-\(index)")
                numbers.append(answer.number)
            }
            client.close()
            #expect(numbers == [1, 3, 2, 0, 4, 2, 1] && origin.count == 4)
        }
    }

    @Test("a tool that pipelines hits and reads no answers is not read from any more, and gets them all when it reads")
    func pipelinedUnread() async throws {
        try await withNumberedPages { rig, origin async throws in
            _ = try await rig.get(Path.reports)
            let request = Array(rig.request("GET", Path.reports).utf8)
            // Far more than the sockets on both sides hold. Who connects and then says nothing is not waited for long.
            let requests = Array(repeatElement(request, count: 300_000).joined())
            let client = try rig.connect()
            let sent = try await client.sendWhatFits(requests)
            #expect(sent < 16 << 20, "\(sent) bytes of requests were taken")
            #expect((try await rig.get(Path.reports)).status == 200, "others are served meanwhile")
            for _ in 0..<min(sent / request.count, 500) {
                let answer = try await client.response()
                #expect(answer.status == 200 && answer.number == 1)
            }
            client.close()
            #expect(origin.count == 1)
        }
    }

    @Test("what is no request behind hits that a tool has not read yet is answered after them")
    func pipelinedBeforeGarbage() async throws {
        let pad = String(repeating: "x", count: 60_000)
        try await withCache { _, _ in
            .bytes(json(#"{"reports":[],"number":1,"pad":"\#(pad)"}"#))
        } _: { rig, _ async throws in
            _ = try await rig.get(Path.reports)
            let count = 400
            let client = try rig.connect()
            try await client.send(
                String(repeating: rig.request("GET", Path.reports), count: count) + "BAD\r\n\r\n")
            for _ in 0..<count { #expect(try await client.response().status == 200) }
            #expect(try await client.response().status == 400)
            client.close()
        }
    }

    @Test("HTTP/1.0 tools get hits, and their connection is closed or kept as they say")
    func http10() async throws {
        try await withNumberedPages { rig, _ async throws in
            let watch = Stopwatch()
            _ = try await rig.get(Path.reports)
            let closing = try rig.connect()
            try await closing.send("GET \(Path.reports) HTTP/1.0\r\n\r\n")
            let hit = try await closing.response()
            hit.expectHit(lifetime: 30, watch, number: 1)
            #expect(hit["Transfer-Encoding"] == nil && hit["Content-Length"] == "\(hit.body.count)")
            #expect(hit.link("self") == "http://\(rig.host)\(Path.reports)")
            #expect(try await closing.readToEnd().isEmpty)
            closing.close()
            let keeping = try rig.connect()
            for _ in 0..<2 {
                let text = "GET \(Path.reports) HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n"
                let kept = try await keeping.exchange(text)
                kept.expectHit(lifetime: 30, watch, number: 1)
                #expect(kept["Connection"] == "keep-alive")
            }
            keeping.close()
        }
    }

    @Test("Connection: close is obeyed on a hit")
    func connectionClose() async throws {
        try await withNumberedPages { rig, _ async throws in
            _ = try await rig.get(Path.reports)
            let client = try rig.connect()
            let hit = try await client.exchange(rig.request("GET", Path.reports, [("Connection", "close")]))
            #expect(hit.number == 1 && hit["Connection"] == "close")
            #expect(try await client.readToEnd().isEmpty)
            client.close()
        }
    }

    @Test("a large hit goes whole to a tool that reads slowly, while others are served")
    func slowReader() async throws {
        let row = report(String(repeating: "y", count: 4_000_000))
        try await withCache { number, _ in
            .bytes(numbered(number, rows: row))
        } _: { rig, origin async throws in
            let whole = try await rig.get(Path.reports)
            let slow = try rig.connect()
            try await slow.send(rig.request("GET", Path.reports) + rig.request("GET", Path.reports))
            #expect(try await rig.get(Path.reports).body == whole.body)
            for _ in 0..<2 {
                let answer = try await slow.response()
                #expect(answer.body == whole.body && answer.cacheStatus.hasPrefix("clash-proxy; hit; "))
            }
            slow.close()
            #expect(origin.count == 1)
        }
    }

    @Test("all of upstream's end-to-end fields come with a hit, none that belongs to one exchange")
    func fields() async throws {
        let lines =
            "X-ITwinPlatform-Media-Type: v2\r\nX-Twice: a\r\nX-Twice: b\r\nStrict-Transport-Security: max-age=1\r\n"
            + "Connection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nx-correlation-id: upstreams\r\n"
            + "Server-Timing: db;dur=5\r\nVia: 1.0 gateway\r\n"
        try await withNumberedPages(headers: lines) { rig, _ async throws in
            for id in ["mine-1", "mine-2"] {
                let answer = try await rig.get(Path.reports, [("x-correlation-id", id)])
                #expect(answer["X-ITwinPlatform-Media-Type"] == "v2" && answer.values("X-Twice") == ["a", "b"])
                #expect(answer["Strict-Transport-Security"] == "max-age=1")
                for name in ["X-Hop", "Keep-Alive"] { #expect(answer[name] == nil, "\(name)") }
                #expect(answer.values("x-correlation-id") == [id])
                #expect(answer.values("Via").joined(separator: ", ") == "1.0 gateway, 1.1 clash-proxy")
            }
            #expect(try await rig.get(Path.reports)["Server-Timing"] == nil, "nothing was measured for a hit")
        }
    }

    // MARK: The same head again

    @Test("heads that are the same but for the correlation id are told apart by it alone")
    func correlationIDs() async throws {
        try await withNumberedPages { rig, origin async throws in
            let client = try rig.connect()
            func get(_ lines: String) async throws -> RawResponse {
                try await client.exchange("GET \(Path.reports) HTTP/1.1\r\n\(lines)\r\n")
            }
            let host = "Host: \(rig.host)\r\n"
            for id in ["one", "two", "two", "three"] {
                let answer = try await get(host + "Accept: a/b\r\nx-correlation-id: \(id)\r\nUser-Agent: t\r\n")
                #expect(answer.values("x-correlation-id") == [id])
                _ = try await rig.accessLog.line(with: " \(id) ")
            }
            let moved = try await get(host + "X-CORRELATION-ID: four\r\nAccept: a/b\r\nUser-Agent: t\r\n")
            #expect(moved.values("x-correlation-id") == ["four"] && moved.number == 1)
            for lines in ["", "x-correlation-id: no blanks please\r\n", "x-correlation-id: \r\n"] {
                let answer = try await get(host + "Accept: a/b\r\n\(lines)User-Agent: t\r\n")
                #expect(answer["x-correlation-id"]?.utf8.count == 36, "\(answer["x-correlation-id"] ?? "none")")
            }
            client.close()
            #expect(origin.count == 1)
        }
    }

    @Test("a miss behind a head that is known goes upstream under its own correlation id")
    func correlationIDsUpstream() async throws {
        try await withNumberedPages(headers: "Cache-Control: no-store\r\n") { rig, origin async throws in
            let client = try rig.connect()
            for id in ["one", "two", "three"] {
                let answer = try await client.exchange(
                    rig.request("GET", Path.reports, [("x-correlation-id", id)]))
                #expect(answer.values("x-correlation-id") == [id])
            }
            client.close()
            #expect(origin.received.all.flatMap { $0.values("x-correlation-id") } == ["one", "two", "three"])
        }
    }

    @Test("heads with the same values under other names are other heads")
    func sameValues() async throws {
        try await withNumberedPages { rig, origin async throws in
            let client = try rig.connect()
            let names = ["configType", "repository-id", "Include-User-Metadata", "X-Other"]
            for _ in 0..<3 {
                for (index, name) in names.enumerated() {
                    let answer = try await client.exchange(rig.request("GET", Path.tests, [(name, "1")]))
                    #expect(answer.number == index + 1, "\(name)")
                }
            }
            client.close()
            #expect(origin.count == 4)
        }
    }

    @Test("what is refused for its bytes is refused also when the rest of the head is known")
    func refusedAllTheSame() async throws {
        try await withNumberedPages { rig, origin async throws in
            let bad = [
                "x-correlation-id: a\u{1}b", "x-correlation-id: a\u{0}b", "x-correlation-id : a",
                "x-correlation-id: a\rb",
            ]
            for line in bad {
                let text = "GET \(Path.reports) HTTP/1.1\r\nHost: \(rig.host)\r\n\(line)\r\n\r\n"
                let cold = try await rig.raw(text.replacing(Path.reports, with: Path.tests)).status
                _ = try await rig.get(Path.reports)
                let warm = try await rig.raw(text).status
                #expect(cold == warm, "\(line.debugDescription): \(cold) and \(warm)")
            }
            #expect(origin.count <= 2 + bad.count)
        }
    }

    // MARK: Access log and metrics

    @Test("the access log tells what the cache did with each request")
    func log() async throws {
        try await withCache { number, request in
            let isPrivate = request.requestLine.contains("private")
            return .bytes(numbered(number, isPrivate ? "Cache-Control: private\r\n" : ""))
        } _: { rig, _ async throws in
            func get(_ id: String, _ target: String, _ headers: [(String, String)] = []) async throws -> String {
                _ = try await rig.get(target, [("x-correlation-id", id)] + headers)
                return try await rig.accessLog.line(with: " \(id) ")
            }
            let stored = try await get("l-1", Path.reports)
            #expect(stored.contains(" 200 upstream answered ") && stored.contains(" cache=stored"), "\(stored)")
            #expect(stored.contains("attempts=1"))
            let hit = try await get("l-2", "\(Path.reports)")
            #expect(hit.contains(" anonymous v2.reports.list GET \(Path.reports) 200 cache answered "), "\(hit)")
            #expect(hit.contains(" cache=hit") && hit.contains("attempts=0"), "\(hit)")
            let size = hit.split(separator: " ").first { $0.hasPrefix("out=") }
            #expect(size.flatMap { Int($0.dropFirst(4)) } ?? 0 > 50, "\(hit)")
            let refused = try await get("l-3", "\(Path.tests)?private")
            #expect(
                refused.contains(" 200 upstream answered ") && refused.contains(" cache=not-stored:private"),
                "\(refused)")
            let known = try await get("l-4", Path.reports, [("If-None-Match", "*")])
            #expect(known.contains(" 304 cache answered ") && known.contains(" out=0 "), "\(known)")
            rig.clock.advance(by: .seconds(40))
            let stale = try await get("l-5", Path.reports)
            #expect(stale.contains(" 200 cache answered ") && stale.contains(" cache=stale:revalidating"), "\(stale)")
            let none = try await get("l-6", Path.tests + "?x", [("Cache-Control", "only-if-cached")])
            #expect(none.contains(" 504 proxy refused:not-cached "), "\(none)")
            #expect(!rig.accessLog.text.contains("private "))
        }
    }

    @Test("as JSON the same facts stand in members")
    func jsonLog() async throws {
        try await withNumberedPages(["log.format=json"]) { rig, _ async throws in
            for id in ["j-1", "j-2"] { _ = try await rig.get(Path.reports, [("x-correlation-id", id)]) }
            struct Line: Decodable {
                let id: String
                let source: String
                let cache: String
                let attempts: Int
            }
            let first = try JSONDecoder().decode(Line.self, from: Data(try await rig.accessLog.line(with: "j-1").utf8))
            let second = try JSONDecoder().decode(Line.self, from: Data(try await rig.accessLog.line(with: "j-2").utf8))
            #expect(first.source == "upstream" && first.cache == "stored" && first.attempts == 1)
            #expect(second.source == "cache" && second.cache == "hit" && second.attempts == 0)
        }
    }

    @Test("the metrics count what the log tells")
    func metrics() async throws {
        try await withNumberedPages { rig, _ async throws in
            for _ in 0..<5 { _ = try await rig.get(Path.reports) }
            _ = try await rig.get(Path.tests, [("Cache-Control", "no-store")])
            _ = try await rig.call("POST", Path.deletion, body: job("a"))
            try await eventually("all are logged") { rig.accessLog.lines.count == 7 }
            let metrics = try await rig.metrics()
            #expect(metrics["clash_proxy_cache_requests_total{result=\"hit\"}"] == 4)
            #expect(metrics["clash_proxy_cache_requests_total{result=\"stored\"}"] == 1)
            let refused = "clash_proxy_cache_requests_total{result=\"not-stored\",reason=\"request-no-store\"}"
            #expect(metrics[refused] == 1)
            #expect(metrics["clash_proxy_cache_entries"] == 0 && metrics["clash_proxy_cache_purged_total"] == 1)
        }
    }

    // MARK: Without a cache

    @Test("with cache.enabled=false every call goes upstream and says so")
    func disabled() async throws {
        try await withNumberedPages(["cache.enabled=false"]) { rig, origin async throws in
            for number in 1...3 {
                let answer = try await rig.get(Path.reports)
                answer.expectForwarded("bypass", number: number)
                #expect(answer["ETag"] == nil)
            }
            let line = try await rig.accessLog.line(with: " GET ")
            #expect(!line.contains("cache="))
            #expect(origin.count == 3)
        }
    }

    @Test("with cache.enabled=false validators are upstream's own business")
    func disabledValidators() async throws {
        try await withCache(["cache.enabled=false"]) { _, request in
            request.values("If-None-Match") == ["\"mine\""]
                ? .bytes("HTTP/1.1 304 Not Modified\r\nETag: \"mine\"\r\n\r\n") : .bytes(numbered(1))
        } _: { rig, _ async throws in
            let answer = try await rig.get(Path.reports, [("If-None-Match", "\"mine\"")])
            #expect(answer.status == 304 && answer.cacheStatus == "clash-proxy; fwd=bypass")
        }
    }
}
