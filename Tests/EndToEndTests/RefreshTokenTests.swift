// `refresh_token` mode against an issuer that rotates and revokes the whole sign-in when a refresh token is used twice.

import FoundationEssentials
import Glibc
import Proxy
import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct RefreshTokenTests {
    @Test("the first call spends the refresh token, and its successor is on disk before the call is sent")
    func first() async throws {
        try await withRig { options in
            options.signIn = .good
        } _: { rig in
            let state = rig.signIn
            let before = try state.read()
            #expect(try await rig.get(rig.list).status == 200)
            let after = try state.read()
            #expect(after.refresh != before.refresh && state.mode == 0o600)
            let sent = try #require(rig.simulator.recorded(RequestFilter(target: "/reports")).first)
            #expect(sent[header: "Authorization"] == "Bearer \(after.access ?? "none")")
            #expect(rig.simulator.accepts(refreshToken: after.refresh))
            #expect(!rig.simulator.accepts(refreshToken: before.refresh))
            for secret in [before.refresh, after.refresh, after.access ?? ""] {
                #expect(!rig.applicationLog.text.contains(secret) && !rig.accessLog.text.contains(secret))
            }
            let form = rig.simulator.recorded(.token).map(\.text)
            #expect(form == ["grant_type=refresh_token&refresh_token=\(before.refresh)"])
        }
    }

    @Test("a restart uses the token that is still good, and asks nobody")
    func restart() async throws {
        try await withRig { options in
            options.signIn = .good
        } _: { rig in
            #expect(try await rig.get(rig.list).status == 200)
            let (sidecar, port) = try await rig.startAnother(audit: "audit-2")
            let client = try RawClient(port: port)
            #expect(try await client.exchange(rig.request("GET", rig.list)).status == 200)
            client.close()
            #expect(rig.simulator.counters.tokenRequests == 1)
            #expect(await sidecar.drain())
        }
    }

    @Test("two proxies on one sign-in renew it once, and both go on")
    func twoProxies() async throws {
        try await withRig { options in
            options.signIn = .good
            options.flags = ["rate.windows=[]", "rate.max_wait=24h"]
        } _: { rig in
            let (other, otherPort) = try await rig.startAnother(audit: "audit-2")
            let ports = [rig.port, otherPort]
            for port in ports { try await rig.waitForNewestToken(at: port) }
            let rounds = 40
            for round in 1...rounds {
                // In the time of renewal, and after the token's end.
                rig.clock.advance(by: .seconds(round % 2 == 0 ? 3_400 : 3_700))
                try await withThrowingTaskGroup(of: RawResponse.self) { group in
                    for index in 0..<8 {
                        group.addTask {
                            let client = try RawClient(port: ports[index % 2])
                            defer { client.close() }
                            return try await client.exchange(rig.request("GET", rig.list))
                        }
                    }
                    for try await answer in group { #expect(answer.status == 200, "\(round): \(answer.text)") }
                }
                // The clock is not moved in the middle of a renewal.
                try await eventually("both have the new token") { rig.simulator.counters.tokensIssued > round }
                for port in ports { try await rig.waitForNewestToken(at: port) }
            }
            let counters = rig.simulator.counters
            #expect(counters.refreshReuses == 0)
            #expect(counters.tokensIssued == rounds + 1, "each renewal is one request, whoever makes it")
            #expect(rig.sidecar.notReadyReasons.isEmpty && other.notReadyReasons.isEmpty)
            #expect(await other.drain())
        }
    }

    @Test("a refresh token that was replaced meanwhile is no reason to give up: the file is read again")
    func replaced() async throws {
        try await withRig { options in
            options.signIn = .good
        } _: { rig in
            #expect(try await rig.get(rig.list).status == 200)
            rig.simulator.revokeTokens(includingRefreshTokens: true)
            rig.simulator.inject(.executeThenHang, where: .token)
            rig.clock.advance(by: .seconds(3_700))
            async let answer = rig.get(rig.list)
            #expect(await rig.simulator.waitForRequests(2, where: .token))
            // Somebody signs in while the old token is being refused.
            try rig.signInAgain()
            rig.simulator.releaseHeld()
            #expect(try await answer.status == 200)
            #expect(rig.simulator.counters.tokenRequests == 3 && rig.simulator.counters.refreshReuses == 0)
        }
    }

    @Test("a lost rotation is told in readiness, log and answers, is not asked for again, and a new sign-in mends it")
    func dead() async throws {
        try await withRig { options in
            options.signIn = .good
        } _: { rig in
            #expect(try await rig.get(rig.list).status == 200)
            // The one window that nobody can close: the endpoint has rotated, and its answer never arrives.
            rig.simulator.inject(.executeThenClose, where: .token)
            rig.clock.advance(by: .seconds(3_700))
            try await rig.get(rig.list).expectError(
                503, "TokenUnavailable", reason: "token-unavailable", retryAfter: 1...60)
            rig.clock.advance(by: .seconds(31))
            for _ in 0..<5 {
                let answer = try await rig.get(rig.list)
                answer.expectError(503, "TokenUnavailable", reason: "token-unavailable", retryAfter: 1...60)
                #expect(answer.text.contains("sign in again with `clash-proxy login`"))
                rig.clock.advance(by: .seconds(6))
            }
            #expect(rig.simulator.counters.refreshReuses == 1 && rig.simulator.counters.tokenRequests == 3)
            let ready = try await rig.admin("/readyz")
            #expect(ready.status == 503 && ready.text.contains("sign in again with `clash-proxy login`"))
            _ = try await rig.applicationLog.line(with: "error sign-in needed", "clash-proxy login")

            try rig.signInAgain()
            // The file is looked at every five seconds; a look may be under way when the clock is moved.
            var status = 503
            for _ in 0..<20 where status != 200 {
                rig.clock.advance(by: .seconds(6))
                status = try await rig.get(rig.list).status
            }
            #expect(status == 200)
            #expect(try await rig.admin("/readyz").status == 200)
        }
    }

    @Test("a dead sign-in is said while its last token still lives, and calls are served until that runs out")
    func deadButUsable() async throws {
        try await withRig { options in
            options.signIn = .good
        } _: { rig in
            #expect(try await rig.get(rig.list).status == 200)
            rig.simulator.inject(.invalidGrant, where: .token, times: nil)
            rig.clock.advance(by: .seconds(3_400))
            try await eventually("degraded") { !rig.sidecar.degradedReasons.isEmpty }
            let ready = try await rig.admin("/readyz")
            #expect(ready.status == 200 && ready.text.contains("degraded"))
            #expect(ready.text.contains("good for") && ready.text.contains("clash-proxy login"))
            #expect(try await rig.get(rig.list).status == 200)
        }
    }

    @Test("a state file that others can read is refused with what to do, and used once that is done")
    func readableByOthers() async throws {
        try await withRig { options in
            options.signIn = .good
        } _: { rig in
            #expect(try await rig.get(rig.list).status == 200)
            chmod(rig.signIn.path, 0o640)
            rig.clock.advance(by: .seconds(3_700))
            let answer = try await rig.get(rig.list)
            answer.expectError(503, "TokenUnavailable", reason: "token-unavailable", retryAfter: 1...60)
            #expect(answer.text.contains("chmod 600 \(rig.signIn.path)"))
            #expect(rig.simulator.counters.tokenRequests == 1, "the token in it is shown to nobody")
            _ = try await rig.applicationLog.line(with: "error sign-in cannot be used", "chmod 600")
            chmod(rig.signIn.path, 0o600)
            rig.clock.advance(by: .seconds(6))
            #expect(try await rig.get(rig.list).status == 200)
        }
    }

    @Test("a sign-in for another client is used by nobody", arguments: ["other", "demo-browser"])
    func foreign(client: String) async throws {
        try await withRig { options in
            options.signIn = .good
        } _: { rig in
            #expect(try await rig.get(rig.list).status == 200)
            let token = rig.simulator.issueRefreshToken(client: client)
            try rig.signIn.write(refreshToken: token, tokenURL: rig.upstream.tokenURL, clientID: client)
            rig.clock.advance(by: .seconds(3_700))
            let answer = try await rig.get(rig.list)
            #expect(answer.status == 503 && answer.text.contains("another client"))
            #expect(rig.simulator.accepts(refreshToken: token) && rig.simulator.counters.tokenRequests == 1)
        }
    }
}

extension Rig {
    /// The state file of `RigOptions.signIn`.
    var signIn: StateFile { StateFile(path: "\(folder.path)/sign-in.json") }

    /// Calls until the proxy at this port sends the token that is in the state file.
    func waitForNewestToken(at port: Int) async throws {
        let client = try RawClient(port: port)
        defer { client.close() }
        let id = "newest-\(port)"
        var calls = 0
        while true {
            let state = try signIn.read()
            _ = try await client.exchange(request("GET", list, [("x-correlation-id", id)]))
            let sent = simulator.recorded.last { $0[header: "x-correlation-id"] == id }
            // What was issued and is not saved yet is newer than the file.
            let isNewest = simulator.accepts(refreshToken: state.refresh)
            if isNewest, sent?[header: "Authorization"] == "Bearer \(state.access ?? "none")" { return }
            calls += 1
            guard calls < 2_000 else { throw RawClient.Trouble(description: "the newest token is never used") }
        }
    }

    /// What `clash-proxy login` leaves.
    func signInAgain() throws {
        try signIn.write(refreshToken: simulator.issueRefreshToken(), tokenURL: upstream.tokenURL)
    }
}
