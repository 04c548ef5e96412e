// Answers that are given in spite of their age: only while they are being refreshed or while upstream cannot answer,
// only inside hard bounds, and always said so.

import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct CacheStaleTests {
    // MARK: While it is refreshed

    @Test("a page that has just expired goes out at once while one refresh runs, and is fresh afterwards")
    func revalidating() async throws {
        let gate = Latch()
        try await withCache { number, _ in
            if number == 2 { gate.waitBlocking() }
            return .bytes(numbered(number))
        } _: { rig, origin async throws in
            let watch = Stopwatch()
            #expect(try await rig.number(Path.reports) == 1)
            rig.clock.advance(by: .seconds(40))
            for answer in try await rig.gather(30, Path.reports) {
                answer.expectStale("revalidating", lifetime: 30, age: 40, watch, number: 1)
            }
            try await eventually("the refresh is upstream") { origin.count == 2 }
            (try await rig.get(Path.reports)).expectStale("revalidating", lifetime: 30, age: 40, watch, number: 1)
            #expect(origin.count == 2, "one refresh, however many ask")
            gate.open()
            try await eventually("it is fresh again") { rig.accessLog.lines.count == 32 }
            var answer = try await rig.get(Path.reports)
            while answer.number == 1 { answer = try await rig.get(Path.reports) }
            answer.expectHit(lifetime: 30, Stopwatch(), number: 2)
            #expect(origin.count == 2)
        }
    }

    @Test("beyond stale_while_revalidate a tool waits for the answer", arguments: ["30s", "10s", "0s"])
    func revalidatingBound(bound: String) async throws {
        let seconds = Int(bound.dropLast()) ?? 0
        try await withNumberedPages(["cache.stale_while_revalidate=\(bound)"]) { rig, origin async throws in
            let watch = Stopwatch()
            #expect(try await rig.number(Path.reports) == 1)
            rig.clock.advance(by: .seconds(30 + seconds + 1))
            (try await rig.get(Path.reports)).expectForwarded("stale; stored", number: 2)
            if seconds > 0 {
                rig.clock.advance(by: .seconds(31))
                let age = 31
                (try await rig.get(Path.reports)).expectStale(
                    "revalidating", lifetime: 30, age: age, watch, number: 2)
            }
            try await eventually("a refresh") { origin.count == (seconds > 0 ? 3 : 2) }
        }
    }

    @Test("a refresh that fails does not replace what is stored, and the next request tries again")
    func failedRefresh() async throws {
        try await withCache { number, _ in
            switch number {
            case 1: .bytes(numbered(1))
            case 2: .bytes(json("{}", status: "500 Internal Server Error"))
            case 3: .bytes(json("{}", status: "403 Forbidden"))
            case 4: .reset
            default: .bytes(numbered(number))
            }
        } _: { rig, origin async throws in
            let watch = Stopwatch()
            #expect(try await rig.number(Path.reports) == 1)
            rig.clock.advance(by: .seconds(35))
            // One refresh at a time: a request that comes while one runs begins none.
            var asked = 0
            while origin.count < 4, asked < 5_000 {
                asked += 1
                let answer = try await rig.get(Path.reports)
                if answer.number == 1 { answer.expectStale("revalidating", lifetime: 30, age: 35, watch, number: 1) }
            }
            #expect(origin.count >= 4)
            var answer = try await rig.get(Path.reports)
            while answer.number == 1 { answer = try await rig.get(Path.reports) }
            #expect(answer.status == 200 && answer.number > 4)
        }
    }

    @Test("a refresh asks with upstream's validators, and 304 is enough")
    func refreshByValidator() async throws {
        try await withCache { number, request in
            request.values("If-None-Match").isEmpty
                ? .bytes(numbered(number, "ETag: \"v1\"\r\n"))
                : .bytes("HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\n\r\n")
        } _: { rig, origin async throws in
            let watch = Stopwatch()
            _ = try await rig.get(Path.reports)
            rig.clock.advance(by: .seconds(35))
            (try await rig.get(Path.reports)).expectStale("revalidating", lifetime: 30, age: 35, watch, number: 1)
            try await eventually("the question") { origin.count == 2 }
            let again = Stopwatch()
            var answer = try await rig.get(Path.reports)
            while answer.cacheStatus.contains("revalidating") { answer = try await rig.get(Path.reports) }
            answer.expectHit(lifetime: 30, again, number: 1)
            #expect(origin.received.all[1].values("If-None-Match") == ["\"v1\""])
        }
    }

    @Test(
        "what upstream forbids to be given stale is not, and what it bounds is bounded",
        arguments: [
            "Cache-Control: max-age=30, must-revalidate", "Cache-Control: max-age=30, proxy-revalidate",
            "Cache-Control: s-maxage=30", "Cache-Control: max-age=30, stale-while-revalidate=5, stale-if-error=5",
        ])
    func forbidden(line: String) async throws {
        try await withNumberedPages(headers: "\(line)\r\n") { rig, origin async throws in
            #expect(try await rig.number(Path.reports) == 1)
            rig.clock.advance(by: .seconds(40))
            (try await rig.get(Path.reports)).expectForwarded("stale; stored", number: 2)
            rig.clock.advance(by: .seconds(40))
            origin.become(always: json("{}", status: "500 Internal Server Error"))
            let answer = try await rig.get(Path.reports)
            answer.expectForwarded("stale; detail=status")
            #expect(answer.status == 500)
        }
    }

    @Test("upstream cannot stretch the operator's bounds")
    func notStretched() async throws {
        let line = "Cache-Control: max-age=30, stale-while-revalidate=9999, stale-if-error=99999\r\n"
        try await withNumberedPages(headers: line) { rig, origin async throws in
            #expect(try await rig.number(Path.reports) == 1)
            rig.clock.advance(by: .seconds(70))
            (try await rig.get(Path.reports)).expectForwarded("stale; stored", number: 2)
            origin.become(always: json("{}", status: "500 Internal Server Error"))
            rig.clock.advance(by: .seconds(3_631))
            #expect(try await rig.get(Path.reports).status == 500)
        }
    }

    // MARK: While upstream cannot answer

    /// How upstream fails, and what a tool is told.
    enum Trouble: String, CaseIterable, Sendable {
        case limited = "rate-limited"
        case error = "upstream-error"
        case garbage = "upstream-error 2"
        case cut = "upstream-error 3"
        case unavailable = "rate-limited 2"
        case slow = "upstream-timeout"
        case gone = "upstream-unreachable"
        case reset = "upstream-unreachable 2"

        var detail: String { String(rawValue.prefix { $0 != " " }) }

        /// What the tool gets where nothing stored may stand in.
        var statuses: Set<Int> {
            switch self {
            case .limited: [429]
            case .error: [500]
            case .unavailable: [429]
            case .garbage, .cut, .gone, .reset: [502]
            case .slow: [504]
            }
        }

        func strike(_ origin: ChangingOrigin) async throws {
            switch self {
            case .limited:
                origin.become(
                    always: json("{}", status: "429 Too Many Requests", headers: "Retry-After: 7200\r\n"))
            case .error: origin.become(always: json("{}", status: "500 Internal Server Error"))
            case .unavailable:
                origin.become(always: json("{}", status: "503 Service Unavailable", headers: "Retry-After: 60\r\n"))
            case .garbage: origin.become { _, _ in .last("this is no HTTP\r\n\r\n") }
            case .cut:
                origin.become { _, _ in
                    .last(
                        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{\"reports\":")
                }
            case .slow: origin.become { _, _ in .silence }
            case .reset: origin.become { _, _ in .reset }
            case .gone:
                origin.server.stop()
                try await eventually("nobody listens") { origin.server.isClosed }
            }
        }
    }

    @Test(
        "while upstream cannot answer an expired page stands in, told as what it is, until the bound; then the error",
        arguments: Trouble.allCases)
    func standIn(trouble: Trouble) async throws {
        let flags = [
            "cache.stale_while_revalidate=0s", "cache.stale_if_error=10m", "upstream.first_byte_timeout=200ms",
        ]
        try await withCache(flags) { number, _ in
            .bytes(numbered(number))
        } _: { rig, origin async throws in
            let watch = Stopwatch()
            let whole = try await rig.get(Path.reports)
            try await trouble.strike(origin)
            rig.clock.advance(by: .seconds(100))
            let stale = try await rig.get(Path.reports, [("x-correlation-id", "stale-1")])
            stale.expectStale(trouble.detail, lifetime: 30, age: 100, watch, number: 1)
            #expect(stale.body == whole.body && stale["ETag"] == whole["ETag"] && stale["Retry-After"] == nil)
            let line = try await rig.accessLog.line(with: " stale-1 ")
            #expect(line.contains(" 200 cache answered ") && line.contains(" cache=stale:\(trouble.detail)"), "\(line)")
            let known = try await rig.get(Path.reports, [("If-None-Match", whole["ETag"] ?? "")])
            #expect(known.status == 304)
            rig.clock.advance(by: .seconds(529 - watch.begunSeconds))
            let late = try await rig.get(Path.reports)
            #expect(
                late.status == 200 && late.cacheStatus.hasSuffix("; detail=\(trouble.detail)"), "\(late.cacheStatus)")
            rig.clock.advance(by: .seconds(2 + watch.begunSeconds))
            let error = try await rig.get(Path.reports)
            #expect(trouble.statuses.contains(error.status), "\(error.statusLine)")
            #expect(!error.cacheStatus.contains("hit") && error.number == 0, "\(error.cacheStatus)")
        }
    }

    @Test("once upstream answers again the page is fresh", arguments: [Trouble.error, .limited, .slow, .reset])
    func back(trouble: Trouble) async throws {
        let flags = ["cache.stale_while_revalidate=0s", "upstream.first_byte_timeout=200ms"]
        try await withCache(flags) { number, _ in
            .bytes(numbered(number))
        } _: { rig, origin async throws in
            let watch = Stopwatch()
            #expect(try await rig.number(Path.reports) == 1)
            try await trouble.strike(origin)
            rig.clock.advance(by: .seconds(100))
            (try await rig.get(Path.reports)).expectStale(trouble.detail, lifetime: 30, age: 100, watch, number: 1)
            origin.become { number, _ in .bytes(numbered(number)) }
            // Longer than any pause that was told or is kept in mind, and still inside the bound.
            rig.clock.advance(by: .seconds(trouble == .limited ? 7_300 : 60))
            let answer = try await rig.get(Path.reports)
            answer.expectForwarded("stale; stored")
            #expect(answer.status == 200 && answer.number > 1)
        }
    }

    @Test("a fresh page is not asked about: trouble upstream does not show")
    func freshInTrouble() async throws {
        try await withNumberedPages { rig, origin async throws in
            let watch = Stopwatch()
            #expect(try await rig.number(Path.reports) == 1)
            origin.become { _, _ in .reset }
            (try await rig.get(Path.reports)).expectHit(lifetime: 30, watch, number: 1)
        }
    }

    @Test("a tool that demands freshness gets the error instead", arguments: ["no-cache", "max-age=60", "min-fresh=1"])
    func demanding(directive: String) async throws {
        try await withNumberedPages(["cache.stale_while_revalidate=0s"]) { rig, origin async throws in
            #expect(try await rig.number(Path.reports) == 1)
            rig.clock.advance(by: .seconds(100))
            origin.become(always: json("{}", status: "500 Internal Server Error"))
            let answer = try await rig.get(Path.reports, [("Cache-Control", directive)])
            #expect(answer.status == 500, "\(answer.cacheStatus)")
            #expect(try await rig.number(Path.reports) == 1, "what is stored is still there for others")
        }
    }

    @Test(
        "what is no trouble of upstream's is told to the tool: the page is gone or forbidden now",
        arguments: ["400 Bad Request", "401 Unauthorized", "403 Forbidden", "404 Not Found", "410 Gone"])
    func clientErrors(status: String) async throws {
        try await withNumberedPages(["cache.stale_while_revalidate=0s"]) { rig, origin async throws in
            #expect(try await rig.number(Path.reports) == 1)
            rig.clock.advance(by: .seconds(100))
            origin.become(always: json(#"{"error":{}}"#, status: status))
            let answer = try await rig.get(Path.reports)
            #expect(answer.statusLine == "HTTP/1.1 \(status)")
            answer.expectForwarded("stale; detail=status")
        }
    }

    @Test(
        "after upstream has said that a page is gone, trouble does not bring it back")
    func goneForGood() async throws {
        try await withNumberedPages(["cache.stale_while_revalidate=0s"]) { rig, origin async throws in
            #expect(try await rig.number("\(Path.reports)/a") == 1)
            rig.clock.advance(by: .seconds(100))
            origin.become(always: json(#"{"error":{}}"#, status: "404 Not Found"))
            #expect(try await rig.get("\(Path.reports)/a").status == 404)
            origin.become(always: json("{}", status: "500 Internal Server Error"))
            let answer = try await rig.get("\(Path.reports)/a")
            #expect(answer.status == 500, "a deleted report is not to be shown: \(answer.cacheStatus)")
        }
    }

    @Test("all who wait for a failing fetch get the stored page")
    func followersToo() async throws {
        let gate = Latch()
        try await withCache(["cache.stale_while_revalidate=0s"]) { number, _ in
            if number == 1 { return .bytes(numbered(1)) }
            gate.waitBlocking()
            return .bytes(json("{}", status: "500 Internal Server Error"))
        } _: { rig, origin async throws in
            let watch = Stopwatch()
            #expect(try await rig.number(Path.reports) == 1)
            rig.clock.advance(by: .seconds(100))
            async let answers = rig.gather(10, Path.reports)
            try await eventually("upstream is asked") { origin.count == 2 }
            gate.open()
            for answer in try await answers {
                answer.expectStale("upstream-error", lifetime: 30, age: 100, watch, number: 1)
            }
        }
    }

    @Test("while no token can be had, an expired page stands in until the bound, then 503")
    func token() async throws {
        try await withCachedWorld([
            "cache.stale_while_revalidate=0s", "cache.stale_if_error=10m",
        ]) { options in
            options.simulator.tokenLifetime = .seconds(120)
        } _: { rig async throws in
            let watch = Stopwatch()
            #expect(try await rig.get(rig.list).status == 200)
            rig.simulator.inject(.answer(status: 503), where: .token, times: nil)
            rig.clock.advance(by: .seconds(200))
            (try await rig.get(rig.list)).expectStale("token-unavailable", lifetime: 30, age: 200, watch)
            rig.clock.advance(by: .seconds(500))
            let error = try await rig.get(rig.list)
            #expect(error.status == 503 && error.text.contains("TokenUnavailable"), "\(error.statusLine)")
            #expect(rig.simulator.recorded(RequestFilter(target: "/reports")).count == 1)
        }
    }

    @Test("a full queue is no reason for an error where a page is stored")
    func fullQueue() async throws {
        let gate = Latch()
        let flags = ["cache.stale_while_revalidate=0s", "rate.max_in_flight=1"]
        try await withCache(flags) { number, request in
            if request.requestLine.contains("/blocker") { gate.waitBlocking() }
            return .bytes(numbered(number))
        } _: { rig, origin async throws in
            let watch = Stopwatch()
            #expect(try await rig.number(Path.reports, [("Prefer", "wait=9")]) == 1)
            rig.clock.advance(by: .seconds(100))
            async let blocker = rig.get("\(Path.tests)/blocker")
            try await eventually("the only turn is taken") { origin.count == 2 }
            let answer = try await rig.get(Path.reports, [("Prefer", "wait=0")])
            gate.open()
            #expect(try await blocker.status == 200)
            answer.expectStale("rate-limited", lifetime: 30, age: 100, watch, number: 1)
        }
    }

    @Test("after a timeout the next tools do not wait for another one")
    func timeoutIsRemembered() async throws {
        let flags = ["cache.stale_while_revalidate=0s", "upstream.first_byte_timeout=300ms"]
        try await withCache(flags) { number, _ in
            .bytes(numbered(number))
        } _: { rig, origin async throws in
            let watch = Stopwatch()
            for target in [Path.reports, Path.tests] { _ = try await rig.get(target) }
            origin.become { _, _ in .silence }
            rig.clock.advance(by: .seconds(100))
            (try await rig.get(Path.reports)).expectStale("upstream-timeout", lifetime: 30, age: 100, watch)
            let other = try await rig.get(Path.tests)
            other.expectStale("upstream-timeout", lifetime: 30, age: 100, watch)
            // It was not asked to wait: its own fetch would have been told in Server-Timing.
            #expect(other["Server-Timing"] == nil)
        }
    }

    @Test(
        "an error that carries a cookie or a long page is no less an error: the stored page stands in for it",
        arguments: ["429 Too Many Requests", "500 Internal Server Error", "503 Service Unavailable"], [false, true])
    func errorForOneOnly(status: String, isLong: Bool) async throws {
        try await withNumberedPages(["cache.stale_while_revalidate=0s"]) { rig, origin async throws in
            let watch = Stopwatch()
            #expect(try await rig.number(Path.reports) == 1)
            rig.clock.advance(by: .seconds(100))
            let lines = "Retry-After: 7200\r\n" + (isLong ? "" : "Set-Cookie: ARRAffinity=1; Path=/\r\n")
            let text = isLong ? String(repeating: "trouble ", count: 50_000) : "{}"
            origin.become(always: json(text, status: status, headers: lines))
            for _ in 0..<2 {
                (try await rig.get(Path.reports)).expectStale(
                    status.hasPrefix("500") ? "upstream-error" : "rate-limited", lifetime: 30, age: 100, watch,
                    number: 1)
            }
        }
    }
}
