// Pass-through: each tool's own token goes upstream, and nothing that one token was shown is shown to another.

import Proxy
import Simulator
import TestSupport
import Testing

@testable import Configuration

@Suite(.timeLimit(.minutes(8))) struct PassThroughTests {
    @Test("a tool's token goes upstream byte for byte, and the proxy asks for none of its own")
    func unchanged() async throws {
        try await withPassThrough { rig, tokens in
            #expect(try await rig.admin("/readyz").status == 200)
            #expect(try await rig.get(rig.list, bearer(tokens[0])).status == 200)
            let sent = try #require(rig.simulator.recorded.first)
            #expect(
                sent.headers.filter { $0.name.lowercased() == "authorization" }.map(\.value) == ["Bearer \(tokens[0])"])
            #expect(rig.simulator.counters.tokenRequests == 0)
        }
    }

    @Test("what is stored for one token is given to that token alone, and the log tells tools apart by a hash")
    func partitions() async throws {
        try await withPassThrough { rig, tokens in
            for token in tokens {
                let first = try await rig.get(rig.list, bearer(token))
                #expect(first.status == 200 && first["Cache-Status"] == "clash-proxy; fwd=uri-miss; stored")
            }
            for token in tokens {
                let again = try await rig.get(rig.list, bearer(token))
                #expect(again["Cache-Status"]?.hasPrefix("clash-proxy; hit") == true)
                // The scheme's letters and spaces are not part of the token.
                let same = try await rig.get(rig.list, [("Authorization", "bearer   \(token)")])
                #expect(same["Cache-Status"]?.hasPrefix("clash-proxy; hit") == true)
            }
            let sent = rig.simulator.recorded.map { $0[header: "Authorization"] }
            #expect(sent == tokens.map { "Bearer \($0)" })
            try await eventually("six lines") { rig.accessLog.lines.count == 6 }
            let names = Set(
                rig.accessLog.lines.compactMap { $0.split(separator: " ").first { $0.hasPrefix("token:") } })
            #expect(names.count == 2 && names.allSatisfy { $0.count == "token:".count + 8 })
            for token in tokens {
                #expect(!rig.accessLog.text.contains(token) && !rig.applicationLog.text.contains(token))
            }
        }
    }

    @Test("a fetch that is under way is joined by its own token's calls alone")
    func flights() async throws {
        try await withPassThrough { rig, tokens in
            rig.simulator.inject(.executeThenHang, where: RequestFilter(target: "/reports"), times: 2)
            let calls = try (0..<4).map { index -> (RawClient, String) in
                let client = try rig.connect()
                return (client, rig.request("GET", rig.list, bearer(tokens[index % 2])))
            }
            for (client, request) in calls.prefix(2) { try await client.send(request) }
            #expect(await rig.simulator.waitForRequests(2, where: RequestFilter(target: "/reports")))
            for (client, request) in calls.suffix(2) { try await client.send(request) }
            // The later two are in their flights before the answers come.
            for token in tokens { #expect(try await rig.get("\(rig.v2)/reports?$top=9", bearer(token)).status == 200) }
            rig.simulator.releaseHeld()
            for (client, _) in calls {
                #expect(try await client.response().status == 200)
                client.close()
            }
            let sent = rig.simulator.recorded(RequestFilter(target: "top=2")).map { $0[header: "Authorization"] }
            #expect(sent.count == 2 && Set(sent).count == 2)
        }
    }

    @Test("a token that has run out, was never issued, or is revoked gets upstream's own 401, each time anew")
    func refused() async throws {
        try await withPassThrough { rig, tokens in
            #expect(try await rig.get(rig.list, bearer(tokens[0])).status == 200)
            rig.clock.advance(by: .seconds(3_700))
            for token in [tokens[0], "never.issued.here"] {
                for _ in 0..<2 {
                    let answer = try await rig.get(rig.list, bearer(token))
                    #expect(answer.status == 401 && answer["Proxy-Status"] == nil)
                    #expect(answer.text.contains("Invalid JWT."))
                }
            }
            #expect(rig.simulator.counters.apiCalls == 5, "a 401 is neither repeated nor kept")
        }
    }

    @Test(
        "no token, or what is none, goes upstream as it is and is never stored",
        arguments: [nil, "Basic dXNlcjpwYXNz", "Bearer", "Bearer two words", "Negotiate"])
    func noToken(value: String?) async throws {
        let received = Received()
        let open = origin(received, always: json("{\"reports\":[]}"))
        try await withRig { options in
            options.origin = open
            options.flags = ["token.mode=passthrough", "cache.enabled=true"]
        } _: { rig in
            for _ in 0..<2 {
                let answer = try await rig.get(rig.list, value.map { [("Authorization", $0)] } ?? [])
                #expect(answer.status == 200 && answer["Cache-Status"]?.contains("hit") != true)
            }
            #expect(
                received.all.map { $0.values("Authorization") } == Array(repeating: value.map { [$0] } ?? [], count: 2))
            #expect(rig.accessLog.lines.allSatisfy { $0.contains(" anonymous ") })
        }
        open.stop()
    }

    @Test("a delete by a tool with a token of its own is recorded as the token's")
    func recordedAsToken() async throws {
        try await withPassThrough { rig, tokens in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            _ = try await rig.deleteRun(report, id: "mine", bearer(tokens[0]))
            let caller = try #require(try rig.records(of: "mine").first?.line.caller)
            #expect(caller.via == "token" && caller.name.hasPrefix("token:"))
        }
    }

    @Test("two Authorization fields are nobody's: neither goes upstream, and nothing is stored for either")
    func twoTokens() async throws {
        try await withPassThrough { rig, tokens in
            let answer = try await rig.get(rig.list, bearer(tokens[0]) + bearer(tokens[1]))
            #expect(answer.status == 401 && answer["Proxy-Status"] == nil)
            #expect(rig.simulator.recorded.map { $0[header: "Authorization"] } == [nil])
        }
    }

    @Test("a redirect to another host is handed to the tool, and the token stays here")
    func redirect() async throws {
        let received = Received()
        let trap = origin(received, always: ok)
        try await withPassThrough { rig, tokens in
            rig.simulator.inject(
                .redirect(to: "\(trap.url)/clash-detection/x"), where: RequestFilter(target: "/reports"))
            let answer = try await rig.get(rig.list, bearer(tokens[0]))
            #expect(answer.status == 302 && answer["Location"] == "\(trap.url)/clash-detection/x")
            #expect(trap.acceptCount == 0)
        }
        trap.stop()
    }

    @Test("what one token's change has made untrue is dropped for all tokens")
    func invalidation() async throws {
        try await withPassThrough { rig, tokens in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            let page = "\(rig.v2)/reports/\(report)"
            for token in tokens { #expect(try await rig.get(page, bearer(token)).status == 200) }
            let body = #"{"jobs":["\#(report)"],"operation":"delete"}"#
            let deleted = try await rig.call(
                "POST", "\(rig.v2)/reports/jobs/deletion", bearer(tokens[0]) + [("x-correlation-id", "pass-1")],
                body: body)
            #expect(deleted.status == 202)
            for token in tokens { #expect(try await rig.get(page, bearer(token)).status == 404) }
            let record = try #require(try rig.records(of: "pass-1").first)
            #expect(record.line.caller?.name.hasPrefix("token:") == true)
        }
    }

    @Test("tokens of one client wait in one queue, as upstream counts them; those of another do not")
    func gates() async throws {
        try await withPassThrough(flags: ["rate.windows=[\"20/1m\"]", "rate.max_wait=0s"]) { rig, tokens async throws in
            let same = rig.simulator.issueToken()
            for token in [tokens[0], same, tokens[1]] {
                #expect(try await rig.get(rig.list, bearer(token)).status == 200)
                // The next is let in by the newcomers' pace.
                rig.clock.advance(by: .seconds(40))
            }
            // Each is known now; the burst of one client is spent by one token.
            var number = 0
            func status(_ token: String) async throws -> Int {
                number += 1
                return try await rig.get("\(rig.list)&n=\(number)", bearer(token)).status
            }
            while try await status(tokens[0]) == 200 {}
            #expect(try await status(same) == 429)
            #expect(try await status(tokens[1]) == 200)
        }
    }

    @Test("while the calls of a token's client cannot go, its expired page is given at once")
    func pausedClient() async throws {
        let flags = ["rate.windows=[\"1/1m\"]", "cache.stale_while_revalidate=0s"]
        try await withPassThrough(flags: flags) { rig, tokens in
            #expect(try await rig.get(rig.list, bearer(tokens[0])).status == 200)
            rig.clock.advance(by: .seconds(35))
            let answer = try await rig.get(rig.list, bearer(tokens[0]))
            #expect(answer.status == 200 && answer["Cache-Status"]?.hasSuffix("; detail=rate-limited") == true)
            #expect(rig.simulator.counters.apiCalls == 1)
        }
    }

    @Test("with callers, the key comes as X-Api-Key and stays here, and Authorization is the tool's token")
    func withCallers() async throws {
        let made = try KeyGenerator.make(name: "dashboard")
        let key = made.key.withValue { $0 }
        try await withPassThrough(file: made.table) { rig, tokens in
            #expect(try await rig.get(rig.list, bearer(tokens[0])).status == 401)
            #expect(rig.simulator.counters.apiCalls == 0, "a token is no key")
            let answer = try await rig.get(rig.list, bearer(tokens[0]) + [("X-Api-Key", key)])
            #expect(answer.status == 200)
            let sent = try #require(rig.simulator.recorded.first)
            #expect(sent[header: "X-Api-Key"] == nil && sent[header: "Authorization"] == "Bearer \(tokens[0])")
            _ = try await rig.accessLog.line(with: " dashboard ", " 200 ")
        }
    }

    private func bearer(_ token: String) -> [(String, String)] { [("Authorization", "Bearer \(token)")] }

    private func withPassThrough(
        file: String = "", flags: [String] = [], _ body: (Rig, [String]) async throws -> Void
    ) async throws {
        try await withRig { options in
            options.file = file
            options.flags = ["token.mode=passthrough", "cache.enabled=true"] + flags
        } _: { rig in
            try await body(rig, [rig.simulator.issueToken(), rig.simulator.issueToken(client: "demo-browser")])
        }
    }
}
