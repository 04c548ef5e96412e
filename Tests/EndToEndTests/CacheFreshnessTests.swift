// How long an answer is fresh: by upstream's word where there is one, else by operation and by what the body shows.

import Proxy
import Simulator
import TestSupport
import Testing

/// Header lines of upstream's and what becomes of them.
struct UpstreamsWord: Sendable, CustomTestStringConvertible {
    let headers: [String]
    /// Seconds; nil when it must not be stored.
    let lifetime: Int?
    var age = 0
    var reason = ""

    init(_ headers: String..., lifetime: Int, age: Int = 0) {
        self.headers = headers
        self.lifetime = lifetime
        self.age = age
    }

    init(_ headers: String..., reason: String) {
        self.headers = headers
        lifetime = nil
        self.reason = reason
    }

    var lines: String { headers.map { $0 + "\r\n" }.joined() }
    var testDescription: String { headers.joined(separator: " | ") }
}

/// One read and how long its answer is fresh by default.
struct BodyLifetime: Sendable, CustomTestStringConvertible {
    let target: String
    let body: String
    let seconds: Int
    init(_ target: String, _ body: String, _ seconds: Int) {
        self.target = target
        self.body = body
        self.seconds = seconds
    }
    var testDescription: String { "\(target) \(body)" }
}

@Suite(.timeLimit(.minutes(8))) struct CacheFreshnessTests {
    // MARK: Upstream's word

    private static let table = [
        UpstreamsWord("Cache-Control: max-age=100", lifetime: 100),
        UpstreamsWord("Cache-Control: public, MAX-AGE=100", lifetime: 100),
        UpstreamsWord("Cache-Control: max-age=100, s-maxage=50", lifetime: 50),
        UpstreamsWord("Cache-Control: max-age=50", "Cache-Control: s-maxage=100", lifetime: 100),
        UpstreamsWord("Cache-Control: max-age=\"100\"", lifetime: 100),
        UpstreamsWord("Cache-Control: must-revalidate, max-age=100", lifetime: 100),
        UpstreamsWord("Cache-Control: max-age=100", "Expires: 0", lifetime: 100),
        UpstreamsWord("Cache-Control: max-age=100", "Age: 40", lifetime: 100, age: 40),
        UpstreamsWord("Cache-Control: public", lifetime: 30),
        UpstreamsWord("Cache-Control: made-up=7", lifetime: 30),
        UpstreamsWord("Pragma: no-cache", lifetime: 30),
        UpstreamsWord("X-Cache-Control: no-store", lifetime: 30),
        UpstreamsWord("Cache-Control: no-store", reason: "no-store"),
        UpstreamsWord("Cache-Control: max-age=100, no-store", reason: "no-store"),
        UpstreamsWord("Cache-Control: max-age=100", "Cache-Control: No-Store", reason: "no-store"),
        UpstreamsWord("Cache-Control: private", reason: "private"),
        UpstreamsWord("Cache-Control: private, max-age=100", reason: "private"),
        UpstreamsWord("Cache-Control: private=\"x-user\", max-age=100", reason: "private"),
        UpstreamsWord("Cache-Control: no-cache", reason: "no-freshness"),
        UpstreamsWord("Cache-Control: max-age=0", reason: "no-freshness"),
        UpstreamsWord("Cache-Control: s-maxage=0, max-age=100", reason: "no-freshness"),
        UpstreamsWord("Cache-Control: max-age=soon", reason: "no-freshness"),
        UpstreamsWord("Cache-Control: max-age=100, max-age=0", reason: "no-freshness"),
        UpstreamsWord("Expires: 0", reason: "no-freshness"),
        UpstreamsWord("Expires: Thu, 01 Jan 1970 00:00:00 GMT", reason: "no-freshness"),
        UpstreamsWord("Set-Cookie: session=secret", reason: "set-cookie"),
        UpstreamsWord("Cache-Control: public, max-age=100", "Set-Cookie: a=b", reason: "set-cookie"),
        UpstreamsWord("Vary: *", reason: "vary-any"),
        UpstreamsWord("Cache-Control: max-age=100", "Vary: Accept, *", reason: "vary-any"),
    ]

    @Test("upstream's word about storing is obeyed as a shared cache must", arguments: table)
    func words(word: UpstreamsWord) async throws {
        try await withNumberedPages(headers: word.lines) { rig, origin async throws in
            let watch = Stopwatch()
            let first = try await rig.get(Path.reports)
            let second = try await rig.get(Path.reports)
            #expect(first.number == 1)
            if let lifetime = word.lifetime {
                #expect(first.cacheStatus == "clash-proxy; fwd=uri-miss; stored")
                second.expectHit(lifetime: lifetime, age: word.age, watch, number: 1)
                #expect(origin.count == 1)
            } else {
                #expect(first.cacheStatus == "clash-proxy; fwd=uri-miss; detail=\(word.reason)")
                #expect(second.number == 2 && origin.count == 2)
            }
        }
    }

    @Test("Expires counts from upstream's own Date")
    func expires() async throws {
        try await withCache([]) { number, _ in
            .bytes(numbered(number))
        } _: { rig, origin async throws in
            let watch = Stopwatch()
            let (date, expires) = (httpDate(rig), httpDate(rig, 100))
            origin.become { number, _ in .bytes(numbered(number, "Date: \(date)\r\nExpires: \(expires)\r\n")) }
            (try await rig.get(Path.reports)).expectForwarded("uri-miss; stored", number: 1)
            let hit = try await rig.get(Path.reports)
            hit.expectHit(lifetime: 100, watch, number: 1)
            #expect(hit["Date"] == date && hit["Expires"] == expires)
            rig.clock.advance(by: .seconds(60))
            (try await rig.get(Path.reports)).expectHit(lifetime: 100, age: 60, watch, number: 1)
        }
    }

    @Test("an answer that was old when it came is as much less fresh, and tells its age from the start")
    func ageOnArrival() async throws {
        try await withNumberedPages(headers: "Cache-Control: max-age=100\r\nAge: 40\r\n") { rig, origin async throws in
            let watch = Stopwatch()
            let first = try await rig.get(Path.reports)
            #expect(first.cacheStatus == "clash-proxy; fwd=uri-miss; stored" && first["Age"] == "40")
            (try await rig.get(Path.reports)).expectHit(lifetime: 100, age: 40, watch, number: 1)
            rig.clock.advance(by: .seconds(30))
            (try await rig.get(Path.reports)).expectHit(lifetime: 100, age: 70, watch, number: 1)
            rig.clock.advance(by: .seconds(61))
            #expect(try await rig.number(Path.reports + "?x") == 2)
            #expect(origin.count == 2)
        }
    }

    @Test("a cookie reaches the tool that asked, and nobody else")
    func cookie() async throws {
        try await withCache { number, _ in
            .bytes(numbered(number, "Set-Cookie: session=\(number)\r\nSet-Cookie: b=c; Path=/\r\n"))
        } _: { rig, _ async throws in
            for number in 1...3 {
                let answer = try await rig.get(Path.reports)
                #expect(answer.values("Set-Cookie") == ["session=\(number)", "b=c; Path=/"])
                #expect(answer.cacheStatus.hasSuffix("detail=set-cookie") && answer.number == number)
            }
        }
    }

    // MARK: Errors

    @Test(
        "no error and no other status than 200 is stored, whatever upstream says of its freshness",
        arguments: [
            "201 Created", "203 Non-Authoritative Information", "204 No Content", "206 Partial Content",
            "301 Moved Permanently", "308 Permanent Redirect", "400 Bad Request", "401 Unauthorized", "403 Forbidden",
            "404 Not Found", "410 Gone", "414 URI Too Long", "422 Unprocessable Content", "429 Too Many Requests",
            "500 Internal Server Error", "501 Not Implemented", "503 Service Unavailable",
        ])
    func errors(status: String) async throws {
        try await withCache(["rate.observe=true"]) { _, _ in
            let head = "HTTP/1.1 \(status)\r\nCache-Control: public, max-age=600\r\nRetry-After: 86400\r\n"
            if status.hasPrefix("204") { return .bytes(head + "\r\n") }
            let range = status.hasPrefix("206") ? "Content-Range: bytes 0-1/9\r\n" : ""
            return .bytes(head + range + "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
        } _: { rig, origin async throws in
            for number in 1...2 {
                let answer = try await rig.get(Path.reports)
                #expect(answer.statusLine.hasPrefix("HTTP/1.1 \(status.prefix(3))"))
                let reason = status.hasPrefix("206") ? "partial-content" : "status"
                answer.expectForwarded("uri-miss; detail=\(reason)")
                #expect(origin.count == number)
            }
            origin.become { number, _ in .bytes(numbered(number)) }
            (try await rig.get(Path.reports)).expectForwarded("uri-miss; stored", number: 3)
        }
    }

    // MARK: Operation and body

    private static let byBody =
        [1, 2, 7, 9].map { BodyLifetime("\(Path.reports)/a", #"{"metadata":{"id":"a","status":\#($0)}}"#, 600) }
        + [0, 3, 4, 5, 6, 8, 10].map {
            BodyLifetime("\(Path.reports)/a", #"{"metadata":{"id":"a","status":\#($0)}}"#, 5)
        }
        + ["completed", "completedToLimit", "failed", "cancelled"].map {
            BodyLifetime("/clashdetection/runs/a", #"{"run":{"id":"a","status":"\#($0)"}}"#, 600)
        }
        + ["queued", "inProgress", "new"].map {
            BodyLifetime("/clashdetection/runs/a", #"{"run":{"id":"a","status":"\#($0)"}}"#, 5)
        }
        + [
            BodyLifetime(Path.reports, #"{"reports":[{"id":"a","status":1},{"id":"b","status":9}]}"#, 30),
            BodyLifetime(Path.reports, #"{"reports":[{"id":"a","status":1},{"id":"b","status":0}]}"#, 5),
            BodyLifetime(Path.reports, #"{"reports":[{"id":"a"}]}"#, 30),
            BodyLifetime(Path.reports, #"{"reports":[{"id":"a","status":1},{"id":"b"}]}"#, 5),
            BodyLifetime(Path.reports, #"{"reports":[{"id":"a","status":1},{"id":"b","status":null}]}"#, 5),
            BodyLifetime(Path.reports, #"{"reports":[]}"#, 30),
            BodyLifetime("\(Path.reports)/a", "{}", 5),
            BodyLifetime("/clashdetection/runs?projectId=p", #"{"runs":[{"id":"a","status":"completed"}]}"#, 30),
            BodyLifetime("/clashdetection/runs?projectId=p", #"{"runs":[{"status":"inProgress","id":"a"}]}"#, 5),
            BodyLifetime("/clashdetection/results/a", #"{"result":[]}"#, 600),
            BodyLifetime(Path.tests, #"{"tests":[{"id":"a","status":0}]}"#, 30),
            BodyLifetime("\(Path.tests)/a", #"{"test":{"id":"a"}}"#, 30),
            BodyLifetime("/clashdetection/tests?projectId=p", #"{"tests":[]}"#, 30),
            BodyLifetime("/clashdetection/tests/a", #"{"test":{"id":"a"}}"#, 30),
            BodyLifetime("\(Path.iTwin)/suppression-rules", #"{"suppressionRules":[]}"#, 30),
            BodyLifetime("\(Path.iTwin)/suppression-rules/a", #"{"suppressionRule":{}}"#, 30),
            BodyLifetime("\(Path.iTwin)/manual-suppressions?clashReportId=a", #"{"manualSuppressions":[]}"#, 30),
            BodyLifetime("\(Path.iTwin)/suppression-templates", #"{"suppressionTemplates":[]}"#, 3600),
            BodyLifetime("/clashdetection/suppressionruletemplates", #"{"suppressionRuleTemplates":[]}"#, 3600),
        ]

    @Test("without upstream's word the operation and the rows of the body decide", arguments: byBody)
    func heuristics(lifetime: BodyLifetime) async throws {
        try await withCache { _, _ in
            .bytes(json(lifetime.body))
        } _: { rig, origin async throws in
            let watch = Stopwatch()
            (try await rig.get(lifetime.target)).expectForwarded("uri-miss; stored")
            (try await rig.get(lifetime.target)).expectHit(lifetime: lifetime.seconds, watch)
            #expect(origin.count == 1)
        }
    }

    @Test("the lifetimes are those of the configuration", arguments: byBody)
    func configured(lifetime: BodyLifetime) async throws {
        let own = [5: 300, 30: 1_200, 600: 7_200, 3600: 86_400]
        let flags = [
            "cache.ttl_in_progress=5m", "cache.ttl_list=20m", "cache.ttl_terminal=2h", "cache.ttl_stable=24h",
        ]
        try await withCache(flags) { _, _ in
            .bytes(json(lifetime.body))
        } _: { rig, _ async throws in
            let watch = Stopwatch()
            _ = try await rig.get(lifetime.target)
            (try await rig.get(lifetime.target)).expectHit(lifetime: own[lifetime.seconds] ?? 0, watch)
        }
    }

    @Test("a longer ttl_in_progress than the operation's own is not used")
    func shorterOfBoth() async throws {
        try await withCache(["cache.ttl_in_progress=1h"]) { _, _ in
            .bytes(json(#"{"reports":[{"id":"a","status":0}]}"#))
        } _: { rig, _ async throws in
            let watch = Stopwatch()
            _ = try await rig.get(Path.reports)
            (try await rig.get(Path.reports)).expectHit(lifetime: 30, watch)
        }
    }

    @Test("upstream's word counts also for a page with a run in progress")
    func explicitOverBody() async throws {
        try await withCache { _, _ in
            .bytes(json(#"{"reports":[{"id":"a","status":0}]}"#, headers: "Cache-Control: max-age=60\r\n"))
        } _: { rig, _ async throws in
            let watch = Stopwatch()
            _ = try await rig.get(Path.reports)
            (try await rig.get(Path.reports)).expectHit(lifetime: 60, watch)
        }
    }

    @Test(
        "what is polled until it is ready is never kept",
        arguments: ["/clashdetection/modelsandcategories/imodels/a", "/clashdetection/schemas/imodels/a"])
    func polled(target: String) async throws {
        try await withNumberedPages { rig, _ async throws in
            for number in 1...3 {
                (try await rig.get(target)).expectForwarded("uri-miss; detail=no-freshness", number: number)
            }
        }
    }

    @Test("Age grows and ttl falls with time, until the answer is fetched anew")
    func aging() async throws {
        try await withNumberedPages(["cache.stale_while_revalidate=0s"]) { rig, origin async throws in
            let watch = Stopwatch()
            (try await rig.get(Path.reports)).expectForwarded("uri-miss; stored", number: 1)
            (try await rig.get(Path.reports)).expectHit(lifetime: 30, watch, number: 1)
            for age in [7, 14] {
                rig.clock.advance(by: .seconds(7))
                (try await rig.get(Path.reports)).expectHit(lifetime: 30, age: age, watch, number: 1)
            }
            rig.clock.advance(by: .seconds(17))
            (try await rig.get(Path.reports)).expectForwarded("stale; stored", number: 2)
            let again = Stopwatch()
            (try await rig.get(Path.reports)).expectHit(lifetime: 30, again, number: 2)
            #expect(origin.count == 2)
        }
    }

    @Test("a page with a run in progress turns fresh within ttl_in_progress")
    func runEnds() async throws {
        try await withCachedWorld(["cache.stale_while_revalidate=0s"]) { options in
            options.simulator.runDuration = .seconds(60)
        } _: { rig async throws in
            let report = try #require(rig.simulator.addReport(iTwin: rig.iTwin))
            let targets = ["\(rig.v2)/reports?$top=5", "\(rig.v2)/reports/\(report)"]
            for target in targets {
                let running = try await rig.get(target)
                #expect(running.status == 200 && running.text.contains(#""status":0"#), "\(running.text)")
            }
            // The run ends; within five seconds nobody is told otherwise.
            rig.clock.advance(by: .seconds(61))
            for target in targets {
                let ended = try await rig.get(target)
                ended.expectForwarded("stale; stored")
                #expect(!ended.text.contains(#""status":0"#), "\(ended.text)")
            }
            let watch = Stopwatch()
            (try await rig.get(targets[0])).expectHit(lifetime: 30, watch)
            (try await rig.get(targets[1])).expectHit(lifetime: 600, watch)
        }
    }

    @Test(
        "with the shipped settings, too, nobody is shown a run in progress for longer than ttl_in_progress")
    func runEndsByDefault() async throws {
        try await withCachedWorld { options in
            options.clock = ShiftedClock(isFrozen: true)
            options.simulator.runDuration = .seconds(60)
        } _: { rig async throws in
            // Else the clock is moved past the deadline of the first token's request.
            try await eventually("a token") { rig.sidecar.notReadyReasons.isEmpty }
            _ = try #require(rig.simulator.addReport(iTwin: rig.iTwin))
            rig.clock.advance(by: .seconds(50))
            #expect(try await rig.get(rig.list).text.contains(#""status":0"#))
            rig.clock.advance(by: .seconds(20))
            let ended = try await rig.get(rig.list)
            #expect(!ended.text.contains(#""status":0"#), "\(ended.cacheStatus)")
        }
    }

    @Test("a lifetime of nothing keeps nothing")
    func zero() async throws {
        try await withNumberedPages(["cache.ttl_list=0s"]) { rig, _ async throws in
            for number in 1...3 {
                (try await rig.get(Path.tests)).expectForwarded("uri-miss; detail=no-freshness", number: number)
            }
        }
    }
}
