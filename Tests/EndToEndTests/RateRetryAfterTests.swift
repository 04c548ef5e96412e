// What upstream says about when to come back, in all its spellings, and the default where it says nothing usable.

import Proxy
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct RateRetryAfterTests {
    /// What our own 429 tells after upstream's, with nobody willing to wait.
    private func told(_ rig: Rig, _ origin: LimitedOrigin, _ refusal: String) async throws -> Int {
        origin.refuseOnce(refusal)
        let answer = try await rig.get(Path.tests, [("Prefer", "wait=0")])
        answer.expectError(429, "RateLimitExceeded", reason: "rate-limited", retryAfter: 1...90_000)
        return answer.retryAfter
    }

    @Test("seconds are believed up to a day", arguments: [1, 59, 3600, 86_400])
    func seconds(seconds: Int) async throws {
        try await withLimits { rig, origin async throws in
            let wait = try await told(rig, origin, tooMany("\(seconds)"))
            #expect((seconds...seconds + 2).contains(wait), "\(wait)")
            rig.clock.advance(by: .milliseconds(seconds * 1000 - 1))
            #expect(try await rig.isHeld(Path.tests))
            // Jitter: a twentieth, a second at most.
            rig.clock.advance(by: .milliseconds(min(seconds * 50, 1000) + 1))
            // No token is used for longer than a day: who does not wait at all must not ask before there is a new one.
            try await eventually("there is a token") { rig.sidecar.notReadyReasons.isEmpty }
            #expect(try await rig.isHeld(Path.tests) == false)
        }
    }

    @Test(
        "what cannot be believed counts as ten seconds",
        arguments: [
            nil, "", "  ", "0", "-5", "+5", "soon", "86401", ",", "0.0", "99999999999999999999999999",
            "Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 32 Jan 2100 00:00:00 GMT", "2100-01-01T00:00:00Z",
        ])
    func odd(value: String?) async throws {
        try await withLimits { rig, origin async throws in
            let wait = try await told(rig, origin, tooMany(value))
            #expect((10...12).contains(wait), "\(wait)")
            rig.clock.advance(by: .milliseconds(9_999))
            #expect(try await rig.isHeld(Path.tests))
            rig.clock.advance(by: .milliseconds(502))
            #expect(try await rig.isHeld(Path.tests) == false)
        }
    }

    @Test("without a word the waits double with each refusal, up to a quarter of an hour")
    func doubles() async throws {
        try await withLimits { rig, origin async throws in
            for expected in [10, 20, 40, 80, 160, 320, 640, 900, 900] {
                let wait = try await told(rig, origin, tooMany(nil))
                #expect((expected...expected + 2).contains(wait), "\(wait) instead of \(expected)")
                rig.clock.advance(by: .milliseconds(expected * 1000 + 1001))
            }
        }
    }

    @Test("a date is measured against the answer's own Date, not against our clock", arguments: [-7200, 0, 7200])
    func date(skew: Int) async throws {
        try await withLimits { rig, origin async throws in
            let upstreamNow = httpDate(rig, skew)
            let wait = try await told(
                rig, origin, tooMany(httpDate(rig, skew + 90), headers: "Date: \(upstreamNow)\r\n"))
            #expect((90...92).contains(wait), "\(wait)")
        }
    }

    @Test("a date in an answer without Date is measured against our clock")
    func dateWithoutDate() async throws {
        try await withLimits { rig, origin async throws in
            let wait = try await told(rig, origin, tooMany(httpDate(rig, 90)))
            #expect((90...92).contains(wait), "\(wait)")
        }
    }

    @Test("blanks around it do not matter, and the older header counts where there is no other")
    func spellings() async throws {
        try await withLimits { rig, origin async throws in
            #expect((100...102).contains(try await told(rig, origin, tooMany(" \t100 \t"))))
        }
        try await withLimits { rig, origin async throws in
            let older = "iTwinPlatform-RateLimit-Retry-After-Seconds: 100\r\n"
            #expect((100...102).contains(try await told(rig, origin, tooMany(nil, headers: older))))
        }
        try await withLimits { rig, origin async throws in
            let older = "iTwinPlatform-RateLimit-Retry-After-Seconds: 500\r\n"
            #expect((100...102).contains(try await told(rig, origin, tooMany("100", headers: older))))
        }
    }

    @Test("of several values the longest counts, fractions are rounded up, and a blank one is none")
    func several() async throws {
        let older = "iTwinPlatform-RateLimit-Retry-After-Seconds: 100\r\n"
        let refusals: [(String, seconds: Int)] = [
            (tooMany("20", headers: "Retry-After: 60\r\n"), 60), (tooMany("60", headers: "Retry-After: 20\r\n"), 60),
            (tooMany("20, 60, 5"), 60), (tooMany("59.2"), 60), (tooMany(" ", headers: older), 100),
            (tooMany("", headers: older + "iTwinPlatform-RateLimit-Retry-After-Seconds: 30, 200\r\n"), 200),
        ]
        for (refusal, seconds) in refusals {
            try await withLimits { rig, origin async throws in
                let wait = try await told(rig, origin, refusal)
                #expect((seconds...seconds + 2).contains(wait), "\(wait) for \(refusal)")
                rig.clock.advance(by: .milliseconds(seconds * 1000 - 1))
                #expect(try await rig.isHeld(Path.tests), "called on too early: \(refusal)")
            }
        }
    }

    @Test("dates stand in lists too, each against the answer's own Date")
    func listOfDates() async throws {
        try await withLimits { rig, origin async throws in
            let dates = "\(httpDate(rig, 30)), \(httpDate(rig, 90)), 20"
            let wait = try await told(rig, origin, tooMany(dates, headers: "Date: \(httpDate(rig, 0))\r\n"))
            #expect((90...92).contains(wait), "\(wait)")
        }
    }

    @Test("those who are refused together are told to come back one after the other, none too early")
    func personal() async throws {
        try await withLimits(["rate.windows=60/1m"]) { rig, origin async throws in
            _ = try await told(rig, origin, tooMany("100"))
            var waits: [Int] = []
            // Another call each time: the same one again is told its own time again.
            for number in 0..<20 {
                waits.append(try await rig.get(Path.tests + "?$top=\(number)", [("Prefer", "wait=0")]).retryAfter)
            }
            #expect(waits.allSatisfy { $0 >= 100 } && waits == waits.sorted(), "\(waits)")
            #expect(Set(waits).count >= 10, "one call a second: \(waits)")
            #expect(origin.count == 1)
        }
    }
}
