// Upstream's validators: what a 304 says of a stored page, and what upstream says to caches.

import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct CacheRevalidationTests {
    @Test(
        "an expired page is asked about with upstream's validators, and 304 makes it fresh again",
        arguments: [
            ("ETag: \"v1\"\r\n", "If-None-Match", "\"v1\""), ("ETag: W/\"v1\"\r\n", "If-None-Match", "W/\"v1\""),
            (
                "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n", "If-Modified-Since",
                "Thu, 01 Jan 2026 00:00:00 GMT"
            ),
        ])
    func revalidation(validator: String, name: String, value: String) async throws {
        try await withCache(["cache.stale_while_revalidate=0s"]) { number, request in
            request.values(name).isEmpty
                ? .bytes(numbered(number, validator)) : .bytes("HTTP/1.1 304 Not Modified\r\n\(validator)\r\n")
        } _: { rig, origin async throws in
            let first = try await rig.get(Path.reports)
            rig.clock.advance(by: .seconds(40))
            let again = try await rig.get(Path.reports)
            again.expectForwarded("stale; fwd-status=304; stored", number: 1)
            #expect(again.status == 200 && again.body == first.body && again["ETag"] == first["ETag"])
            #expect(origin.received.all[1].values(name) == [value])
            let watch = Stopwatch()
            (try await rig.get(Path.reports)).expectHit(lifetime: 30, watch, number: 1)
            #expect(origin.count == 2)
            let own = try await rig.get(Path.reports, [("If-None-Match", first["ETag"] ?? "")])
            #expect(own.status == 304)
        }
    }

    @Test("the simulator's weak tags keep a page alive without its body being sent again")
    func simulatorTags() async throws {
        try await withCachedWorld(["cache.stale_while_revalidate=0s"]) { options in
            options.simulator.weakETags = true
        } _: { rig async throws in
            let first = try await rig.get(rig.list)
            rig.clock.advance(by: .seconds(31))
            let again = try await rig.get(rig.list)
            again.expectForwarded("stale; fwd-status=304; stored")
            #expect(again.body == first.body)
        }
    }

    @Test("a page that has changed comes as a new answer in its place")
    func changed() async throws {
        try await withCache(["cache.stale_while_revalidate=0s"]) { number, _ in
            .bytes(numbered(number, "ETag: \"v\(number)\"\r\n"))
        } _: { rig, origin async throws in
            let first = try await rig.get(Path.reports)
            rig.clock.advance(by: .seconds(31))
            let second = try await rig.get(Path.reports)
            second.expectForwarded("stale; stored", number: 2)
            #expect(second["ETag"] != first["ETag"])
            #expect(origin.received.all[1].values("If-None-Match") == ["\"v1\""])
            let watch = Stopwatch()
            (try await rig.get(Path.reports)).expectHit(lifetime: 30, watch, number: 2)
        }
    }

    @Test("what a 304 says about freshness replaces what was said before")
    func newWord() async throws { try await renewal(isDated: true) }

    @Test(
        "a 304 without a date is as young as its coming")
    func undatedWord() async throws { try await renewal(isDated: false) }

    private func renewal(isDated: Bool) async throws {
        try await withCache { _, _ in
            .reset
        } _: { rig, origin async throws in
            func line(_ offset: Int) -> String { isDated ? "Date: \(httpDate(rig, offset))\r\n" : "" }
            let (then, now) = (line(0), line(100))
            origin.become { _, request in
                request.values("If-None-Match").isEmpty
                    ? .bytes(numbered(1, "ETag: \"v\"\r\nCache-Control: max-age=10\r\nX-Note: old\r\n\(then)"))
                    : .bytes(
                        "HTTP/1.1 304 Not Modified\r\nETag: \"v\"\r\nCache-Control: max-age=500\r\nX-Note: new\r\n\(now)\r\n"
                    )
            }
            #expect(try await rig.get(Path.reports)["X-Note"] == "old")
            rig.clock.advance(by: .seconds(100))
            let again = try await rig.get(Path.reports)
            #expect(again.cacheStatus == "clash-proxy; fwd=stale; fwd-status=304; stored" && again.number == 1)
            #expect(again["X-Note"] == "new" && again["Cache-Control"] == "max-age=500")
            let watch = Stopwatch()
            let hit = try await rig.get(Path.reports)
            hit.expectHit(lifetime: 500, watch, number: 1)
            #expect(hit["X-Note"] == "new" && hit.values("Cache-Control") == ["max-age=500"])
        }
    }

    @Test(
        "a 304 that forbids keeping still answers its request from the stored body, which goes then",
        arguments: [
            ("Cache-Control: no-store", "no-store"), ("Cache-Control: private", "private"), ("Vary: *", "vary-any"),
        ])
    func forbidding304(line: String, reason: String) async throws {
        try await withCache(["cache.stale_while_revalidate=0s"]) { number, request in
            request.values("If-None-Match").isEmpty
                ? .bytes(numbered(number, "ETag: \"v1\"\r\n"))
                : .bytes("HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\n\(line)\r\n\r\n")
        } _: { rig, origin async throws in
            let first = try await rig.get(Path.reports)
            rig.clock.advance(by: .seconds(31))
            let again = try await rig.get(Path.reports)
            again.expectForwarded("stale; fwd-status=304; detail=\(reason)", number: 1)
            #expect(again.status == 200 && again.body == first.body && origin.count == 2)
            let third = try await rig.get(Path.reports)
            #expect(third.number == 3 && origin.received.all[2].values("If-None-Match").isEmpty)
        }
    }

    @Test("a 304 updates the stored fields")
    func updated304() async throws {
        let fields = ["Content-Language", "Content-Location", "Content-Unheard-Of", "X-Note"]
        func lines(_ value: String) -> String { fields.map { "\($0): \(value)\r\n" }.joined() + "ETag: \"v1\"\r\n" }
        let (old, new) = (lines("old"), lines("new"))
        try await withCache(["cache.stale_while_revalidate=0s"]) { number, request in
            request.values("If-None-Match").isEmpty
                ? .bytes(numbered(number, old)) : .bytes("HTTP/1.1 304 Not Modified\r\n\(new)\r\n")
        } _: { rig, _ async throws in
            _ = try await rig.get(Path.reports)
            rig.clock.advance(by: .seconds(31))
            for _ in 0..<2 {
                let page = try await rig.get(Path.reports)
                for name in fields { #expect(page.values(name) == ["new"], "\(name)") }
                #expect(page["Content-Type"] == "application/json" && page.number == 1)
            }
        }
    }

    @Test("the proxy's own tag in If-Match is refused, and no tag of ours goes upstream", arguments: ["PUT", "PATCH"])
    func ifMatch(method: String) async throws {
        try await withNumberedPages { rig, origin async throws in
            let target = "\(Path.tests)/t"
            let tag = try await rig.get(target)["ETag"] ?? ""
            for list in [
                tag, "W/\(tag)", "\(tag), \(tag)", "w/\(tag)", "x \(tag)", "\"theirs\" \(tag)", "\(tag.dropLast())",
            ] {
                let refused = try await rig.call(method, target, [("If-Match", list)], body: "{}")
                refused.expectError(412, "PreconditionFailed", reason: "precondition-failed", target: "If-Match")
            }
            #expect(origin.count == 1)
            _ = try await rig.call(method, target, [("If-Match", "\(tag), \"theirs\"")], body: "{}")
            _ = try await rig.call(method, target, [("If-None-Match", tag)], body: "{}")
            #expect(origin.received.all[1].values("If-Match") == ["\"theirs\""])
            #expect(origin.received.all[2].values("If-None-Match").isEmpty)
        }
    }

    @Test("where upstream says nothing to caches, those behind us are told to ask")
    func cachesBehind() async throws {
        try await withCache { number, request in
            let line = request.requestLine
            if line.contains("/gone") { return .bytes(json("{}", status: "404 Not Found")) }
            if line.contains("?said") { return .bytes(numbered(number, "Cache-Control: max-age=9\r\n")) }
            return .bytes(numbered(number))
        } _: { rig, _ async throws in
            let own = ["private, no-cache"]
            let first = try await rig.get(Path.reports)
            #expect(first.values("Cache-Control") == own)
            let tag = ("If-None-Match", first["ETag"] ?? "")
            #expect(try await rig.get(Path.reports).values("Cache-Control") == own)
            let known = try await rig.get(Path.reports, [tag])
            #expect(known.status == 304 && known.values("Cache-Control") == own)
            #expect(try await rig.get("\(Path.reports)/gone").values("Cache-Control") == own)
            #expect(try await rig.call("PUT", "\(Path.tests)/t", body: "{}").values("Cache-Control") == own)
            for _ in 0..<2 {
                #expect(try await rig.get("\(Path.reports)?said").values("Cache-Control") == ["max-age=9"])
            }
            #expect(try await rig.get("\(Path.iTwin)/news").values("Cache-Control").isEmpty, "nobody knows it")
            #expect(try await rig.get("/elsewhere").values("Cache-Control").isEmpty, "an error of our own")
            #expect(try await rig.get("/elsewhere").cacheStatus.isEmpty, "which no cache has to do with")
        }
    }

    @Test("a 304 that speaks of another answer is not believed: the page itself is asked for")
    func foreign304() async throws {
        let lines = "ETag: \"foreign\"\r\n"
        try await withCache(["cache.stale_while_revalidate=0s"]) { number, request in
            request.values("If-None-Match").isEmpty
                ? .bytes(numbered(number, "ETag: \"v1\"\r\n")) : .bytes("HTTP/1.1 304 Not Modified\r\n\(lines)\r\n")
        } _: { rig, origin async throws in
            #expect(try await rig.number(Path.reports) == 1)
            rig.clock.advance(by: .seconds(31))
            let again = try await rig.get(Path.reports)
            #expect(again.status == 200 && again.number == 3, "\(again.statusLine)")
            #expect(origin.received.all.map { $0.values("If-None-Match").count } == [0, 1, 0])
        }
    }

    @Test(
        "a 304 that nobody asked for is no answer to a tool")
    func unasked304() async throws {
        try await withCache { number, _ in
            number <= 2 ? .bytes("HTTP/1.1 304 Not Modified\r\nETag: \"v\"\r\n\r\n") : .bytes(numbered(number))
        } _: { rig, _ async throws in
            let answer = try await rig.get(Path.reports)
            #expect(answer.status != 304, "the tool had asked without any condition")
        }
    }

    @Test("what must always be asked about is kept and asked about each time", arguments: ["no-cache", "max-age=0"])
    func alwaysAsked(word: String) async throws {
        let lines = "ETag: \"v1\"\r\nCache-Control: \(word)\r\n"
        try await withCache(["cache.stale_while_revalidate=0s"]) { number, request in
            request.values("If-None-Match").isEmpty
                ? .bytes(numbered(number, lines)) : .bytes("HTTP/1.1 304 Not Modified\r\n\(lines)\r\n")
        } _: { rig, origin async throws in
            (try await rig.get(Path.reports)).expectForwarded("uri-miss; stored", number: 1)
            for count in 2...4 {

                let answer = try await rig.get(Path.reports)
                #expect(answer.cacheStatus == "clash-proxy; fwd=stale; fwd-status=304; stored" && answer.number == 1)
                #expect(origin.count == count)
            }
        }
    }

    @Test(
        "a page that upstream wants asked about each time is not given stale either, not even for a moment")
    func zeroIsNotStale() async throws {
        let lines = "ETag: \"v1\"\r\nCache-Control: max-age=0\r\n"
        try await withCache { number, request in
            request.values("If-None-Match").isEmpty
                ? .bytes(numbered(number, lines)) : .bytes("HTTP/1.1 304 Not Modified\r\n\(lines)\r\n")
        } _: { rig, _ async throws in
            _ = try await rig.get(Path.reports)
            (try await rig.get(Path.reports)).expectForwarded("stale; fwd-status=304; stored", number: 1)
        }
    }
}
