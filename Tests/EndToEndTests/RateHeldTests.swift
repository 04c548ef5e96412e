// A 429 becomes a wait: the refused call keeps its place and is sent again, whatever its method, never before the told
// time; and what happens where that cannot be.

import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct RateHeldTests {
    @Test(
        "a call that upstream refuses for now is sent again when its wait is over, and its tool sees neither",
        arguments: ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
    func methods(method: String) async throws {
        try await withLimits { rig, origin async throws in
            origin.refuseOnce(tooMany("100", naming: "Tier Application"))
            let body = ["GET", "HEAD", "DELETE"].contains(method) ? nil : #"{"name":"x"}"#
            let client = try await rig.begin(
                method, "/clashdetection/tests/x", [("x-correlation-id", "h1")], body: body)
            try await rig.waitForQueue(1)
            rig.clock.advance(by: .milliseconds(99_999))
            #expect(try await rig.queued() == 1 && origin.count == 1, "a millisecond before its time")
            rig.clock.advance(by: .milliseconds(1_001))
            let answer = try await client.answer(to: method)
            #expect(answer.status == 200 && answer["Retry-After"] == nil && answer["Proxy-Status"] == nil)
            #expect((99.9...101.1).contains(answer.queueSeconds), "\(answer.queueSeconds)")
            let arrivals = origin.arrivals
            #expect(arrivals.count == 2 && arrivals[1].at - arrivals[0].at >= .seconds(100))
            #expect(arrivals.map(\.request.requestLine) == Array(repeating: arrivals[0].request.requestLine, count: 2))
            #expect(arrivals.allSatisfy { $0.request.text == body ?? "" })
            let line = try await rig.accessLog.line(with: " h1 ")
            #expect(line.contains(" 200 upstream answered ") && line.contains("attempts=2"), "\(line)")
            #expect(try await rig.figure("gate_upstream_refusals_total") == 1)
        }
    }

    @Test("the simulator's trap counts no call that came too early, however often upstream refuses")
    func trap() async throws {
        try await withTrap { rig async throws in
            rig.simulator.inject(
                .rateLimited(retryAfter: "7"), where: RequestFilter(target: "/reports"), times: 4)
            let client = try await rig.begin("GET", rig.list, [("x-correlation-id", "t1")])
            try await rig.pass(.seconds(60), step: .milliseconds(100)) { rig.simulator.counters.executed == 0 }
            #expect(try await client.answer().status == 200)
            #expect(rig.simulator.counters.rateLimited == 4)
            _ = try await rig.accessLog.line(with: " t1 ", "attempts=5")
        }
    }

    @Test("a delete that is refused for now is recorded once, with all its tries", arguments: ["v1", "v2"])
    func delete(version: String) async throws {
        try await withTrap { rig async throws in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            rig.simulator.inject(
                .rateLimited(retryAfter: "30"), where: RequestFilter(target: version == "v1" ? "/runs" : "/deletion"),
                times: 2)
            async let answer =
                version == "v1" ? rig.deleteRun(report, id: "d1") : rig.deleteReport(report, id: "d1")
            try await rig.waitForQueue(1)
            #expect(try rig.story(of: "d1") == ["intent"], "the intent is there before it is sent")
            try await rig.pass(.seconds(80), step: .milliseconds(500)) { rig.simulator.reportExists(report) }
            #expect(try await answer.status == (version == "v1" ? 204 : 202))
            #expect(try rig.story(of: "d1") == ["intent", "outcome deleted"])
            #expect(try rig.records(of: "d1").last?.line.attempts == 3)
            #expect(rig.simulator.recorded(RequestFilter(target: version == "v1" ? "/runs" : "/deletion")).count == 3)
        }
    }

    @Test("a 429 to the read before a delete holds the delete as well")
    func snapshot() async throws {
        try await withTrap(["audit.snapshot=true"]) { rig async throws in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            rig.simulator.inject(.rateLimited(retryAfter: "30"), where: RequestFilter(method: "GET"))
            async let answer = rig.deleteRun(report, id: "s1")
            try await rig.waitForQueue(1)
            #expect(rig.simulator.recorded(RequestFilter(method: "DELETE")).isEmpty)
            #expect(try rig.story(of: "s1").isEmpty, "it has no turn yet")
            try await rig.pass(.seconds(32), step: .milliseconds(500))
            #expect(try await answer.status == 204)
            #expect(try rig.story(of: "s1") == ["intent", "outcome deleted"])
        }
    }

    @Test("a delete that cannot wait for a 429 to the read before it is recorded once, as denied, and costs no budget")
    func snapshotRefused() async throws {
        try await withTrap(["audit.snapshot=true", "audit.delete_budget=1/1h"]) { rig async throws in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            rig.simulator.inject(.rateLimited(retryAfter: "30"), where: RequestFilter(method: "GET"))
            let refused = try await rig.deleteRun(report, id: "s2", [("Prefer", "wait=1")])
            refused.expectError(429, "TooManyRequests", reason: "rate-limited", retryAfter: 30...32)
            #expect(try rig.story(of: "s2") == ["denied"])
            #expect(rig.simulator.recorded(RequestFilter(method: "DELETE")).isEmpty)
            try await rig.pass(.seconds(40), step: .milliseconds(500))
            #expect(try await rig.deleteRun(report, id: "s3").status == 204, "the budget of one is still there")
        }
    }

    @Test("one intent and one outcome for a delete however often 429s hold its read and its sends")
    func manyRefusals() async throws {
        try await withTrap(["audit.snapshot=true"]) { rig async throws in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            rig.simulator.inject(.rateLimited(retryAfter: "5"), where: RequestFilter(method: "GET"))
            rig.simulator.inject(.rateLimited(retryAfter: "5"), where: RequestFilter(method: "DELETE"), times: 3)
            async let answer = rig.deleteRun(report, id: "s4")
            try await rig.waitForQueue(1)
            try await rig.pass(.seconds(60), step: .milliseconds(500)) { rig.simulator.reportExists(report) }
            #expect(try await answer.status == 204)
            #expect(try rig.story(of: "s4") == ["intent", "outcome deleted"])
            #expect(try rig.records(of: "s4").last?.line.attempts == 4)
        }
    }

    @Test("a 429 to the read that settles a delete holds what comes next")
    func settling() async throws {
        try await withTrap { rig async throws in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            rig.simulator.inject(.executeThenClose, where: RequestFilter(method: "DELETE"))
            rig.simulator.inject(.rateLimited(retryAfter: "30"), where: RequestFilter(method: "GET"))
            let answer = try await rig.deleteRun(report, id: "u1")
            answer.expectError(504, "OutcomeUnknown", reason: "outcome-unknown")
            #expect(try rig.story(of: "u1") == ["intent", "outcome unknown"])
            #expect(try await rig.isHeld(rig.list))
            rig.clock.advance(by: .seconds(32))
            #expect(try await rig.isHeld(rig.list) == false)
        }
    }

    @Test("503 with Retry-After is a wait as well; without one it is not")
    func unavailable() async throws {
        try await withLimits { rig, origin async throws in
            origin.refuseOnce(tooMany("100", status: "503 Service Unavailable"))
            let client = try await rig.begin("GET", "/clashdetection/tests")
            try await rig.waitForQueue(1)
            rig.clock.advance(by: .seconds(102))
            #expect(try await client.answer().status == 200)
            #expect(origin.count == 2 && origin.gaps[0] >= .seconds(100))
            // The ramp is over.
            rig.clock.advance(by: .seconds(5))
            origin.refuseOnce(tooMany(nil, status: "503 Service Unavailable"))
            let answer = try await rig.call("POST", "/clashdetection/tests", body: "{}")
            #expect(answer.status == 503 && answer.text.contains("FromUpstream"))
            #expect(origin.count == 3)
            #expect(try await rig.isHeld("/clashdetection/tests") == false)
            // Who changes something gets the answer, and who comes next waits all the same.
            origin.refuseOnce(tooMany("100", status: "503 Service Unavailable"))
            let told = try await rig.call("POST", "/clashdetection/tests", body: "{}")
            #expect(told.status == 503 && told["Retry-After"] == "100" && told["Proxy-Status"] == nil)
            #expect(origin.count == 5)
            #expect(try await rig.isHeld("/clashdetection/tests"))
        }
    }

    // MARK: A wait that is too long

    @Test(
        "a wait that is longer than the call may wait is told at once, in the words of its API",
        arguments: [
            ("/clashdetection/tests", "TooManyRequests"), ("/clash-detection/itwins/i/tests", "RateLimitExceeded"),
        ])
    func tooLong(target: String, code: String) async throws {
        try await withLimits(["rate.max_wait=30s"]) { rig, origin async throws in
            origin.refuseOnce(tooMany("300"))
            let first = try await rig.get(target)
            first.expectError(429, code, reason: "rate-limited", retryAfter: 300...302)
            #expect(first["Proxy-Status"]?.contains("error=connection_limit_reached") == true)
            #expect(first["RateLimit"]?.contains(";r=0;t=30") == true, "\(first["RateLimit"] ?? "none")")
            #expect(first["Server-Timing"]?.hasPrefix("queue;dur=") == true)
            // Whoever comes while it lasts is told without being sent, and told the same or later.
            rig.clock.advance(by: .seconds(100))
            let second = try await rig.get(target)
            second.expectError(429, code, reason: "rate-limited", retryAfter: 200...203)
            #expect(origin.count == 1)
            #expect(try await rig.figure(#"gate_refused_total{reason="cool-down"}"#) == 2)
            // What is left is less than it may wait.
            rig.clock.advance(by: .seconds(175))
            let third = try await rig.begin("GET", target)
            try await rig.waitForQueue(1)
            rig.clock.advance(by: .seconds(27))
            #expect(try await third.answer().status == 200)
            #expect(origin.count == 2)
        }
    }

    @Test("a delete that was sent and refused for too long is recorded so; the next is refused before it is sent")
    func deleteTooLong() async throws {
        try await withTrap(["rate.max_wait=30s"]) { rig async throws in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            rig.simulator.inject(.rateLimited(retryAfter: "300"), where: RequestFilter(method: "DELETE"))
            let first = try await rig.deleteRun(report, id: "l1")
            first.expectError(429, "TooManyRequests", reason: "rate-limited", retryAfter: 300...302)
            #expect(try rig.story(of: "l1") == ["intent", "outcome refused_upstream"])
            let outcome = try #require(try rig.records(of: "l1").last)
            #expect(outcome.line.status == 429 && outcome.line.attempts == 1)
            let second = try await rig.deleteReport(report, id: "l2")
            second.expectError(429, "RateLimitExceeded", reason: "rate-limited", retryAfter: 300...303)
            #expect(try rig.story(of: "l2") == ["denied"])
            #expect(rig.simulator.reportExists(report))
            #expect(rig.simulator.counters.apiCalls == 1)
        }
    }

    @Test("a call whose body is no JSON is sent again as well, with all its bytes")
    func otherBody() async throws {
        try await withLimits { rig, origin async throws in
            origin.refuseOnce(tooMany("100", naming: "Tier"))
            let client = try await rig.begin(
                "PUT", "/clashdetection/tests/x", [("Content-Type", "application/octet-stream")], body: "not JSON")
            try await rig.waitForQueue(1)
            #expect(try await rig.isHeld("/clashdetection/tests"), "what it says holds for the next")
            rig.clock.advance(by: .seconds(102))
            #expect(try await client.answer(to: "PUT").status == 200)
            #expect(origin.arrivals.map(\.request.text) == ["not JSON", "not JSON"])
        }
    }

    // MARK: How wide

    @Test(
        "the cause that a 429 names is what is closed",
        arguments: [
            ("Operation", [true, false, false]), ("Operation Application", [true, false, false]),
            ("API", [true, true, false]), ("API Operation", [true, true, false]),
            ("Tier", [true, true, true]), ("Application", [true, true, true]), ("", [true, true, true]),
            ("Tier Operation", [true, true, true]),
        ])
    func width(causes: String, closed: [Bool]) async throws {
        try await withLimits { rig, origin async throws in
            origin.refuseOnce(tooMany("100", naming: causes))
            let refused = try await rig.get(Path.reports, [("Prefer", "wait=0")])
            refused.expectError(429, "RateLimitExceeded", reason: "rate-limited", retryAfter: 100...102)
            let others = [Path.reports, Path.tests, "/clashdetection/tests?projectId=i"]
            for (target, isClosed) in zip(others, closed) {
                #expect(try await rig.isHeld(target) == isClosed, "\(causes): \(target)")
            }
            rig.clock.advance(by: .milliseconds(101_001))
            for target in others {
                #expect(try await rig.isHeld(target) == false, "\(causes): \(target)")
                // It opens slowly.
                rig.clock.advance(by: .milliseconds(1))
            }
        }
    }

    @Test("a later 429 only ever makes the pause longer")
    func extendsOnly() async throws {
        let reached = [Latch(), Latch()]
        let gates = [Latch(), Latch()]
        try await withLimits { rig, origin async throws in
            origin.become { number, _ in
                guard number <= 2 else { return ok }
                reached[number - 1].open()
                gates[number - 1].waitBlocking()
                return tooMany(number == 1 ? "100" : "5")
            }
            let first = try await rig.begin("GET", Path.tests)
            await reached[0].wait()
            let second = try await rig.begin("GET", Path.reports)
            await reached[1].wait()
            gates[0].open()
            try await rig.waitForQueue(1)
            gates[1].open()
            try await rig.waitForQueue(2)
            rig.clock.advance(by: .milliseconds(99_999))
            #expect(try await rig.queued() == 2 && origin.count == 2, "the shorter word does not count")
            rig.clock.advance(by: .milliseconds(1_001))
            try await rig.pass(.seconds(10))
            #expect(try await first.answer().status == 200)
            #expect(try await second.answer().status == 200)
        }
    }
}
