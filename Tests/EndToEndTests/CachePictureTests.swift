// What stored pages show together: one state of a list, no object that was deleted, and no report that a run has overtaken.

import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct CachePictureTests {
    private static let flags = ["cache.stale_while_revalidate=0s"]
    private static let first = "\(Path.reports)?$top=2"
    private static let later = "\(Path.reports)?$top=2&$continuationToken=p2"

    /// A list of two pages in a state; without a count where there is none to tell.
    private static func list(_ state: String, count: Int?) -> ChangingOrigin.Script {
        { _, request in
            let page = request.requestLine.contains("=p2") ? 2 : 1
            let total = count.map { "\"count\":\($0)," } ?? ""
            return .bytes(json("{\(total)\"reports\":[\(report("\(state)\(page)"))],\"state\":\"\(state)\"}"))
        }
    }

    // MARK: One picture

    @Test(
        "a later page that counts other rows than the first: both are of the new state, and the first is fetched anew")
    func otherCount() async throws {
        try await withCache(Self.flags, Self.list("old", count: 3)) { rig, origin async throws in
            _ = try await rig.get(Self.first)
            rig.clock.advance(by: .seconds(20))
            origin.become(Self.list("new", count: 2))
            (try await rig.get(Self.later)).expectForwarded("uri-miss; stored")
            try await eventually("the first page is fetched anew") { origin.count == 3 }
            for target in [Self.first, Self.later] {
                let page = try await rig.get(target)
                #expect(page.text.contains("new"), "\(target) \(page.cacheStatus)")
            }
            #expect(origin.count == 3 && !origin.received.all[2].requestLine.contains("p2"))
        }
    }

    @Test("a later page is kept beside an older first page only while that one is fresh, which is fetched anew then")
    func besideAnExpired() async throws {
        try await withCache(Self.flags, Self.list("same", count: 3)) { rig, origin async throws in
            _ = try await rig.get(Self.first)
            rig.clock.advance(by: .seconds(20))
            _ = try await rig.get(Self.later)
            let watch = Stopwatch()
            let hit = try await rig.get(Self.later)
            let ttl = Int(hit.cacheStatus.split(separator: "=").last ?? "") ?? -1
            #expect(ttl <= 10 && ttl >= 10 - watch.begunSeconds, "\(hit.cacheStatus)")
            rig.clock.advance(by: .seconds(15))
            (try await rig.get(Self.later)).expectForwarded("stale; stored")
            try await eventually("the first page is fetched anew") { origin.count == 4 }
            // Joins that fetch if it is still under way.
            _ = try await rig.get(Self.first)
            (try await rig.get(Self.first)).expectHit(lifetime: 30, watch)
            (try await rig.get(Self.later)).expectHit(lifetime: 30, watch)
            #expect(origin.count == 4)
        }
    }

    @Test("without a count a later page is kept only beside a first page that was fetched after it")
    func withoutCount() async throws {
        try await withCache(Self.flags, Self.list("same", count: nil)) { rig, origin async throws in
            _ = try await rig.get(Self.first)
            for count in 2...3 {
                #expect(try await !rig.get(Self.later).cacheStatus.contains("hit"))
                #expect(origin.count == count)
            }
            _ = try await rig.get(Self.first, [("Cache-Control", "no-cache")])
            #expect(try await rig.get(Self.later).cacheStatus.contains("hit") && origin.count == 4)
            origin.become(Self.list("new", count: nil))
            _ = try await rig.get(Self.first, [("Cache-Control", "no-cache")])
            #expect(try await rig.get(Self.later).text.contains("new"))
        }
    }

    // MARK: Deleted objects

    @Test("a page of any kind that names a deleted report goes with it, and is not kept while it still does")
    func namesADeleted() async throws {
        let id = "0badcafe-0000-4000-8000-000000000001"
        try await withCache { number, request in
            if request.requestLine.contains("deletion") { return .bytes(json("{}", status: "202 Accepted")) }
            let names = request.requestLine.contains("other") ? "nothing" : id.uppercased()
            return .bytes(
                json("{\"tests\":[{\"id\":\"t\",\"lastRun\":{\"is\":\"\(names)\"}}],\"number\":\(number)}"))
        } _: { rig, origin async throws in
            let (naming, other) = (Path.tests, "\(Path.tests)?other")
            for target in [naming, other, naming, other] { _ = try await rig.get(target) }
            #expect(origin.count == 2)
            #expect(try await rig.call("POST", Path.deletion, body: job(id)).status == 202)
            (try await rig.get(naming)).expectForwarded("uri-miss; detail=deleted-id", number: 4)
            #expect(try await rig.number(other) == 2, "what does not name it stays")
            rig.clock.advance(by: .seconds(301))
            (try await rig.get(naming)).expectForwarded("uri-miss; stored", number: 5)
        }
    }

    @Test("a fetch of a page that names a deleted report, begun before the delete, is not kept after it")
    func namesADeletedInFlight() async throws {
        let id = "0badcafe-0000-4000-8000-000000000002"
        let gate = Latch()
        try await withCache { number, request in
            if request.requestLine.contains("deletion") { return .bytes(json("{}", status: "404 Not Found")) }
            if number == 1 { gate.waitBlocking() }
            let name = number == 1 ? id : "none"
            return .bytes(json("{\"tests\":[{\"id\":\"t\",\"lastRun\":{\"id\":\"\(name)\"}}],\"number\":\(number)}"))
        } _: { rig, origin async throws in
            async let slow = rig.get(Path.tests)
            try await eventually("the page is on its way") { origin.count == 1 }
            _ = try await rig.call("POST", Path.deletion, body: job(id))
            gate.open()
            #expect(try await slow.number == 1)
            #expect(try await rig.number(Path.tests) == 3)
        }
    }

    // MARK: Started runs

    /// A test's report, in whatever state; starts of runs name it.
    private static func run(_ status: Int) -> ChangingOrigin.Script {
        { number, request in
            if request.requestLine.hasPrefix("POST") {
                return .bytes(json(#"{"runs":[{"testId":"t","clashReportId":"r","status":"Queued"}]}"#))
            }
            return .bytes(
                json(#"{"metadata":{"id":"r","configurationId":"t","status":\#(status)},"number":\#(number)}"#))
        }
    }

    @Test(
        "after a run was started its test's reports are short-lived until one shows that it has ended, or ten minutes",
        arguments: ["False", "True"], [false, true])
    func startedRun(inPlace: String, ends: Bool) async throws {
        try await withCache(Self.flags, Self.run(1)) { rig, origin async throws in
            let watch = Stopwatch()
            let target = "\(Path.reports)/r"
            _ = try await rig.get(target)
            (try await rig.get(target)).expectHit(lifetime: 600, watch, number: 1)
            let start = #"{"jobs":[{"testId":"t","iModelId":"m"}],"operation":"run"}"#
            origin.become(Self.run(inPlace == "True" ? 1 : 0))
            _ = try await rig.call("POST", "\(Path.iTwin)/runs/jobs", [("In-Place", inPlace)], body: start)
            _ = try await rig.get(target)
            (try await rig.get(target)).expectHit(
                lifetime: 5, watch, number: 4, "it may be the run before; one read was the start's own")
            if ends {
                origin.become(Self.run(0))
                rig.clock.advance(by: .seconds(6))
                (try await rig.get(target)).expectForwarded("stale; stored", number: 5)
                origin.become(Self.run(1))
                rig.clock.advance(by: .seconds(6))
            } else {
                origin.become(Self.run(1))
                rig.clock.advance(by: .seconds(600))
            }
            _ = try await rig.get(target)
            (try await rig.get(target)).expectHit(lifetime: 600, Stopwatch(), "it has ended, or nobody knows")
        }
    }

    @Test(
        "of several tests started in one call each report is waited for by itself, though the answer does not name it",
        arguments: ["True", "Force"], [false, true])
    func startedTogether(inPlace: String, isNamed: Bool) async throws {
        let answer = #"{"testId":"ta","clashReportId":"a","status":"Queued"}"#
        let other = #"{"testId":"tb","clashReportId":"b","status":"Queued"}"#
        // The run of `b` has not begun: its report is the old one for long.
        func state(_ status: Int) -> ChangingOrigin.Script {
            { number, request in
                if request.requestLine.hasPrefix("POST") {
                    return .bytes(json("{\"runs\":[\(isNamed ? "\(answer),\(other)" : answer)]}"))
                }
                let (id, shown) = request.requestLine.contains("/a ") ? ("a", status) : ("b", 1)
                let metadata = #"{"id":"\#(id)","configurationId":"t\#(id)","status":\#(shown)}"#
                return .bytes(json(#"{"metadata":\#(metadata),"number":\#(number)}"#))
            }
        }
        try await withCache([], state(0)) { rig, origin async throws in
            let start = #"{"jobs":[{"testId":"ta"},{"testId":"tb"}],"operation":"run"}"#
            _ = try await rig.call("POST", "\(Path.iTwin)/runs/jobs", [("In-Place", inPlace)], body: start)
            _ = try await rig.get("\(Path.reports)/a")
            origin.become(state(1))
            rig.clock.advance(by: .seconds(6))
            let watch = Stopwatch()
            for (id, lifetime) in [("a", 600), ("b", 5)] {
                _ = try await rig.get("\(Path.reports)/\(id)")
                (try await rig.get("\(Path.reports)/\(id)")).expectHit(lifetime: lifetime, watch, id)
            }
        }
    }

    @Test("v1 runs and results of a project in which a run was started are short-lived too, those of others are not")
    func startedV1Run() async throws {
        try await withCache(Self.flags) { number, request in
            if request.requestLine.hasPrefix("POST") {
                return .bytes(json(#"{"run":{"id":"x"}}"#, status: "201 Created"))
            }
            return .bytes(json(#"{"runs":[{"id":"r","status":"completed"}],"result":[],"number":\#(number)}"#))
        } _: { rig, _ async throws in
            let test = "PSwbCl9Oa0qMfZ4PGis8TZi63P5UdiFDj-3LqYdlQyE"
            let foreign = "0badcafe-0000-4000-8000-000000000009"
            _ = try await rig.call("POST", "/clashdetection/runs", body: #"{"testId":"\#(test)","inPlace":"true"}"#)
            let watch = Stopwatch()
            for (target, lifetime) in [
                ("/clashdetection/runs", 5), ("/clashdetection/results/opaque", 5),
                ("/clashdetection/runs?projectId=\(foreign)", 30),
            ] {
                _ = try await rig.get(target)
                (try await rig.get(target)).expectHit(lifetime: lifetime, watch, target)
            }
        }
    }

    // MARK: Codings

    @Test(
        "a coding that is none is none: links are rewritten, and the page is kept",
        arguments: ["identity", "", "Identity,"])
    func noCoding(value: String) async throws {
        try await withNumberedPages(headers: "Content-Encoding: \(value)\r\n") { rig, _ async throws in
            let watch = Stopwatch()
            let page = try await rig.get(Path.reports)
            page.expectForwarded("uri-miss; stored", number: 1)
            #expect(page.link("self") == "http://\(rig.host)\(Path.reports)")
            (try await rig.get(Path.reports)).expectHit(lifetime: 30, watch, number: 1)
            let alone = try await rig.get(Path.reports, [("Cache-Control", "no-store")])
            #expect(alone.link("self") == "http://\(rig.host)\(Path.reports)")
        }
    }
}
