// Upstream that cannot be reached: after five attempts nobody waits for it any more, and one look at a time finds out when
// it is back. All times are on a clock that the test moves, but for the time that one attempt to connect may take.

import Synchronization
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct OutageTests {
    private static let tests = "/clashdetection/tests"

    /// A rig whose upstream has gone away.
    private func withOutage(
        _ flags: [String] = [], _ body: (Rig, ScriptedOrigin) async throws -> Void
    ) async throws {
        let server = origin(always: json(#"{"tests":[]}"#))
        defer { server.stop() }
        try await withRig { options in
            options.clock = ShiftedClock(isFrozen: true)
            options.origin = server
            options.flags = flags
        } _: { rig async throws in
            #expect(try await rig.get("\(Path.iTwin)/tests").status == 200)
            server.stop()
            try await eventually("closed") { server.isClosed }
            try await body(rig, server)
        }
    }

    /// Calls until upstream is known to be down.
    private func bringDown(_ rig: Rig, status: Int = 502) async throws {
        let word = status == 502 ? "UpstreamUnreachable" : "UpstreamTimeout"
        let reason = status == 502 ? "upstream-unreachable" : "upstream-timeout"
        var calls = 0
        while count(rig, "upstream is down") == 0, calls < 6 {
            calls += 1
            // A repeat waits for its time.
            let client = try await rig.begin("PUT", "\(Self.tests)/x", body: "{}")
            let hurry = Task { [clock = rig.clock] in
                while !Task.isCancelled {
                    try await Task.sleep(for: .milliseconds(5))
                    clock.advance(by: .milliseconds(20))
                }
            }
            defer { hurry.cancel() }
            try await client.answer(to: "PUT").expectError(status, word, reason: reason, retryAfter: 1...15)
        }
        #expect(calls == 2, "repeats count as attempts")
    }

    private func count(_ rig: Rig, _ text: String) -> Int {
        rig.applicationLog.lines.count { $0.contains(text) }
    }

    /// The port that upstream had, listened on again.
    private func comeBack(_ server: ScriptedOrigin) -> ScriptedOrigin {
        ScriptedOrigin(port: server.port) { connection in
            while true {
                _ = try connection.readRequest()
                try connection.send(ok)
            }
        }
    }

    @Test("after five attempts calls are refused at once, deletes are not_sent, and the first look that works ends it")
    func down() async throws {
        try await withOutage { rig, server async throws in
            try await bringDown(rig)
            for method in ["GET", "PUT"] {
                let answer = try await rig.call(method, Self.tests, body: method == "PUT" ? "{}" : nil)
                answer.expectError(502, "UpstreamUnreachable", reason: "upstream-unreachable", retryAfter: 1...15)
                #expect(answer.text.contains("Upstream is down"))
            }
            let delete = try await rig.call("DELETE", "/clashdetection/runs/x", [("x-correlation-id", "gone")])
            delete.expectError(502, "UpstreamUnreachable", reason: "upstream-unreachable", retryAfter: 1...15)
            #expect(try rig.story(of: "gone") == ["intent", "outcome not_sent"])
            #expect(try await rig.admin("/readyz").status == 200, "it is not our health")
            let again = comeBack(server)
            defer { again.stop() }
            #expect(try await rig.get(Self.tests).status == 502, "nobody has looked yet")
            rig.clock.advance(by: .seconds(1))
            try await eventually("it is back") { count(rig, "upstream is back") == 1 }
            try await eventually("the look is accepted") { again.acceptCount == 1 }
            #expect(again.receivedText.isEmpty, "it sent nothing")
            #expect(try await rig.get(Self.tests).status == 200)
            #expect(count(rig, "upstream is down") == 1 && count(rig, "upstream is back") == 1)
        }
    }

    @Test("looks come after 1, 2, 4, 8 and then 15 seconds, without traffic, and Retry-After follows them")
    func looks() async throws {
        try await withOutage { rig, server async throws in
            try await bringDown(rig)
            // The first comes within a second, as time went on since it went down.
            rig.clock.advance(by: .seconds(1))
            try await told(rig, 2)
            for (pause, next) in [(2, 4), (4, 8), (8, 15), (15, 15)] {
                rig.clock.advance(by: .milliseconds(pause * 1000 - 1))
                #expect(try await rig.get(Self.tests).retryAfter == 1, "no look yet")
                rig.clock.advance(by: .milliseconds(1))
                try await told(rig, next)
            }
            let again = comeBack(server)
            defer { again.stop() }
            rig.clock.advance(by: .milliseconds(14_900))
            try await Task.sleep(for: .milliseconds(20))
            #expect(again.acceptCount == 0)
            rig.clock.advance(by: .milliseconds(100))
            try await eventually("it is back") { count(rig, "upstream is back") == 1 }
            let line = try await rig.applicationLog.line(with: "upstream is back")
            #expect(line.contains("down_s"), "\(line)")
        }
    }

    /// Waits until a look has failed: then the refused are told when the next one comes.
    private func told(_ rig: Rig, _ seconds: Int) async throws {
        let deadline = ContinuousClock.now + .seconds(20)
        while try await rig.get(Self.tests).retryAfter != seconds {
            guard ContinuousClock.now < deadline else { throw RawClient.Trouble(description: "no look") }
        }
    }

    @Test("an upstream that hangs is a 504, before it is down and then")
    func hangs() async throws {
        let silent = SilentOrigin()
        try await withRig { options in
            options.clock = ShiftedClock(isFrozen: true)
            options.flags = ["upstream.url=\(silent.url)", "upstream.connect_timeout=150ms"]
        } _: { rig async throws in
            try await bringDown(rig, status: 504)
            let answer = try await rig.get(Self.tests)
            answer.expectError(504, "UpstreamTimeout", reason: "upstream-timeout", retryAfter: 1...15)
            #expect(answer.text.contains("Upstream is down"))
        }
    }

    @Test("those who wait for their turn are let go when it goes down")
    func waiting() async throws {
        let clock = ShiftedClock(isFrozen: true)
        let server = LimitedOrigin(clock) { _, _ in ok }
        defer { server.server.stop() }
        try await withRig { options in
            options.clock = clock
            options.origin = server.server
            options.flags = ["rate.windows=60/1m", "rate.max_wait=10m"]
        } _: { rig async throws in
            // Three of the burst are left at the start; then one a second.
            for _ in 0..<3 { #expect(try await rig.get(Self.tests).status == 200) }
            server.server.stop()
            try await eventually("closed") { server.server.isClosed }
            var clients: [RawClient] = []
            for _ in 0..<20 { clients.append(try await rig.begin("PUT", "\(Self.tests)/x", body: "{}")) }
            try await rig.waitForQueue(20)
            for _ in 0..<40 where count(rig, "upstream is down") == 0 {
                rig.clock.advance(by: .milliseconds(500))
                try await Task.sleep(for: .milliseconds(10))
            }
            // Those that were about to be repeated wait for that.
            rig.clock.advance(by: .seconds(1))
            for client in clients { #expect(try await client.answer(to: "PUT").status == 502) }
            #expect(try await rig.queued() == 0)
        }
    }

    @Test("stale pages go out while it is down, and say why")
    func stale() async throws {
        try await withOutage(["cache.enabled=true", "cache.stale_while_revalidate=0s"]) { rig, _ async throws in
            try await bringDown(rig)
            rig.clock.advance(by: .seconds(31))
            let answer = try await rig.get("\(Path.iTwin)/tests")
            #expect(answer.status == 200)
            let cache = answer["Cache-Status"] ?? ""
            #expect(cache.hasSuffix("; detail=upstream-unreachable"), "\(cache)")
        }
    }
}
