// A place upstream is as long as its call, and no caller has more of them than its share.

import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct RatePlaceTests {
    @Test("a tool that does not read its answer holds no place once the answer was taken off upstream")
    func slowReader() async throws {
        let body = String(repeating: "x", count: 120_000)
        try await withLimits(["rate.max_in_flight=1"]) { rig, origin async throws in
            origin.become { _, _ in json("\"\(body)\"") }
            let slow = try await rig.begin("GET", "/clashdetection/tests")
            try await eventually("it was sent") { origin.count == 1 }
            for number in 2...4 {
                #expect(try await rig.get("/clashdetection/tests?n=\(number)").status == 200)
            }
            #expect(try await slow.answer().text.count == body.count + 2)
        }
    }

    @Test("nor does one whose large answer is nobody else's", arguments: [false, true])
    func slowLargeReader(cache: Bool) async throws {
        let body = String(repeating: "x", count: 12 << 20)
        try await withLimits(["rate.max_in_flight=1", "cache.enabled=\(cache)"]) { rig, origin async throws in
            origin.become { _, request in
                request.requestLine.contains("large") ? json("\"\(body)\"", headers: "Set-Cookie: a=b\r\n") : ok
            }
            let slow = try await rig.begin("GET", "/clashdetection/tests?large")
            try await eventually("it was sent") { origin.count == 1 }
            for number in 2...4 {
                #expect(try await rig.get("/clashdetection/tests?n=\(number)").status == 200)
            }
            #expect(try await slow.answer().text.count == body.count + 2)
        }
    }

    @Test("an answer without room is under way as long as its tool reads, and such have half of the places")
    func noRoom() async throws {
        let body = String(repeating: "x", count: 12 << 20)
        let flags = ["rate.max_in_flight=2", "listen.max_held_bytes=256KiB"]
        try await withLimits(flags) { rig, origin async throws in
            origin.become { _, request in request.requestLine.contains("large") ? json("\"\(body)\"") : ok }
            let first = try await rig.begin("GET", "/clashdetection/tests?large=1", [("Connection", "close")])
            #expect(try await first.responseHead().status == 200)
            let second = try await rig.begin("GET", "/clashdetection/tests?large=2")
            #expect(
                try await second.readToEnd().count < body.count, "its head is out: it is cut, and holds no other place")
            for number in 1...3 {
                #expect(try await rig.get("/clashdetection/tests?n=\(number)").status == 200)
            }
            #expect(try await first.drainToEnd() >= body.count)
        }
    }

    @Test(
        "nor do large answers that are nobody else's take more than half of the places",
        arguments: ["Set-Cookie: a=b", "Cache-Control: no-store"], [true, false])
    func largeAlone(field: String, cache: Bool) async throws {
        let body = "\"\(String(repeating: "x", count: 8_000_000))\""
        let flags = ["cache.enabled=\(cache)", "cache.max_entry_bytes=64KiB", "rate.max_in_flight=2"]
        try await withLimits(flags) { rig, origin async throws in
            origin.become { _, request in
                request.requestLine.contains("large") ? json(body, headers: field + "\r\n") : json("{}")
            }
            let first = try await rig.begin("GET", "\(Path.tests)?large=1")
            #expect(try await first.responseHead().status == 200)
            let refused = try await rig.get("\(Path.tests)?large=2", [("Prefer", "wait=0")])
            refused.expectError(429, "RateLimitExceeded", reason: "rate-limited", retryAfter: 1...1)
            let second = try await rig.begin("GET", "\(Path.tests)?large=3")
            try await rig.waitForQueue(1)
            #expect(try await rig.get("\(Path.tests)?small=1").status == 200)
            first.close()
            #expect(try await second.answer().text.count == body.count)
        }
    }

    @Test("the answer to a change is passed on whole, whatever else is under way: it was carried out")
    func largeAnswerToChange() async throws {
        let body = String(repeating: "x", count: 12 << 20)
        let flags = ["rate.max_in_flight=2", "listen.max_held_bytes=256KiB"]
        try await withLimits(flags) { rig, origin async throws in
            origin.become { _, request in request.requestLine.contains("large") ? json("\"\(body)\"") : ok }
            let first = try await rig.begin("GET", "/clashdetection/tests?large")
            #expect(try await first.responseHead().status == 200)
            let change = try await rig.call("PUT", "/clashdetection/tests/large", body: "{}")
            #expect(change.status == 200 && change.text.count == body.count + 2)
            first.close()
        }
    }

    @Test("a caller at its share is refused in words that name no rate, and holds up nobody else")
    func share() async throws {
        let callers = try RateCallers([("greedy", "max_in_flight = 2"), ("modest", "")])
        let release = Latch()
        try await withLimits(["rate.max_in_flight=4"], file: callers.tables) { rig, origin async throws in
            origin.become { _, request in
                if request.requestLine.contains("slow") { release.waitBlocking() }
                return ok
            }
            var slow: [RawClient] = []
            for number in 0..<4 {
                slow.append(try await rig.begin("GET", "/clashdetection/tests?slow=\(number)", [callers.key("greedy")]))
            }
            try await rig.waitForQueue(2)
            let refused = try await rig.get("/clashdetection/tests", [callers.key("greedy"), ("Prefer", "wait=0")])
            refused.expectError(429, "TooManyRequests", reason: "rate-limited", retryAfter: 1...1)
            #expect(refused.text.contains("no rate limit is the cause"))
            #expect(refused.text.contains("The caller 'greedy' has as many calls"), "\(refused.text)")
            for _ in 0..<5 {
                #expect(try await rig.get("/clashdetection/tests", [callers.key("modest")]).status == 200)
            }
            release.open()
            for client in slow { #expect(try await client.answer().status == 200) }
            #expect(try await rig.figure(#"gate_refused_total{reason="places"}"#) == 1)
        }
    }

    @Test(
        "answers too large to hold take half of the places; the next waits for one of them, whether that was known or not"
    )
    func large() async throws {
        let body = "\"\(String(repeating: "x", count: 8_000_000))\""
        let flags = ["cache.enabled=true", "cache.max_entry_bytes=64KiB", "rate.max_in_flight=2"]
        try await withLimits(flags) { rig, origin async throws in
            origin.become { _, request in request.requestLine.contains("large") ? json(body) : json("{}") }
            let first = try await rig.begin("GET", "\(Path.tests)?large=1")
            #expect(try await first.responseHead().status == 200)
            let refused = try await rig.get("\(Path.tests)?large=2", [("Prefer", "wait=0")])
            refused.expectError(429, "RateLimitExceeded", reason: "rate-limited", retryAfter: 1...1)
            #expect(refused.text.contains("too large to be held") && refused.text.contains("no rate limit"))
            #expect(try await rig.get("\(Path.tests)?small=1").status == 200, "half of the places are left to others")
            let second = try await rig.begin("GET", "\(Path.tests)?large=2")
            try await rig.waitForQueue(1)
            #expect(origin.arrivals("large=2").count == 1, "it is not sent for nothing again")
            let third = try await rig.begin("GET", "\(Path.tests)?large=3", [("Prefer", "wait=20")])
            try await rig.waitForQueue(2)
            #expect(origin.arrivals("large=3").count == 1, "found out by its answer")
            #expect(try await rig.get("\(Path.tests)?small=2").status == 200, "they hold up nobody")
            rig.clock.advance(by: .seconds(20))
            let late = try await third.answer()
            late.expectError(429, "RateLimitExceeded", reason: "rate-limited", retryAfter: 1...1)
            #expect(late.text.contains("too large to be held"))
            first.close()
            #expect(try await second.answer().text.count == body.count)
            #expect(origin.arrivals("large=2").count == 2 && origin.arrivals("large=3").count == 1)
        }
    }

    @Test("when all places are taken the refusal says so, and invents no seconds")
    func full() async throws {
        let release = Latch()
        try await withLimits(["rate.max_in_flight=2", "rate.max_wait=5s"]) { rig, origin async throws in
            origin.become { _, request in
                if request.requestLine.contains("slow") { release.waitBlocking() }
                return ok
            }
            var slow: [RawClient] = []
            for number in 0..<2 { slow.append(try await rig.begin("GET", "/clashdetection/tests?slow=\(number)")) }
            try await eventually("both were sent") { origin.count == 2 }
            let late = try await rig.begin("GET", "/clashdetection/tests")
            try await rig.waitForQueue(1)
            rig.clock.advance(by: .seconds(5))
            let refused = try await late.answer()
            refused.expectError(429, "TooManyRequests", reason: "rate-limited", retryAfter: 1...1)
            #expect(refused.text.contains("All places upstream are taken"))
            release.open()
            for client in slow { #expect(try await client.answer().status == 200) }
        }
    }
}
