// The upstream token: fetched once for everybody, renewed ahead of its end, replaced after a 401, never the tool's
// problem. The clock of a rig can be moved, so that a token is old enough to be blamed.

import Proxy
import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct TokenTests {
    @Test("200 first calls at once make one token request")
    func oneRequest() async throws {
        try await withRig { options in
            // The first token takes a while, so that all calls wait for it.
            options.faults = [PlannedFault(.slowHead(.milliseconds(400)), where: .token, times: 1)]
            options.flags = ["rate.max_wait=60s"]
        } _: { rig in
            let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<200 { group.addTask { try await rig.get(rig.list).status } }
                return try await group.reduce(into: [Int: Int]()) { $0[$1, default: 0] += 1 }
            }
            #expect(statuses == [200: 200])
            #expect(rig.simulator.counters.tokenRequests == 1)
            #expect(rig.simulator.counters.unauthorized == 0)
        }
    }

    @Test("tokens of three seconds under continuous calls: no tool and not even upstream sees a refusal")
    func shortLived() async throws {
        try await withRig { options in
            options.simulator.tokenLifetime = .seconds(3)
        } _: { rig in
            let client = try rig.connect()
            let clock = ContinuousClock()
            let end = clock.now + .seconds(5)
            var calls = 0
            while clock.now < end || rig.simulator.counters.tokensIssued < 3 {
                let answer = try await client.exchange(rig.request("GET", rig.list))
                #expect(answer.status == 200)
                calls += 1
                try await Task.sleep(for: .milliseconds(10))
            }
            client.close()
            #expect(calls > 20)
            #expect(rig.simulator.counters.tokensIssued < 8)
        }
    }

    @Test("a token that upstream refuses is replaced once and the call repeated, for all who hold it")
    func revoked() async throws {
        try await withRig { rig in
            #expect(try await rig.get(rig.list).status == 200)
            rig.simulator.revokeTokens()
            rig.clock.advance(by: .seconds(10))
            let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<20 { group.addTask { try await rig.get(rig.list).status } }
                return try await group.reduce(into: Set<Int>()) { $0.insert($1) }
            }
            #expect(statuses == [200])
            #expect(rig.simulator.counters.tokenRequests == 2)
        }
    }

    @Test("the repeat after a 401 is part of the call: a tool that will not wait for a turn gets its answer")
    func revokedWithoutWait() async throws {
        try await withRig { rig async throws in
            #expect(try await rig.get(rig.list).status == 200)
            rig.simulator.revokeTokens()
            rig.clock.advance(by: .seconds(10))
            #expect(try await rig.get(rig.list, [("Prefer", "wait=0")]).status == 200)
        }
    }

    @Test("after a 401 a write with its JSON body is repeated whole")
    func revokedWrite() async throws {
        try await withRig { rig in
            #expect(try await rig.get(rig.list).status == 200)
            rig.simulator.revokeTokens()
            rig.clock.advance(by: .seconds(10))
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            let body = #"{"jobs":["\#(report)"],"operation":"delete"}"#
            let answer = try await rig.call("POST", "\(rig.v2)/reports/jobs/deletion", body: body)
            #expect(answer.status == 202)
            let sent = rig.simulator.recorded(RequestFilter(method: "POST", target: "deletion"))
            #expect(sent.map(\.text) == [body, body], "a 401 means that it was not done")
            #expect(!rig.simulator.reportExists(report))
        }
    }

    @Test("a call is sent again with a new token whatever its body is")
    func revokedWithBody() async throws {
        try await withRig { rig in
            #expect(try await rig.get(rig.list).status == 200)
            rig.simulator.revokeTokens()
            rig.clock.advance(by: .seconds(10))
            let answer = try await rig.call(
                "POST", "\(rig.v2)/tests", [("Content-Type", "text/plain")], body: "not json")
            #expect(answer.status == 422)
            #expect(rig.simulator.counters.unauthorized == 1)
        }
    }

    @Test(
        "a 401 for a token that was just fetched goes to the tool as upstream wrote it, in each of its shapes",
        arguments: [
            (UnauthorizedShape.headerNotFound, "HeaderNotFound"), (.unknownClient, "UnknownClient"),
            (.invalidJWT, "Invalid JWT."),
        ])
    func shapes(shape: UnauthorizedShape, mark: String) async throws {
        try await withRig { rig in
            rig.simulator.inject(.unauthorized(shape), where: RequestFilter(target: "/reports"), times: nil)
            let fresh = try await rig.get(rig.list)
            #expect(fresh.status == 401 && fresh.text.contains(mark))
            #expect(fresh["Proxy-Status"] == nil && fresh["WWW-Authenticate"] == nil)
            #expect(rig.simulator.counters.tokenRequests == 1)
            rig.clock.advance(by: .seconds(10))
            rig.simulator.clearRecorded()
            let old = try await rig.get(rig.list)
            #expect(old.status == 401 && old.text.contains(mark), "the second refusal is upstream's last word")
            #expect(rig.simulator.counters.tokenRequests == 2)
            #expect(rig.simulator.recorded(RequestFilter(target: "/reports")).count == 2)
        }
    }

    @Test("while there is no token a call is a 503 with the wait, and calls work once the endpoint does")
    func endpointDown() async throws {
        try await withRig { options in
            options.faults = [PlannedFault(.answer(status: 500), where: .token)]
        } _: { rig in
            let answer = try await rig.get(rig.list)
            answer.expectError(503, "TokenUnavailable", reason: "token-unavailable", retryAfter: 1...60)
            #expect(rig.simulator.counters.apiCalls == 0)
            let ready = try await admin(rig, "/readyz")
            #expect(ready.status == 503 && ready.text.contains("no upstream token"))
            rig.simulator.clearFaults()
            try await eventually("the token comes by itself") { rig.sidecar.notReadyReasons.isEmpty }
            #expect(try await rig.get(rig.list).status == 200)
            #expect(try await admin(rig, "/readyz").status == 200)
        }
    }

    @Test(
        "a token endpoint that answers nonsense is a 503, and what it said reaches nobody",
        arguments: [
            Fault.answer(status: 200, body: "", contentType: nil),
            .answer(status: 200, body: "<html>secret-page</html>"),
            .redirect(to: "http://127.0.0.1:1/"), .tokenErrorEchoingSecret, .reset,
        ])
    func endpointNonsense(fault: Fault) async throws {
        try await withRig { options in
            options.faults = [PlannedFault(fault, where: .token)]
        } _: { rig in
            let answer = try await rig.get(rig.list)
            answer.expectError(503, "TokenUnavailable", reason: "token-unavailable", retryAfter: 1...60)
            for text in [answer.text, rig.applicationLog.text] {
                #expect(!text.contains("demo-secret") && !text.contains("secret-page"))
            }
        }
    }

    @Test("a token that still lives outlasts a token endpoint that is down")
    func outage() async throws {
        try await withRig { rig async throws in
            #expect(try await rig.get(rig.list).status == 200)
            rig.simulator.inject(.answer(status: 503), where: .token, times: nil)
            // Past the time of renewal (5 minutes before the end), short of the end.
            rig.clock.advance(by: .seconds(3_400))
            #expect(try await rig.get(rig.list).status == 200)
            #expect(try await admin(rig, "/readyz").status == 200)
        }
    }

    private func admin(_ rig: Rig, _ path: String) async throws -> RawResponse {
        let client = try RawClient(port: rig.adminPort)
        defer { client.close() }
        return try await client.exchange("GET \(path) HTTP/1.1\r\nHost: localhost\r\n\r\n")
    }
}
