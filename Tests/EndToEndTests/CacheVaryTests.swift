// Answers that depend on more than their key, as upstream's Vary says, and operations that only upstream knows.

import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct CacheVaryTests {
    /// What a tool may send and a shared fetch does not.
    private static let ofOneTool = [
        ("Accept-Language", "de"), ("In-Place", "True"), ("api-version", "2"), ("Cookie", "a=1"), ("X-Anything", "x"),
        ("Referer", "http://r"), ("tracestate", "a=b"), ("Cache-Control", "max-age=0"), ("repository_id", "r"),
    ]
    /// What never goes upstream at all.
    private static let ofTheWay = [
        ("Forwarded", "host=evil"), ("X-Forwarded-Host", "evil"), ("X-Forwarded-For", "1.2.3.4"),
        ("X-Real-IP", "1.2.3.4"),
        ("X-Forwarded-Anything", "x"), ("x_forwarded_host", "evil"), ("X-Original-Host", "evil"),
    ]

    @Test("a shared fetch carries the fields of the key, what names and traces the call, and nothing else of its tool")
    func sharedFetch() async throws {
        let carried = [
            ("Accept", "application/json"), ("Prefer", "return=minimal"), ("repository-id", "r"), ("configType", "2"),
            ("Include-User-Metadata", "true"), ("Via", "1.1 other"), ("x-correlation-id", "mine"),
            ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ]
        try await withNumberedPages { rig, origin async throws in
            let tool = [("User-Agent", "tool/1"), ("Accept-Encoding", "br")]
            _ = try await rig.get(Path.reports, carried + tool + Self.ofOneTool + Self.ofTheWay)
            let sent = origin.received.all[0]
            for (name, value) in carried where name != "Via" { #expect(sent.values(name) == [value], "\(name)") }
            #expect(sent.values("Via").joined(separator: ", ").hasPrefix("1.1 other, 1.1 "))
            #expect(sent.values("User-Agent") == ["clash-proxy"] && sent.values("Accept-Encoding") == ["identity"])
            for (name, _) in Self.ofOneTool + Self.ofTheWay { #expect(sent.values(name).isEmpty, "\(name)") }
        }
    }

    @Test("what says by which way a request came never goes upstream, on a write neither")
    func wayOfWrites() async throws {
        try await withNumberedPages { rig, origin async throws in
            _ = try await rig.call("PUT", "\(Path.tests)/t", Self.ofTheWay + [("Accept-Language", "de")], body: "{}")
            for (name, _) in Self.ofTheWay { #expect(origin.received.all[0].values(name).isEmpty, "\(name)") }
            #expect(origin.received.all[0].values("Accept-Language") == ["de"], "a write is one tool's")
        }
    }

    @Test(
        "an answer that depends on what was not sent is not kept",
        arguments: ["X-Flavour", "Accept-Language, Accept", "Origin", "X-Forwarded-Host"])
    func varyNotSent(names: String) async throws {
        try await withNumberedPages(headers: "Vary: \(names)\r\n") { rig, origin async throws in
            let flavour = [("X-Flavour", "sweet"), ("Accept-Language", "de")]
            (try await rig.get(Path.reports, flavour)).expectForwarded("uri-miss; detail=vary-not-sent", number: 1)
            #expect(try await rig.number(Path.reports) == 2)
            #expect(origin.received.all[0].values("X-Flavour").isEmpty)
        }
    }

    @Test("a request whose Connection takes a field of the key away is not answered for those who have it")
    func nominated() async throws {
        try await withNumberedPages { rig, origin async throws in
            let field = ("repository-id", "r")
            _ = try await rig.get(Path.reports, [field, ("Connection", "repository-id")])
            #expect(origin.received.all[0].values("repository-id").isEmpty)
            #expect(try await rig.number(Path.reports, [field]) == 2)
        }
    }

    @Test("a read of an unknown operation that brings other fields goes by itself, with all of them, and is not kept")
    func unknownWithFields() async throws {
        try await withNumberedPages(headers: "Cache-Control: public, max-age=60\r\n") { rig, origin async throws in
            let target = "\(Path.iTwin)/news"
            let own = try await rig.get(target, [("Accept-Language", "de"), ("User-Agent", "tool/1")])
            own.expectForwarded("bypass", number: 1)
            #expect(origin.received.all[0].values("Accept-Language") == ["de"])
            #expect(origin.received.all[0].values("User-Agent") == ["tool/1"])
            (try await rig.get(target, [("User-Agent", "tool/1")])).expectForwarded("uri-miss; stored", number: 2)
            #expect(origin.received.all[1].values("User-Agent") == ["clash-proxy"])
        }
    }

    @Test(
        "a Vary that names what is in every key, or what upstream never sees of the tool, splits nothing",
        arguments: ["Accept-Encoding", "Authorization", "Accept, accept-encoding"])
    func varyByKey(names: String) async throws {
        try await withNumberedPages(headers: "Vary: \(names)\r\n") { rig, origin async throws in
            #expect(try await rig.number(Path.reports, [("Accept-Encoding", "gzip")]) == 1)
            let other = [("Accept-Encoding", "br"), ("Authorization", "Bearer x")]
            let hit = try await rig.get(Path.reports, other)
            #expect(hit.number == 1 && hit["Vary"] == names)
            #expect(origin.count == 1)
        }
    }

    // MARK: Unknown operations

    @Test(
        "an operation that the table does not know is kept by upstream's word and permission only",
        arguments: [
            UpstreamsWord("X-Nothing: said", reason: "authorization"),
            UpstreamsWord("Cache-Control: max-age=100", reason: "authorization"),
            UpstreamsWord("Cache-Control: public", reason: "no-freshness"),
            UpstreamsWord("Cache-Control: public, max-age=100", lifetime: 100),
            UpstreamsWord("Cache-Control: s-maxage=100", lifetime: 100),
            UpstreamsWord("Cache-Control: must-revalidate, max-age=100", lifetime: 100),
            UpstreamsWord("Cache-Control: public, max-age=100, private", reason: "private"),
        ])
    func unknown(word: UpstreamsWord) async throws {
        for target in ["/clash-detection/itwins/i/news", "/clashdetection/news?projectId=p", "/clashdetection"] {
            try await withNumberedPages(headers: word.lines) { rig, _ async throws in
                let watch = Stopwatch()
                let first = try await rig.get(target)
                let second = try await rig.get(target)
                if let lifetime = word.lifetime {
                    first.expectForwarded("uri-miss; stored", number: 1, target)
                    second.expectHit(lifetime: lifetime, watch, number: 1, target)
                } else {
                    first.expectForwarded("uri-miss; detail=\(word.reason)", number: 1, target)
                    #expect(second.number == 2)
                }
            }
        }
    }
}
