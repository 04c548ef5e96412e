// The gate and the cache: what is stored stands in while upstream wants peace, and what nobody waits for takes no turn.

import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct RateCacheTests {
    private static let slow = ["rate.windows=6/1m", "cache.enabled=true"]

    @Test("hits say nothing of limits and cost none of them")
    func hits() async throws {
        try await withLimits(Self.slow, { number, _ in numbered(number) }) { rig, origin async throws in
            let first = try await rig.get(Path.reports)
            #expect(first["RateLimit"] != nil && first["RateLimit-Policy"] != nil && first["Server-Timing"] != nil)
            for _ in 0..<20 {
                let hit = try await rig.get(Path.reports)
                #expect(hit.status == 200 && hit.cacheStatus.contains("hit"))
                #expect(hit["RateLimit"] == nil && hit["RateLimit-Policy"] == nil && hit["Server-Timing"] == nil)
            }
            #expect(origin.count == 1)
        }
    }

    @Test("while upstream wants a pause an expired page is given at once, with the reason")
    func paused() async throws {
        try await withLimits(["cache.enabled=true", "cache.stale_while_revalidate=0s"]) { number, _ in
            numbered(number)
        } _: { rig, origin async throws in
            let watch = Stopwatch()
            _ = try await rig.get(Path.reports)
            rig.clock.advance(by: .seconds(40))
            origin.become { number, request in
                request.requestLine.contains("/tests") ? tooMany("300") : numbered(number)
            }
            #expect(try await rig.isHeld(Path.tests))
            let stale = try await rig.get(Path.reports)
            stale.expectStale("rate-limited", lifetime: 30, age: 40, watch, number: 1)
            #expect(origin.count == 2)
            #expect(try await rig.queued() == 0)
            // A tool that wants it new waits, or is told to.
            let fresh = try await rig.get(Path.reports, [("Cache-Control", "no-cache"), ("Prefer", "wait=10")])
            fresh.expectError(429, "RateLimitExceeded", reason: "rate-limited", retryAfter: 300...303)
            // Beyond stale_if_error nothing old is given.
            rig.clock.advance(by: .seconds(290))
            #expect(try await rig.get(Path.reports).cacheStatus.contains("rate-limited"))
            rig.clock.advance(by: .seconds(12))
            #expect(try await rig.get(Path.reports).number > 1)
        }
    }

    @Test("the call that meets the 429 gets the expired page as well, if its wait would be too long")
    func refusedItself() async throws {
        try await withLimits(["cache.enabled=true", "cache.stale_while_revalidate=0s", "rate.max_wait=30s"]) {
            number, _ in
            number == 1 ? numbered(1) : tooMany("300")
        } _: { rig, origin async throws in
            let watch = Stopwatch()
            _ = try await rig.get(Path.reports)
            rig.clock.advance(by: .seconds(40))
            let stale = try await rig.get(Path.reports)
            stale.expectStale("rate-limited", lifetime: 30, age: 40, watch, number: 1)
            #expect(origin.count == 2)
        }
    }

    @Test("an expired page stands in for a turn that does not come in time")
    func noTurn() async throws {
        try await withLimits(Self.slow + ["cache.stale_while_revalidate=0s"]) { number, _ in
            numbered(number)
        } _: { rig, origin async throws in
            let watch = Stopwatch()
            _ = try await rig.get(Path.reports)
            rig.clock.advance(by: .seconds(40))
            try await rig.spendBurst()
            let sent = origin.count
            let stale = try await rig.get(Path.reports, [("Prefer", "wait=2")])
            stale.expectStale("rate-limited", lifetime: 30, age: 40, watch, number: 1)
            #expect(origin.count == sent)
        }
    }

    @Test("a refresh in the background takes no turn that somebody waits for")
    func background() async throws {
        try await withLimits(Self.slow) { number, _ in
            numbered(number)
        } _: { rig, origin async throws in
            _ = try await rig.get(Path.reports)
            rig.clock.advance(by: .seconds(40))
            try await rig.spendBurst()
            let waiting = try await rig.begin("GET", "\(Path.tests)/mine")
            try await rig.waitForQueue(1)
            let sent = origin.count
            for _ in 0..<5 {
                #expect(try await rig.get(Path.reports).cacheStatus.contains("detail=revalidating"))
            }
            #expect(try await rig.queued() == 1, "nobody but the tool")
            #expect(origin.count == sent)
            rig.clock.advance(by: .seconds(11))
            #expect(try await waiting.answer().status == 200)
            #expect(origin.arrivals[sent].request.requestLine.contains("/mine"))
        }
    }

    @Test("each who waits for a shared fetch has a deadline of its own, and one turn serves all")
    func followers() async throws {
        try await withLimits(Self.slow, { number, _ in numbered(number) }) { rig, origin async throws in
            try await rig.spendBurst()
            let sent = origin.count
            let leader = try await rig.begin("GET", Path.reports)
            try await rig.waitForQueue(1)
            let impatient = try await rig.begin(
                "GET", Path.reports, [("Prefer", "wait=5"), ("x-correlation-id", "f1")])
            let patient = try await rig.begin("GET", Path.reports, [("Prefer", "wait=100")])
            let none = try await rig.get(Path.reports, [("Prefer", "wait=0")])
            none.expectError(429, "RateLimitExceeded", reason: "rate-limited", retryAfter: 1...60)
            #expect(try await rig.queued() == 1, "they share one place")
            rig.clock.advance(by: .seconds(5))
            let refused = try await impatient.answer()
            refused.expectError(429, "RateLimitExceeded", reason: "rate-limited", retryAfter: 1...60)
            try await rig.pass(.seconds(60), step: .milliseconds(500)) { origin.count == sent }
            let answers = [try await leader.answer(), try await patient.answer()]
            #expect(answers.allSatisfy { $0.status == 200 && $0.number == sent + 1 })
            #expect(origin.count == sent + 1)
        }
    }

    @Test("who begins a shared fetch that upstream refuses for longer than it waits is told at once, and what it took")
    func refusedForLong() async throws {
        try await withLimits(["cache.enabled=true"]) { number, _ in
            number == 1 ? tooMany("10") : numbered(number)
        } _: { rig, origin async throws in
            let refused = try await rig.get(Path.reports, [("Prefer", "wait=4"), ("x-correlation-id", "l1")])
            refused.expectError(429, "RateLimitExceeded", reason: "rate-limited", retryAfter: 10...14)
            let line = try await rig.accessLog.line(with: " l1 ")
            #expect(line.contains("attempts=1"), "\(line)")
            try await rig.settle()
            #expect(try await rig.queued() == 0, "nobody waits for it any more")
            rig.clock.advance(by: .seconds(14))
            #expect(try await rig.get(Path.reports).status == 200 && origin.count == 2)
        }
    }

    @Test("a shared fetch that upstream refuses for now is held for all who wait for it")
    func heldFlight() async throws {
        try await withLimits(["cache.enabled=true"]) { number, _ in
            number == 1 ? tooMany("100") : numbered(number)
        } _: { rig, origin async throws in
            let leader = try await rig.begin("GET", Path.reports)
            try await rig.waitForQueue(1)
            let follower = try await rig.begin("GET", Path.reports)
            let impatient = try await rig.get(Path.reports, [("Prefer", "wait=20")])
            impatient.expectError(429, "RateLimitExceeded", reason: "rate-limited", retryAfter: 100...103)
            leader.close()
            _ = try await rig.accessLog.line(with: "caller-left")
            rig.clock.advance(by: .seconds(102))
            let answer = try await follower.answer()
            #expect(answer.status == 200 && answer.number == 2)
            #expect(origin.gaps[0] >= .seconds(100))
        }
    }
}
