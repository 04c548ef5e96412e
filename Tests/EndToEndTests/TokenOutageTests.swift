// The token endpoint away for longer than a token lives, and secrets that change while the proxy runs.

import FoundationEssentials
import Proxy
import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct TokenOutageTests {
    @Test(
        "without a token endpoint: calls until the real expiry, then stored answers, then 503, then all by itself",
        arguments: [false, true])
    func outage(isSignedIn: Bool) async throws {
        try await withRig { options in
            options.signIn = isSignedIn ? .good : .none
            options.flags = ["cache.enabled=true", "cache.stale_if_error=1h"]
        } _: { rig in
            let other = "\(rig.v2)/reports?$top=3"
            #expect(try await rig.get(rig.list).status == 200)
            rig.simulator.inject(.html503, where: .token, times: nil)
            rig.clock.advance(by: .seconds(3_590))
            #expect(try await rig.get(rig.list).status == 200)
            let calls = rig.simulator.counters.apiCalls
            #expect(calls == 2, "asked anew with the token that still lives")

            // Past the token's end, and past stale_while_revalidate.
            rig.clock.advance(by: .seconds(70))
            let stale = try await rig.get(rig.list)
            #expect(stale.status == 200)
            #expect(
                stale["Cache-Status"]?.contains("detail=token-unavailable") == true, "\(stale["Cache-Status"] ?? "")")
            let missing = try await rig.get(other)
            missing.expectError(503, "TokenUnavailable", reason: "token-unavailable", retryAfter: 1...60)
            #expect(try await rig.admin("/readyz").status == 503)

            // Older than stale_if_error allows.
            rig.clock.advance(by: .seconds(3_700))
            try await rig.get(rig.list).expectError(
                503, "TokenUnavailable", reason: "token-unavailable", retryAfter: 1...60)
            #expect(rig.simulator.counters.apiCalls == calls, "nothing is sent without a token")

            rig.simulator.clearFaults()
            // The longest pause between two tries.
            rig.clock.advance(by: .seconds(31))
            #expect(try await rig.get(other).status == 200)
            #expect(try await rig.admin("/readyz").status == 200)
            #expect(rig.simulator.counters.refreshReuses == 0)
        }
    }

    @Test(
        "a token serves calls to the last moment of its life while the endpoint is down", arguments: [8, 3_600],
        [false, true])
    func lastMoment(life: Int, isSignedIn: Bool) async throws {
        try await withRig { options in
            options.clock = ShiftedClock(isFrozen: true)
            options.simulator.tokenLifetime = .seconds(life)
            options.signIn = isSignedIn ? .good : .none
        } _: { rig in
            #expect(try await rig.get(rig.list).status == 200)
            rig.simulator.inject(.html503, where: .token, times: nil)
            var age = 0
            // Early in its last fifth, then in its last moment.
            for next in [life * 800 + 500, life * 1_000 - 1] {
                rig.clock.advance(by: .milliseconds(next - age))
                age = next
                #expect(try await rig.get(rig.list).status == 200, "at \(age) ms of \(life) s")
                #expect(try await rig.admin("/readyz").status == 200)
            }
            rig.clock.advance(by: .milliseconds(2))
            try await rig.get(rig.list).expectError(
                503, "TokenUnavailable", reason: "token-unavailable", retryAfter: 1...60)
        }
    }

    @Test("the endpoint's return is noticed without a call, within the pause between two tries")
    func noticed() async throws {
        try await withRig { options in
            options.signIn = .good
            options.faults = [PlannedFault(.reset, where: .token)]
        } _: { rig in
            try await eventually("a failure") { rig.sidecar.notReadyReasons.contains { $0.contains("reached") } }
            for _ in 0..<5 { rig.clock.advance(by: .seconds(31)) }
            rig.simulator.clearFaults()
            rig.clock.advance(by: .seconds(31))
            try await eventually("ready") { rig.sidecar.notReadyReasons.isEmpty }
            #expect(rig.simulator.counters.apiCalls == 0)
        }
    }

    @Test("client_secret_file may be exchanged while the proxy runs: the next token request shows the new secret")
    func rotatedSecret() async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let file = folder.path + "/secret"
        func put(_ secret: String) throws { try Data("\(secret)\n".utf8).write(to: URL(filePath: file)) }
        try put("demo-secret")
        try await withRig { options in
            options.flags = ["token.client_secret=", "token.client_secret_file=\(file)"]
            options.simulator.clients.append(OAuthClient(id: "demo", secret: "secret two"))
        } _: { rig in
            #expect(try await rig.get(rig.list).status == 200)
            try put("secret two")
            rig.clock.advance(by: .seconds(3_700))
            #expect(try await rig.get(rig.list).status == 200)
            let shown = rig.simulator.recorded(.token).map { $0[header: "Authorization"] }
            #expect(shown.count == 2 && shown[0] != shown[1])

            try put("wrong")
            rig.clock.advance(by: .seconds(3_700))
            let refused = try await rig.get(rig.list)
            refused.expectError(503, "TokenUnavailable", reason: "token-unavailable", retryAfter: 1...60)
            #expect(refused.text.contains("invalid_client"))
            try put("demo-secret")
            rig.clock.advance(by: .seconds(31))
            #expect(try await rig.get(rig.list).status == 200)
            for text in [rig.applicationLog.text, refused.text] {
                #expect(!text.contains("secret two") && !text.contains("demo-secret"))
            }
        }
    }

    @Test("extra parameters stand in every token request")
    func extraParameters() async throws {
        try await withRig { options in
            options.flags = ["token.extra_parameters=[\"audience=https://a.example/?x=1&y\", \"resource=two words\"]"]
        } _: { rig in
            #expect(try await rig.get(rig.list).status == 200)
            let form = try #require(rig.simulator.recorded(.token).first).text
            #expect(form.hasSuffix("&audience=https%3A%2F%2Fa.example%2F%3Fx%3D1%26y&resource=two%20words"))
        }
    }
}
