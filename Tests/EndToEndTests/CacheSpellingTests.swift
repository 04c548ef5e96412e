// Requests in other words: a write finds the pages that it makes untrue in whatever spelling they were asked for, and
// each coding of an answer goes to those who can read it.

import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct CacheSpellingTests {
    private static let flags = ["cache.ttl_list=1h", "cache.ttl_in_progress=1h", "cache.ttl_terminal=2h"]
    private static let only = [("Cache-Control", "only-if-cached")]

    // MARK: Other spellings

    /// A page and a write that makes it untrue although they are spelled differently.
    private static let spellings: [(page: String, method: String, target: String, body: String?)] = [
        ("/clash-detection/itwins/%69/reports", "POST", Path.deletion, job("a")),
        (Path.reports, "POST", "/clash-detection/itwins/%69/reports/jobs/deletion", job("a")),
        (Path.reports, "POST", "/clash-detection/itwins/i/reports/jobs/%64eletion", job("a")),
        (
            "/clash-detection/itwins/AAAAAAAA-0000-0000-0000-00000000000B/reports", "POST",
            "/clash-detection/itwins/aaaaaaaa-0000-0000-0000-00000000000b/reports/jobs/deletion", job("a")
        ),
        (
            "\(Path.reports)/AAAAAAAA-0000-0000-0000-00000000000B", "POST", Path.deletion,
            job("aaaaaaaa-0000-0000-0000-00000000000b")
        ),
        ("/clashdetection/runs/a", "DELETE", "/clashdetection/runs/%61", nil),
        ("/clashdetection/runs/%61", "DELETE", "/clashdetection/runs/a", nil),
        ("/clashdetection/runs?PROJECTID=i", "POST", Path.deletion, job("a")),
        ("/clashdetection/runs?project%49d=%69", "POST", Path.deletion, job("a")),
        ("/clashdetection/runs", "POST", Path.deletion, job("a")),
        ("\(Path.reports)/a", "POST", Path.deletion, #"{ "operation" : "delete", "jobs" : [ "\u0061" ] }"#),
        (Path.tests, "POST", Path.deletion, "this is no JSON"),
        ("\(Path.iTwin)/manual-suppressions?clashReportId=a", "POST", Path.deletion, job("a")),
        ("\(Path.iTwin)/unknown/of/the/iTwin", "POST", Path.deletion, job("a")),
    ]

    @Test("a write finds the pages that it makes untrue in whatever spelling they were asked for", arguments: 0..<14)
    func spelling(index: Int) async throws {
        let (page, method, target, body) = Self.spellings[index]
        try await withCache(Self.flags) { number, request in
            request.requestLine.hasPrefix("GET ")
                ? .bytes(numbered(number, "Cache-Control: public, max-age=3600\r\n"))
                : .bytes(json("{}", status: "202 Accepted"))
        } _: { rig, _ async throws in
            (try await rig.get(page)).expectForwarded("uri-miss; stored", number: 1)
            #expect(try await rig.get(page, Self.only).number == 1)
            #expect(try await rig.call(method, target, body: body).status == 202)
            #expect(try await rig.get(page, Self.only).status == 504, "\(page) after \(target)")
        }
    }

    @Test("a target in absolute form is the same page")
    func absoluteForm() async throws {
        try await withNumberedPages { rig, _ async throws in
            let watch = Stopwatch()
            _ = try await rig.get(Path.reports)
            let text = "GET http://localhost:81\(Path.reports) HTTP/1.1\r\nHost: localhost:81\r\n\r\n"
            let hit = try await rig.raw(text)
            hit.expectHit(lifetime: 30, watch, number: 1)
            #expect(hit.link("self") == "http://localhost:81\(Path.reports)")
        }
    }

    // MARK: Codings

    @Test(
        "an answer of an unknown operation in one coding is not given to a tool that did not ask for it")
    func unknownCoding() async throws {
        let target = "\(Path.iTwin)/news"
        try await withCache { number, request in
            let isCoded = request.values("Accept-Encoding").contains { $0.contains("gzip") }
            let lines = "Cache-Control: public, max-age=600\r\nVary: Accept-Encoding\r\n"
            return .bytes(numbered(number, lines + (isCoded ? "Content-Encoding: gzip\r\n" : "")))
        } _: { rig, _ async throws in
            let coded = try await rig.get(target, [("Accept-Encoding", "gzip")])
            #expect(coded["Content-Encoding"] == "gzip")
            let plain = try await rig.get(target)
            #expect(plain["Content-Encoding"] == nil && plain.number == 2, "\(plain.cacheStatus)")
            let again = try await rig.get(target, [("Accept-Encoding", "gzip")])
            #expect(again["Content-Encoding"] == "gzip" && again.number == 1, "\(again.cacheStatus)")
        }
    }

    @Test("a result is kept as it was coded, and read along: what it shows decides how long")
    func codedResult() async throws {
        try await withCachedWorld { options in
            options.simulator.gzip = true
        } _: { rig async throws in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[1]
            let target = "\(rig.v2)/reports/\(report)"
            let gzip = [("Accept-Encoding", "gzip")]
            let watch = Stopwatch()
            let first = try await rig.get(target, gzip)
            #expect(first["Content-Encoding"] == "gzip" && first.cacheStatus == "clash-proxy; fwd=uri-miss; stored")
            let hit = try await rig.get(target, gzip)
            hit.expectHit(lifetime: 600, watch)
            #expect(hit.body == first.body && hit["Content-Encoding"] == "gzip")
            let plain = try await rig.get(target)
            #expect(plain["Content-Encoding"] == nil && plain.text.contains(report) && plain["ETag"] != first["ETag"])
            #expect(try await rig.call("POST", "\(rig.v2)/reports/jobs/deletion", body: job(report)).status == 202)
            for headers in [gzip, []] { #expect(try await rig.get(target, headers).status == 404) }
        }
    }

    // MARK: What is not shared keeps its meaning

    @Test("validators and ranges of a tool reach upstream where the proxy keeps nothing of the operation")
    func uncachedValidators() async throws {
        try await withCache { number, request in
            if request.values("If-None-Match") == ["\"v1\""] {
                return .bytes("HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\n\r\n")
            }
            if request.values("Range") == ["bytes=0-1"] {
                return .bytes(
                    "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-1/9\r\nContent-Length: 2\r\n\r\nok")
            }
            return .bytes(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nETag: \"v1\"\r\nContent-Length: 2\r\n\r\nok")
        } _: { rig, _ async throws in
            let target = "\(Path.iTwin)/files/7"
            let first = try await rig.get(target)
            #expect(first["ETag"] == "\"v1\"")
            #expect(try await rig.get(target, [("If-None-Match", "\"v1\"")]).status == 304)
            #expect(try await rig.get(target, [("Range", "bytes=0-1")]).status == 206)
        }
    }

    @Test(
        "a read that is only to be done under a condition on upstream's state is upstream's to answer",
        arguments: [
            ("If-Match", "\"v7\""), ("If-Unmodified-Since", "Thu, 01 Jan 2026 00:00:00 GMT"),
        ])
    func conditionOnState(header: (String, String)) async throws {
        try await withCache { number, request in
            request.values(header.0).isEmpty
                ? .bytes(numbered(number)) : .bytes(json("{}", status: "412 Precondition Failed"))
        } _: { rig, origin async throws in
            let answer = try await rig.get(Path.reports, [header])
            #expect(answer.status == 412 && origin.received.all[0].values(header.0) == [header.1])
            (try await rig.get(Path.reports)).expectForwarded("uri-miss; stored", number: 2)
        }
    }
}
