// A caller's own windows: hard caps that are not spread, and a 429 that says whose limit it is.

import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct RateCallerTests {
    @Test("up to its cap a caller goes at once, beyond it waits or is told whose limit it is; others go on")
    func cap() async throws {
        let callers = try RateCallers([("greedy", #"windows = ["3/1m"]"#), ("second", "")])
        try await withLimits(file: callers.tables) { rig, origin in
            for number in 0..<3 {
                let answer = try await rig.get("\(Path.iTwin)/tests/\(number)", [callers.key("greedy")])
                #expect(answer.status == 200 && answer.queueSeconds == 0, "not spread")
                #expect(answer["RateLimit"]?.contains("\"own:3/1m\";r=\(2 - number)") == true, "\(answer.headers)")
            }
            let refused = try await rig.get(
                "\(Path.iTwin)/tests/3", [callers.key("greedy"), ("Prefer", "wait=30"), ("x-correlation-id", "r3")])
            refused.expectError(429, "RateLimitExceeded", reason: "rate-limited", retryAfter: 59...61)
            #expect(refused.text.contains("'greedy' has used up its own limit of 3/1m"), "\(refused.text)")
            #expect(try await rig.accessLog.line(with: " r3 ").contains("caller-windows"))
            try await rig.get("/clashdetection/tests/x", [callers.key("greedy"), ("Prefer", "wait=0")])
                .expectError(429, "TooManyRequests", reason: "rate-limited", retryAfter: 59...300)
            #expect(try await rig.figure("gate_refused_total{reason=\"caller-windows\"}") == 2)
            #expect(try await rig.get("\(Path.iTwin)/tests/4", [callers.key("second")]).status == 200)
            let waiting = try await rig.begin("GET", "\(Path.iTwin)/tests/5", [callers.key("greedy")])
            try await rig.waitForQueue(1)
            rig.clock.advance(by: .milliseconds(59_900))
            #expect(try await rig.queued() == 1)
            rig.clock.advance(by: .milliseconds(200))
            #expect(try await waiting.answer().status == 200)
            #expect(origin.count == 5)
        }
    }

    @Test("in no span of its window does a caller have more calls than its cap, however many it sends")
    func never() async throws {
        let callers = try RateCallers([("greedy", #"windows = ["5/10s", "12/1m"]"#)])
        try await withLimits(file: callers.tables) { rig, origin in
            var clients: [RawClient] = []
            for number in 0..<30 {
                clients.append(try await rig.begin("GET", "\(Path.iTwin)/tests/\(number)", [callers.key("greedy")]))
            }
            try await rig.waitForCalls(30) { origin.count }
            try await rig.pass(.seconds(200), step: .milliseconds(500)) { origin.count < 30 }
            for client in clients { #expect(try await client.answer().status == 200) }
            let (ten, minute) = (origin.most(in: .seconds(10)), origin.most(in: .seconds(60)))
            #expect(ten == 5)
            #expect(minute == 12)
        }
    }

    @Test("a read that waits for its caller's own window keeps nobody else from the same answer; hits cost nothing")
    func shared() async throws {
        let callers = try RateCallers([("greedy", #"windows = ["1/1m"]"#), ("second", "")])
        try await withLimits(["cache.enabled=true"], file: callers.tables) { _, _ in
            json(#"{"test":{"id":"t"}}"#)
        } _: { rig, origin in
            #expect(try await rig.get("\(Path.iTwin)/tests/0", [callers.key("greedy")]).status == 200)
            let waiting = try await rig.begin("GET", "\(Path.iTwin)/tests/1", [callers.key("greedy")])
            try await rig.waitForQueue(1)
            #expect(try await rig.get("\(Path.iTwin)/tests/1", [callers.key("second")]).status == 200)
            for _ in 0..<5 {
                let hit = try await rig.get("\(Path.iTwin)/tests/0", [callers.key("greedy")])
                #expect(hit.status == 200 && hit["Cache-Status"]?.contains("hit") == true)
            }
            rig.clock.advance(by: .seconds(61))
            #expect(try await waiting.answer().status == 200)
            #expect(origin.count <= 3)
        }
    }
}
