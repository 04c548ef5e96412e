// How much is kept: no entry above its limit, no more bytes than granted, and nothing of a body whose end is not proven.

import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct CacheSizeTests {
    /// A page of about so many bytes.
    private static func page(_ number: Int, bytes: Int) -> String {
        numberedBody(number, rows: report(String(repeating: "x", count: bytes)))
    }

    private static func chunked(_ body: String, size: Int = 10_000, isWhole: Bool = true) -> String {
        var text = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        var rest = Substring(body)
        while !rest.isEmpty {
            let piece = rest.prefix(size)
            text += String(piece.utf8.count, radix: 16) + "\r\n" + piece + "\r\n"
            rest = rest.dropFirst(piece.count)
        }
        return isWhole ? text + "0\r\n\r\n" : text
    }

    @Test(
        "an answer larger than max_entry_bytes reaches every tool whole and is not kept",
        arguments: [(3_000, false), (20_000, false), (900_000, false), (3_000, true), (20_000, true)])
    func entryLimit(bytes: Int, chunked: Bool) async throws {
        try await withCache(["cache.max_entry_bytes=4KiB"]) { number, _ in
            let body = Self.page(number, bytes: bytes)
            return .bytes(chunked ? Self.chunked(body) : json(body))
        } _: { rig, origin async throws in
            let isKept = bytes < 4_096
            let first = try await rig.get(Path.reports)
            #expect(first.ending == .complete && first.status == 200)
            #expect(
                first.text
                    == Self.page(1, bytes: bytes).replacing("https://api.bentley.com", with: "http://\(rig.host)"))
            #expect(first.cacheStatus == "clash-proxy; fwd=uri-miss; " + (isKept ? "stored" : "detail=too-large"))
            let second = try await rig.get(Path.reports)
            #expect(second.number == (isKept ? 1 : 2) && origin.count == (isKept ? 1 : 2))
            #expect(second.text.count == first.text.count)
        }
    }

    @Test(
        "of a large answer in chunks, too, the first tool is told why it is not kept")
    func reasonOfLargeChunks() async throws {
        try await withCache(["cache.max_entry_bytes=4KiB"]) { number, _ in
            .bytes(Self.chunked(Self.page(number, bytes: 900_000)))
        } _: { rig, _ async throws in
            let answer = try await rig.get(Path.reports)
            #expect(answer.ending == .complete && answer.body.count > 900_000)
            #expect(answer.cacheStatus == "clash-proxy; fwd=uri-miss; detail=too-large")
        }
    }

    @Test("several tools at once that want what is too large all get it whole", arguments: [false, true])
    func tooLargeAtOnce(chunked: Bool) async throws {
        try await withCache(["cache.max_entry_bytes=4KiB"]) { number, _ in
            let body = Self.page(number, bytes: 600_000)
            return .bytes(chunked ? Self.chunked(body) : json(body))
        } _: { rig, origin async throws in
            let numbers = try await rig.gather(8, Path.reports).map { answer in
                #expect(answer.status == 200 && answer.ending == .complete && answer.body.count > 600_000)
                return answer.number
            }
            #expect(numbers.sorted() == Array(1...8) && origin.count == 8)
        }
    }

    @Test("a large page that may be kept is kept, and comes out of the cache byte for byte", arguments: [false, true])
    func large(chunked: Bool) async throws {
        try await withCache { number, _ in
            let body = Self.page(number, bytes: 3_000_000)
            return .bytes(chunked ? Self.chunked(body, size: 100_000) : json(body))
        } _: { rig, origin async throws in
            let first = try await rig.get(Path.reports)
            var hit = try await rig.get(Path.reports)
            // One that reads along may be done before the page is kept.
            while hit.cacheStatus.contains("collapsed") { hit = try await rig.get(Path.reports) }
            #expect(hit.cacheStatus.hasPrefix("clash-proxy; hit; "), "\(hit.cacheStatus)")
            #expect(hit.body == first.body && hit["Content-Length"] == "\(first.body.count)" && origin.count == 1)
            let head = try await rig.call("HEAD", Path.reports)
            #expect(head["Content-Length"] == "\(first.body.count)" && head.body.isEmpty)
        }
    }

    @Test("the cache holds no more than max_bytes, and what was asked for last is still there")
    func maxBytes() async throws {
        let flags = ["cache.max_bytes=2MiB", "cache.max_entry_bytes=128KiB", "cache.ttl_list=1h"]
        try await withCache(flags) { number, _ in
            .bytes(json(Self.page(number, bytes: 10_000)))
        } _: { rig, _ async throws in
            let client = try rig.connect()
            for index in 0..<250 { _ = try await client.exchange(rig.request("GET", "\(Path.tests)/\(index)")) }
            let metrics = try await rig.metrics()
            let held = metrics["clash_proxy_cache_bytes"] ?? 0
            #expect(held > 1 << 20 && held <= 2 << 20, "\(held)")
            #expect((metrics["clash_proxy_cache_evictions_total"] ?? 0) > 50)
            var hits: [Int] = []
            for index in 0..<250 {
                let only = [("Cache-Control", "only-if-cached")]
                let answer = try await client.exchange(rig.request("GET", "\(Path.tests)/\(index)", only))
                if answer.status == 200 { hits.append(index) }
            }
            client.close()
            #expect(hits.count > 50 && hits.count < 200 && hits.contains(249), "\(hits)")
        }
    }

    @Test("a walk through many pages does not push out what a dashboard asks for again and again")
    func scan() async throws {
        let flags = ["cache.max_bytes=512KiB", "cache.max_entry_bytes=32KiB", "cache.ttl_list=1h"]
        try await withCache(flags) { number, _ in
            .bytes(json(Self.page(number, bytes: 4_000)))
        } _: { rig, origin async throws in
            let client = try rig.connect()
            let watch = Stopwatch()
            for _ in 0..<6 { _ = try await client.exchange(rig.request("GET", Path.reports)) }
            for index in 0..<400 {
                _ = try await client.exchange(rig.request("GET", "\(Path.tests)?$continuationToken=\(index)"))
            }
            let hot = try await client.exchange(rig.request("GET", Path.reports))
            hot.expectHit(lifetime: 3_600, watch, number: 1)
            client.close()
            #expect(origin.count == 401)
        }
    }

    // MARK: Ends that are not proven

    @Test(
        "a body that breaks off is a 502 and nothing of it is kept",
        arguments: ["length", "chunked", "close"])
    func truncated(framing: String) async throws {
        try await withCache { number, _ in
            guard number == 1 else { return .bytes(numbered(number)) }
            let body = Self.page(1, bytes: 3_000).dropLast(20)
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            switch framing {
            case "length": return .last(head + "Content-Length: 9999\r\n\r\n" + body)
            case "chunked": return .last(Self.chunked(String(body), isWhole: false))
            default: return .last(head + "Connection: close\r\n\r\n" + body)
            }
        } _: { rig, origin async throws in
            let cut = try await rig.get(Path.reports)
            cut.expectError(502, "UpstreamInvalidResponse", reason: "upstream-invalid-response")
            (try await rig.get(Path.reports)).expectForwarded("uri-miss; stored", number: 2)
            #expect(origin.count == 2)
        }
    }

    @Test("a body that ends with the connection is passed on, and not kept, for nobody knows whether it is whole")
    func endedByClose() async throws {
        try await withCache { number, _ in
            .last("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + numberedBody(number))
        } _: { rig, _ async throws in
            for number in 1...2 {
                let answer = try await rig.get(Path.reports)
                answer.expectForwarded("uri-miss; detail=incomplete", number: number)
                #expect(answer.status == 200 && answer.ending == .complete)
            }
        }
    }

    @Test("a known page that is no JSON document is passed on and not kept")
    func notJSON() async throws {
        for text in ["", "<html>maintenance</html>", "{} {}"] {
            try await withCache { _, _ in
                .bytes(json(text))
            } _: { rig, _ async throws in
                for _ in 0..<2 {
                    let answer = try await rig.get(Path.reports)
                    answer.expectForwarded("uri-miss; detail=incomplete", text)
                    #expect(answer.text == text)
                }
            }
        }
        try await withCache { _, _ in
            .bytes(ok)
        } _: { rig, _ async throws in
            for _ in 0..<2 { (try await rig.get(Path.reports)).expectForwarded("uri-miss; detail=incomplete") }
        }
    }

    @Test("an expired page is not replaced by one that broke off")
    func truncatedRefresh() async throws {
        try await withCache(["cache.stale_while_revalidate=0s"]) { number, _ in
            number == 1
                ? .bytes(numbered(1))
                : .last(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{\"reports\":[")
        } _: { rig, _ async throws in
            let watch = Stopwatch()
            #expect(try await rig.number(Path.reports) == 1)
            rig.clock.advance(by: .seconds(60))
            for _ in 0..<2 {
                (try await rig.get(Path.reports)).expectStale("upstream-error", lifetime: 30, age: 60, watch, number: 1)
            }
        }
    }
}

extension Rig {
    /// The counters and gauges without labels, by name; those with labels by name and labels.
    func metrics() async throws -> [String: Int] {
        let client = try RawClient(port: adminPort)
        defer { client.close() }
        let answer = try await client.exchange("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        var values: [String: Int] = [:]
        for line in answer.text.split(separator: "\n") where !line.hasPrefix("#") {
            guard let space = line.lastIndex(of: " ") else { continue }
            values[String(line[..<space])] = Int(line[space...].dropFirst())
        }
        return values
    }
}
