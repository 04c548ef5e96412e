// How long a call waits for its turn, and who decides: `Prefer: wait`, `rate.max_wait`, the queue's length, the tool
// that leaves, the proxy that ends.

import Proxy
import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct RateWaitTests {
    /// One call at a time, and ten seconds from call to call.
    private static let slow = ["rate.windows=6/1m"]

    @Test("wait=0 is served at once when a turn is free, refused at once when it is not", arguments: [true, false])
    func waitZero(cached: Bool) async throws {
        try await withLimits(Self.slow + ["cache.enabled=\(cached)"]) { rig, origin async throws in
            let first = try await rig.get("\(Path.tests)?a=1", [("Prefer", "wait=0")])
            #expect(first.status == 200)
            let second = try await rig.get("\(Path.tests)?a=2", [("Prefer", "wait=0")])
            second.expectError(429, "RateLimitExceeded", reason: "rate-limited", retryAfter: 10...22)
            rig.clock.advance(by: .seconds(second.retryAfter))
            let third = try await rig.get("\(Path.tests)?a=3", [("Prefer", "wait=0")])
            #expect(third.status == 200, "what Retry-After promised holds")
            #expect(origin.count == 2)
        }
    }

    @Test(
        "a wait that cannot end in time is refused at once, with the time that it would take",
        arguments: [true, false])
    func hopeless(cached: Bool) async throws {
        try await withLimits(Self.slow + ["cache.enabled=\(cached)"]) { rig, origin async throws in
            _ = try await rig.get("\(Path.tests)?a=1")
            let waiting = try await rig.begin("GET", "\(Path.tests)?a=2")
            try await rig.waitForQueue(1)
            let third = try await rig.get("\(Path.tests)?a=3", [("Prefer", "respond-async, wait=15")])
            third.expectError(429, "RateLimitExceeded", reason: "rate-limited", retryAfter: 18...32)
            #expect(origin.count == 1)
            let fourth = try await rig.begin("GET", "\(Path.tests)?a=4", [("Prefer", "wait=30")])
            try await rig.waitForQueue(2)
            try await rig.pass(.seconds(25))
            #expect(try await waiting.answer().status == 200)
            let answer = try await fourth.answer()
            #expect(answer.status == 200 && answer.queueSeconds > 15)
        }
    }

    @Test("a call whose turn does not come in time is told so when its time is over", arguments: [true, false])
    func deadline(cached: Bool) async throws {
        let gate = Latch()
        defer { gate.open() }
        try await withLimits(["rate.max_in_flight=1", "cache.enabled=\(cached)"]) { rig, origin async throws in
            origin.become { _, _ in
                gate.waitBlocking()
                return ok
            }
            let first = try await rig.begin("GET", "\(Path.tests)?a=1")
            try await eventually("it is upstream") { origin.count == 1 }
            let second = try await rig.begin(
                "GET", "\(Path.tests)?a=2", [("Prefer", "wait=5"), ("x-correlation-id", "p1")])
            try await rig.waitForQueue(1)
            rig.clock.advance(by: .milliseconds(4_999))
            #expect(try await rig.queued() == 1)
            rig.clock.advance(by: .milliseconds(1))
            let refused = try await second.answer()
            refused.expectError(429, "RateLimitExceeded", reason: "rate-limited", retryAfter: 1...600)
            #expect(try await rig.queued() == 0)
            let line = try await rig.accessLog.line(with: " p1 ")
            #expect(line.contains(" 429 proxy refused:rate-limited ") && line.contains("attempts=0"), "\(line)")
            gate.open()
            #expect(try await first.answer().status == 200)
            #expect(origin.count == 1)
        }
    }

    @Test("max_wait=0s: nothing ever waits, for its turn or after a 429")
    func maxWaitZero() async throws {
        try await withLimits(Self.slow + ["rate.max_wait=0s"]) { rig, origin async throws in
            #expect(try await rig.get(Path.tests).status == 200)
            let second = try await rig.get(Path.tests, [("Prefer", "wait=60")])
            second.expectError(429, "RateLimitExceeded", reason: "rate-limited", retryAfter: 10...22)
            rig.clock.advance(by: .seconds(21))
            origin.refuseOnce(tooMany("7"))
            let third = try await rig.get(Path.tests)
            third.expectError(429, "RateLimitExceeded", reason: "rate-limited", retryAfter: 7...40)
            #expect(origin.count == 2)
        }
    }

    @Test("more than max_queue do not wait")
    func queueFull() async throws {
        try await withLimits(Self.slow + ["rate.max_queue=10"]) { rig, origin async throws in
            _ = try await rig.get(Path.tests)
            var waiting: [RawClient] = []
            // One caller alone does not get the last tenth of the places.
            for number in 1...9 {
                waiting.append(try await rig.begin("GET", "\(Path.tests)?n=\(number)"))
                try await rig.waitForQueue(number)
            }
            let refused = try await rig.get(Path.tests, [("x-correlation-id", "q1")])
            refused.expectError(429, "RateLimitExceeded", reason: "queue-full", retryAfter: 30...200)
            #expect(refused.text.contains("too many calls waiting"))
            _ = try await rig.accessLog.line(with: " q1 ", "refused:queue-full")
            #expect(try await rig.figure(#"gate_refused_total{reason="queue-full"}"#) == 1)
            waiting[4].close()
            try await rig.waitForQueue(8)
            let next = try await rig.begin("GET", Path.tests)
            try await rig.waitForQueue(9)
            try await rig.pass(.seconds(150), step: .milliseconds(500)) { origin.count < 10 }
            #expect(try await next.answer().status == 200)
            #expect(origin.arrivals("n=5").isEmpty)
        }
    }

    // MARK: Leaving

    @Test("a tool that leaves while it waits is never sent and frees its place at once", arguments: [true, false])
    func leavesWaiting(cached: Bool) async throws {
        try await withLimits(Self.slow + ["cache.enabled=\(cached)"]) { rig, origin async throws in
            _ = try await rig.get("\(Path.tests)?n=0")
            let first = try await rig.begin("GET", "\(Path.tests)?n=1", [("x-correlation-id", "gone")])
            try await rig.waitForQueue(1)
            let second = try await rig.begin("GET", "\(Path.tests)?n=2")
            try await rig.waitForQueue(2)
            first.close()
            try await rig.waitForQueue(1)
            _ = try await rig.accessLog.line(with: " gone ", "caller-left:not-sent", "attempts=0")
            // The one behind has moved up: ten seconds, not twenty.
            rig.clock.advance(by: .milliseconds(10_200))
            #expect(try await second.answer().status == 200)
            rig.clock.advance(by: .seconds(60))
            try await rig.settle()
            #expect(origin.arrivals("n=1").isEmpty && origin.count == 2)
        }
    }

    @Test("a tool that leaves while its refused call is held is not sent again", arguments: [true, false])
    func leavesHeld(cached: Bool) async throws {
        try await withLimits(["cache.enabled=\(cached)"]) { rig, origin async throws in
            origin.refuseOnce(tooMany("100"))
            let client = try await rig.begin("GET", Path.tests, [("x-correlation-id", "gone")])
            try await rig.waitForQueue(1)
            client.close()
            try await rig.waitForQueue(0)
            _ = try await rig.accessLog.line(with: " gone ", "caller-left:")
            rig.clock.advance(by: .seconds(200))
            #expect(try await rig.get(Path.reports).status == 200)
            #expect(origin.arrivals(Path.tests).count == 1)
            #expect(try await rig.figure("in_flight") == 0)
        }
    }

    @Test("a delete whose tool leaves while it is held is not sent again, and the record says what is known")
    func deleteLeavesHeld() async throws {
        try await withTrap { rig async throws in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            let id = rig.simulator.legacyID(project: rig.iTwin, entity: report) ?? ""
            rig.simulator.inject(.rateLimited(retryAfter: "100"), where: RequestFilter(method: "DELETE"))
            let client = try await rig.begin("DELETE", "/clashdetection/runs/\(id)", [("x-correlation-id", "gone")])
            try await rig.waitForQueue(1)
            client.close()
            _ = try await rig.accessLog.line(with: " gone ", "caller-left:", "attempts=1")
            #expect(try rig.story(of: "gone") == ["intent", "outcome refused_upstream"])
            rig.clock.advance(by: .seconds(200))
            try await rig.settle()
            #expect(rig.simulator.reportExists(report))
            #expect(rig.simulator.recorded(RequestFilter(method: "DELETE")).count == 1)
        }
    }

    // MARK: The proxy ends

    @Test("a drain lets waiting calls go on; those whose turn does not come in time get 503", arguments: [true, false])
    func drain(cached: Bool) async throws {
        try await withLimits(["shutdown.drain_timeout=15s", "cache.enabled=\(cached)"]) { rig, origin async throws in
            origin.become { number, request in
                if number > 2 { return ok }
                return tooMany(request.requestLine.contains("/tests") ? "10" : "300", naming: "Operation")
            }
            let first = try await rig.begin("GET", Path.tests)
            let second = try await rig.begin("GET", Path.reports, [("x-correlation-id", "late")])
            try await rig.waitForQueue(2)
            let drained = Task { await rig.drain() }
            try await eventually("draining") { rig.sidecar.notReadyReasons.contains("shutting down") }
            rig.clock.advance(by: .milliseconds(10_501))
            #expect(try await first.answer().status == 200)
            let refused = try await answerWhileTimePasses(second, rig)
            refused.expectError(503, "ShuttingDown", reason: "shutting-down", retryAfter: 1...60)
            rig.clock.thaw()
            #expect(await drained.value == false)
            #expect(origin.count == 3)
            _ = try await rig.accessLog.line(with: " late ", "refused:shutting-down")
        }
    }

    @Test("a delete that is held after a 429 gets 503 when the proxy ends, and is recorded as refused")
    func drainHeld() async throws {
        try await withTrap(["shutdown.drain_timeout=15s"]) { rig async throws in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            let id = rig.simulator.legacyID(project: rig.iTwin, entity: report) ?? ""
            rig.simulator.inject(.rateLimited(retryAfter: "300"), where: RequestFilter(method: "DELETE"))
            let client = try await rig.begin("DELETE", "/clashdetection/runs/\(id)", [("x-correlation-id", "late")])
            try await rig.waitForQueue(1)
            let drained = Task { await rig.drain() }
            try await eventually("draining") { rig.sidecar.notReadyReasons.contains("shutting down") }
            let refused = try await answerWhileTimePasses(client, rig)
            refused.expectError(503, "ShuttingDown", reason: "shutting-down", retryAfter: 1...60)
            rig.clock.thaw()
            #expect(await drained.value == false)
            #expect(try rig.story(of: "late") == ["intent", "outcome refused_upstream"])
            #expect(rig.simulator.reportExists(report))
        }
    }

    /// The answer to a call that a drain ends. When the drain began to count its time is not known, so time goes on until
    /// it has ended, and never as far as the call's own turn.
    private func answerWhileTimePasses(_ client: RawClient, _ rig: Rig) async throws -> RawResponse {
        let passing = Task {
            for _ in 0..<16 where !Task.isCancelled {
                rig.clock.advance(by: .seconds(16))
                try? await Task.sleep(for: .milliseconds(200))
            }
        }
        defer { passing.cancel() }
        return try await client.answer()
    }
}
