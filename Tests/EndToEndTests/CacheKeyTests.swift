// Which requests share a stored answer and which do not: exactly those that upstream would answer alike.

import TestSupport
import Testing

/// One request beside another.
struct RequestPair: Sendable, CustomTestStringConvertible {
    let what: String
    let first: String
    let second: String
    var firstHeaders: [(String, String)] = []
    var secondHeaders: [(String, String)] = []

    /// Two targets.
    init(_ what: String, _ first: String, _ second: String) {
        self.what = what
        self.first = first
        self.second = second
    }

    /// One target with different headers.
    init(_ what: String, _ target: String, _ first: [(String, String)], _ second: [(String, String)]) {
        self.what = what
        self.first = target
        self.second = target
        firstHeaders = first
        secondHeaders = second
    }

    /// The list of reports with different headers.
    init(_ what: String, _ first: [(String, String)], _ second: [(String, String)]) {
        self.init(what, Path.reports, first, second)
    }

    var testDescription: String { what }
}

@Suite(.timeLimit(.minutes(8))) struct CacheKeyTests {

    private static let alike = [
        RequestPair("literals in other cases", "\(Path.reports)?$top=2", "/Clash-Detection/iTwins/i/REPORTS?$top=2"),
        RequestPair(
            "v1 literals in other cases", "/clashdetection/tests?projectId=p", "/ClashDetection/Tests?projectId=p"),
        RequestPair("literals with escapes", Path.reports, "/clash-detection/itwins/i/%72eports"),
        RequestPair("an id with an escaped letter", "\(Path.reports)/abc", "\(Path.reports)/%61bc"),
        RequestPair("$top escaped", "\(Path.reports)?$top=2", "\(Path.reports)?%24top=2"),
        RequestPair("v1 $top escaped", "/clashdetection/runs?$top=2", "/clashdetection/runs?%24top=2"),
        RequestPair(
            "a token escaped", "\(Path.reports)?$continuationToken=Mg==", "\(Path.reports)?$continuationToken=Mg%3D%3d"),
        RequestPair("queries in another order", "\(Path.tests)?a=1&b=2&$top=3", "\(Path.tests)?$top=3&b=2&a=1"),
        RequestPair("other correlation ids", [("x-correlation-id", "one")], [("x-correlation-id", "two")]),
        RequestPair("Authorization", [("Authorization", "Bearer a.b.c")], [("Authorization", "Bearer d.e.f")]),
        RequestPair("Authorization or none", [("Authorization", "Bearer a.b.c")], []),
        RequestPair("User-Agent", [("User-Agent", "curl/8")], [("User-Agent", "python-requests/2.32")]),
        RequestPair("X-Api-Key", [("X-Api-Key", "one")], [("X-Api-Key", "two")]),
        RequestPair("tracing", [("traceparent", "00-1")], [("traceparent", "00-2"), ("Request-Id", "|7")]),
        RequestPair("cookies", [("Cookie", "a=1")], [("Cookie", "b=2")]),
        RequestPair(
            "Prefer with another wait", [("Prefer", "wait=9, respond-async")], [("Prefer", "respond-async, wait=1")]),
        RequestPair(
            "codings of a page with links", [("Accept-Encoding", "gzip")], [("Accept-Encoding", "br, deflate")]),
        RequestPair("preconditions", [("If-None-Match", "\"other\"")], []),
    ]

    @Test("requests that differ only in what upstream does not look at share one answer", arguments: alike)
    func same(pair: RequestPair) async throws {
        try await withNumberedPages { rig, origin async throws in
            let watch = Stopwatch()
            let first = try await rig.get(pair.first, pair.firstHeaders)
            first.expectForwarded("uri-miss; stored", number: 1, pair.what)
            let lifetime = pair.first.contains("/abc") ? 5 : 30
            (try await rig.get(pair.second, pair.secondHeaders)).expectHit(
                lifetime: lifetime, watch, number: 1, pair.what)
            (try await rig.get(pair.first, pair.firstHeaders)).expectHit(
                lifetime: lifetime, watch, number: 1, pair.what)
            #expect(origin.count == 1)
        }
    }

    @Test(
        "Prefer with nothing but wait is no Prefer",
        arguments: ["wait=5", "wait=0", "Wait=5"])
    func preferWait(value: String) async throws {
        try await withNumberedPages { rig, origin async throws in
            let watch = Stopwatch()
            _ = try await rig.get(Path.reports)
            (try await rig.get(Path.reports, [("Prefer", value)])).expectHit(lifetime: 30, watch, number: 1)
            #expect(origin.count == 1)
        }
    }

    private static let apart = [
        RequestPair(
            "iTwin ids in another case", "/clash-detection/itwins/Ab/reports", "/clash-detection/itwins/ab/reports"),
        RequestPair("report ids in another case", "\(Path.reports)/AbC", "\(Path.reports)/abc"),
        RequestPair("v1 ids in another case", "/clashdetection/runs/AbC", "/clashdetection/runs/abc"),
        RequestPair("v1 and v2", "/clashdetection/tests?projectId=i", "/clash-detection/itwins/i/tests?projectId=i"),
        RequestPair("another page size", "\(Path.reports)?$top=2", "\(Path.reports)?$top=3"),
        RequestPair("no page size", "\(Path.reports)?$top=2", Path.reports),
        RequestPair("another value's case", "\(Path.tests)?name=Pipe", "\(Path.tests)?name=pipe"),
        RequestPair("a key in another case", "\(Path.tests)?name=a", "\(Path.tests)?Name=a"),
        RequestPair("a key without a value", "\(Path.tests)?a", "\(Path.tests)?a="),
        RequestPair("values in another order", "\(Path.tests)?a=1&a=2", "\(Path.tests)?a=2&a=1"),
        RequestPair("a twice escaped key", "\(Path.reports)?%24top=2", "\(Path.reports)?%2524top=2"),
        RequestPair("plus and escaped plus", "\(Path.tests)?name=a+b", "\(Path.tests)?name=a%2Bb"),
        RequestPair("a slash at the end", Path.reports, "\(Path.reports)/"),
        RequestPair("v2 projects", "/clash-detection/itwins/i/reports", "/clash-detection/itwins/j/reports"),
        RequestPair("v1 projects", "/clashdetection/runs?projectId=i", "/clashdetection/runs?projectId=j"),
        RequestPair(
            "Accept", [("Accept", "application/json")], [("Accept", "application/vnd.bentley.itwin-platform.v2+json")]),
        RequestPair("Accept or none", [("Accept", "*/*")], []),
        RequestPair("Prefer", [("Prefer", "return=minimal")], [("Prefer", "return=representation")]),
        RequestPair("Prefer beside wait", [("Prefer", "wait=2, return=minimal")], [("Prefer", "wait=2")]),
        RequestPair("repository-id", Path.tests, [("repository-id", "r1")], [("repository-id", "r2")]),
        RequestPair("repository-id or none", Path.tests, [("repository-id", "r1")], []),
        RequestPair(
            "user metadata", Path.tests, [("Include-User-Metadata", "true")], [("include-user-metadata", "false")]),
        RequestPair("v1 user metadata", "/clashdetection/tests", [("Include-User-Metadata", "true")], []),
        RequestPair("configType", Path.tests, [("configType", "1")], [("configType", "2")]),
        RequestPair("codings of a result", "/clashdetection/results/r", [("Accept-Encoding", "gzip")], []),
    ]

    @Test("requests that upstream may answer differently have answers of their own", arguments: apart)
    func different(pair: RequestPair) async throws {
        try await withNumberedPages { rig, origin async throws in
            let first = try await rig.get(pair.first, pair.firstHeaders)
            let second = try await rig.get(pair.second, pair.secondHeaders)
            #expect(first.number == 1 && second.number == 2, "\(pair.what)")
            #expect(second.cacheStatus.hasPrefix("clash-proxy; fwd=uri-miss"), "\(pair.what) \(second.cacheStatus)")
            #expect(origin.count == 2)
        }
    }

    @Test("both of two such answers are kept side by side, and each request gets its own")
    func sideBySide() async throws {
        try await withNumberedPages { rig, origin async throws in
            let variants: [[(String, String)]] = [
                [], [("Accept", "application/vnd.bentley.itwin-platform.v2+json")], [("repository-id", "r1")],
                [("Include-User-Metadata", "true")], [("configType", "2")], [("Prefer", "return=minimal")],
            ]
            for (index, headers) in variants.enumerated() {
                #expect(try await rig.number(Path.tests, headers) == index + 1)
            }
            for (index, headers) in variants.enumerated() {
                #expect(try await rig.number(Path.tests, headers + [("User-Agent", "x")]) == index + 1)
            }
            #expect(origin.count == variants.count)
        }
    }

    @Test("upstream gets the target as the first tool spelled it, without what is about that tool alone")
    func forwarded() async throws {
        try await withNumberedPages { rig, origin async throws in
            let headers = [
                ("If-None-Match", "\"mine\""), ("If-Modified-Since", "Thu, 01 Jan 2026 00:00:00 GMT"),
                ("Range", "bytes=0-3"), ("Cookie", "a=1"), ("Prefer", "wait=3, return=minimal"),
                ("Accept-Encoding", "br"), ("User-Agent", "tool/1"), ("x-correlation-id", "abc"),
            ]
            let target = "/Clash-Detection/itwins/i/reports?%24top=2&b=%7e&a="
            let answer = try await rig.get(target, headers)
            answer.expectForwarded("uri-miss; stored", number: 1)
            let sent = origin.received.all[0]
            #expect(sent.requestLine == "GET \(target) HTTP/1.1")
            for name in ["If-None-Match", "If-Modified-Since", "Range", "Cookie"] {
                #expect(sent.values(name).isEmpty, "\(name)")
            }
            #expect(sent.values("Prefer") == ["return=minimal"])
            #expect(sent.values("Accept-Encoding") == ["identity"])
            #expect(sent.values("User-Agent") == ["clash-proxy"])
            #expect(sent.values("x-correlation-id") == ["abc"])
        }
    }

    // MARK: HEAD

    @Test("HEAD is answered from what GET has stored: the same head, no body, on a connection that goes on")
    func headAfterGet() async throws {
        try await withNumberedPages { rig, origin async throws in
            let watch = Stopwatch()
            let stored = try await rig.get(Path.reports)
            let client = try rig.connect()
            let head = try await client.exchange(rig.request("HEAD", Path.reports))
            head.expectHit(lifetime: 30, watch)
            #expect(head.body.isEmpty && head["Content-Length"] == "\(stored.body.count)")
            #expect(head["ETag"] == stored["ETag"] && head["Content-Type"] == "application/json")
            let next = try await client.exchange(rig.request("GET", Path.reports))
            next.expectHit(lifetime: 30, watch, number: 1)
            #expect(next.body == stored.body)
            client.close()
            #expect(origin.count == 1)
        }
    }

    @Test("HEAD for a page that is not there fetches it by GET, and GET is answered from that")
    func getAfterHead() async throws {
        try await withNumberedPages { rig, origin async throws in
            let watch = Stopwatch()
            let client = try rig.connect()
            let head = try await client.exchange(rig.request("HEAD", Path.reports))
            head.expectForwarded("uri-miss; stored")
            #expect(head.status == 200 && head.body.isEmpty)
            #expect(origin.received.all.map(\.requestLine) == ["GET \(Path.reports) HTTP/1.1"])
            let page = try await client.exchange(rig.request("GET", Path.reports))
            page.expectHit(lifetime: 30, watch, number: 1)
            #expect(head["Content-Length"] == "\(page.body.count)" && head["ETag"] == page["ETag"])
            client.close()
        }
    }

    @Test("a HEAD that upstream answers with an error gets its head, and the connection goes on")
    func headOfAnError() async throws {
        try await withCache { _, _ in
            .bytes(json(#"{"error":{"code":"NotFound"}}"#, status: "404 Not Found"))
        } _: { rig, _ async throws in
            let client = try rig.connect()
            for _ in 0..<2 {
                let head = try await client.exchange(rig.request("HEAD", "\(Path.reports)/x"))
                head.expectForwarded("uri-miss; detail=status")
                #expect(head.status == 404 && head.body.isEmpty)
            }
            client.close()
        }
    }

    // MARK: Methods

    @Test("what is no plain read never comes out of the cache, and says so")
    func methods() async throws {
        try await withNumberedPages { rig, origin async throws in
            _ = try await rig.get(Path.tests)
            let post = try await rig.call("POST", Path.tests, body: "{}")
            post.expectForwarded("method", number: 2)
            #expect(try await rig.number("\(Path.tests)?again") == 3)
            let options = try await rig.call("OPTIONS", Path.tests)
            #expect(
                options.cacheStatus == "clash-proxy; fwd=bypass" || options.cacheStatus == "clash-proxy; fwd=method")
            let body = try await rig.call("GET", Path.tests, body: "{}")
            #expect(body.number == 5 && body.cacheStatus == "clash-proxy; fwd=bypass")
            #expect(origin.count == 5)
        }
    }
}
