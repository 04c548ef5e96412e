// Where the time of a call went: parts that add up, in Server-Timing and in the access log; and no wait, for a token
// neither, that is longer than the tool allows.

import FoundationEssentials
import Proxy
import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct CallTimesTests {
    /// `name;dur=…` or `name=…ms`, in milliseconds.
    private func part(_ name: String, _ text: String) -> Double? {
        for (start, end) in [("\(name);dur=", ","), (" \(name)=", "ms")] {
            guard let range = text.firstRange(of: start) else { continue }
            let rest = text[range.upperBound...]
            return Double(rest[..<(rest.firstRange(of: end)?.lowerBound ?? rest.endIndex)])
        }
        return nil
    }

    private static let parts = ["queue", "token", "audit", "upstream", "other"]

    @Test("the parts of a delete's time add up: what is read before it and after it is its audit part")
    func delete() async throws {
        // Each answer takes two seconds of a clock that nothing else moves.
        let clock = ShiftedClock(isFrozen: true)
        let server = LimitedOrigin(clock) { _, request in
            clock.advance(by: .seconds(2))
            return request.requestLine.hasPrefix("GET")
                ? json(#"{"run":{"id":"x"}}"#) : json("{}", status: "204 No Content")
        }
        defer { server.server.stop() }
        try await withRig { options in
            options.clock = clock
            options.origin = server.server
            options.flags = ["audit.snapshot=true"]
        } _: { rig async throws in
            let answer = try await rig.call("DELETE", "/clashdetection/runs/x", [("x-correlation-id", "t1")])
            let timing = answer["Server-Timing"] ?? ""
            #expect(
                timing == "queue;dur=0.0, token;dur=0.0, audit;dur=2000.0, upstream;dur=2000.0", "\(timing)")
            let line = try await rig.accessLog.line(with: " t1 ")
            #expect(line.contains(" audit=2000.0ms upstream=2000.0ms other=0.0ms "), "\(line)")
            #expect(part("total", line) == 4_000, "\(line)")
        }
    }

    @Test("in every line of the log the parts add up to the whole, whatever the call was")
    func everyLine() async throws {
        try await withRig { options in
            options.flags = ["audit.snapshot=true", "cache.enabled=true"]
            options.simulator.latency = .milliseconds(30)
        } _: { rig async throws in
            let reports = rig.simulator.reportIDs(iTwin: rig.iTwin)
            for _ in 0..<2 { #expect(try await rig.get(rig.list).status == 200) }
            #expect(try await rig.deleteReport(reports[0], id: "a").status == 202)
            #expect(try await rig.deleteRun(reports[1], id: "b").status == 204)
            rig.simulator.inject(.executeThenClose, where: RequestFilter(method: "DELETE"))
            #expect(try await rig.deleteRun(reports[2], id: "c").status == 204)
            #expect(try await rig.get("/nowhere").status == 404)
            try await eventually("all lines") { rig.accessLog.lines.count >= 6 }
            for line in rig.accessLog.lines {
                let parts = Self.parts.compactMap { part($0, line) }
                let total = try #require(part("total", line))
                #expect(parts.count == Self.parts.count, "\(line)")
                #expect(abs(parts.reduce(0, +) - total) <= max(total / 20, 0.6), "\(line)")
            }
        }
    }

    @Test("who waits for a shared read waits for its token no longer than allowed, and is told so")
    func tokenWaitOfRead() async throws {
        try await withRig { options in
            options.clock = ShiftedClock(isFrozen: true)
            options.faults = [PlannedFault(.hang, where: .token)]
            options.flags = ["cache.enabled=true"]
        } _: { rig async throws in
            let hurried = try await rig.get(rig.list, [("Prefer", "wait=0")])
            hurried.expectError(429, "RateLimitExceeded", reason: "rate-limited", retryAfter: 1...60)
            try await rig.settle()
            let patient = try await rig.begin("GET", rig.list, [("Prefer", "wait=9")])
            while try await rig.figure("in_flight") == 0 { try await Task.sleep(for: .milliseconds(2)) }
            let client = try await rig.begin(
                "GET", "\(rig.v2)/tests", [("Prefer", "wait=5"), ("x-correlation-id", "r1")])
            while try await rig.figure("in_flight") == 1 { try await Task.sleep(for: .milliseconds(2)) }
            rig.clock.advance(by: .seconds(5))
            let late = try await client.answer()
            late.expectError(429, "RateLimitExceeded", reason: "rate-limited", retryAfter: 1...60)
            #expect(late.text.contains("token"))
            let line = try await rig.accessLog.line(with: " r1 ")
            #expect(line.contains(" token=5000.0ms ") && line.contains("attempts=0"), "\(line)")
            while try await rig.figure("in_flight") > 1 { try await Task.sleep(for: .milliseconds(2)) }
            #expect(try await rig.figure("in_flight") == 1, "the other waits on")
            patient.close()
            rig.simulator.releaseHeld()
        }
    }

    @Test("a shared read that is refused or abandoned says what its one fetch took so far")
    func sharedRead() async throws {
        let gate = Latch()
        let clock = ShiftedClock(isFrozen: true)
        let server = LimitedOrigin(clock) { _, request in
            clock.advance(by: .seconds(2))
            if request.requestLine.contains("/tests") { gate.waitBlocking() }
            return tooMany("50", naming: "Operation")
        }
        defer {
            gate.open()
            server.server.stop()
        }
        try await withRig { options in
            options.clock = clock
            options.origin = server.server
            options.flags = ["cache.enabled=true"]
        } _: { rig async throws in
            let client = try await rig.begin("GET", Path.tests, [("x-correlation-id", "s1")])
            try await eventually("it is sent") { server.count == 1 }
            client.close()
            let left = try await rig.accessLog.line(with: " s1 ")
            #expect(left.contains("caller-left:sent") && left.contains("attempts=1"), "\(left)")
            #expect(left.contains(" upstream=2000.0ms other=0.0ms "), "\(left)")
            let refused = try await rig.get(Path.reports, [("x-correlation-id", "s2"), ("Prefer", "wait=4")])
            refused.expectError(429, "RateLimitExceeded", reason: "rate-limited", retryAfter: 50...60)
            let timing = refused["Server-Timing"] ?? ""
            #expect(timing.hasSuffix("upstream;dur=2000.0"), "\(timing)")
            let line = try await rig.accessLog.line(with: " s2 ")
            #expect(line.contains("attempts=1") && line.contains(" other=0.0ms "), "\(line)")
        }
    }

    @Test("the wait for a token counts: a call that cannot have one in time is refused with a Retry-After")
    func tokenWait() async throws {
        try await withRig { options in
            options.clock = ShiftedClock(isFrozen: true)
            options.faults = [PlannedFault(.hang, where: .token)]
        } _: { rig async throws in
            let hurried = try await rig.get(rig.list, [("Prefer", "wait=0")])
            hurried.expectError(429, "RateLimitExceeded", reason: "rate-limited", retryAfter: 1...60)
            #expect(hurried.text.contains("token"))
            let client = try await rig.begin(
                "DELETE", "/clashdetection/runs/x", [("Prefer", "wait=5"), ("x-correlation-id", "w1")])
            while try await rig.figure("in_flight") == 0 { try await Task.sleep(for: .milliseconds(2)) }
            rig.clock.advance(by: .milliseconds(4_999))
            #expect(try await rig.figure("in_flight") == 1, "it still waits")
            rig.clock.advance(by: .milliseconds(1))
            let late = try await client.answer(to: "DELETE")
            late.expectError(429, "TooManyRequests", reason: "rate-limited", retryAfter: 1...60)
            let line = try await rig.accessLog.line(with: " w1 ")
            #expect(line.contains(" token=5000.0ms ") && line.contains("attempts=0"), "\(line)")
            #expect(try rig.story(of: "w1") == ["denied"], "it was never sent")
            rig.simulator.releaseHeld()
        }
    }
}
