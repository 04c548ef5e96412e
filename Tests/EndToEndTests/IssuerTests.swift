// People and machines who come with a token of an issuer: who they are, what they may, what upstream and the log see.

import Proxy
import Simulator
import TestSupport
import Testing

@testable import Configuration

@Suite(.timeLimit(.minutes(8))) struct IssuerTests {
    @Test("a token of the issuer opens the door, upstream gets the service's own, and the page says who it is")
    func passes() async throws {
        try await withIssuer { rig async throws in
            for algorithm in SigningAlgorithm.allCases {
                let person = rig.person("alice", [("email", "\"alice@example.com\"")], algorithm)
                let answer = try await rig.get(rig.list, [person])
                #expect(answer.status == 200, "\(algorithm): \(answer.text)")
                let me = try await rig.get("/_proxy/me", [person])
                #expect(
                    me.text.contains(#""caller":{"name":"alice@example.com","via":"jwt","rights":["read"]"#),
                    "\(me.text)")
                let token = person.1.dropFirst(7)
                let sent = rig.simulator.recorded(RequestFilter(target: "/reports")).flatMap(\.headers)
                #expect(sent.contains { $0.name.lowercased() == "authorization" })
                #expect(!sent.contains { $0.value.contains(token) }, "the person's token stays here")
            }
            #expect(rig.keySetRequests == 1)
        }
    }

    @Test("without a token or with a wrong one nobody gets in, and the answer says why")
    func refused() async throws {
        try await withIssuer { rig async throws in
            try await rig.keysFetched()
            let calls = rig.simulator.counters.apiCalls
            try await rig.get(rig.list).expectError(401, "HeaderNotFound", reason: "caller-key-missing")
            try await rig.get(rig.list, [("Authorization", "Bearer cpk_strange")])
                .expectError(401, "InvalidCallerKey", reason: "caller-key-unknown")
            try await rig.get(rig.list, [("X-Api-Key", String(rig.person("alice").1.dropFirst(7)))])
                .expectError(401, "InvalidCallerKey", reason: "caller-key-unknown", "a token is no key")
            let good = rig.person("alice")
            let parts = good.1.dropFirst(7).split(separator: ".").map(String.init)
            for (header, words) in [
                (rig.person("alice", life: .seconds(-61)), "expired"),
                (rig.bearer(rig.simulator.signToken(TokenRecipe(subject: "alice", audience: ["else"]))), "not meant"),
                (rig.bearer("eyJhbGciOiJub25lIn0.\(parts[1])."), "not signed"),
                (rig.bearer("\(parts[0]).\(parts[1]).AAAA"), "signature"),
                (rig.bearer("\(parts[0]).\(parts[1]).\(parts[2])="), "three base64url parts"),
                (rig.bearer("my.own.jwt"), "three base64url parts"), (rig.bearer("bXk.b3du.and0"), "no JSON object"),
            ] {
                let answer = try await rig.get(rig.list, [header])
                answer.expectError(401, "InvalidCallerToken", reason: "caller-token-invalid", target: "Authorization")
                #expect(answer.text.contains(words), "\(answer.text)")
            }
            try await rig.get(rig.list, [good, good])
                .expectError(401, "InvalidCallerToken", reason: "caller-token-invalid", "two fields")
            #expect(try await rig.get(rig.list, [good]).status == 200)
            #expect(rig.simulator.counters.apiCalls == calls + 1)
            let logs = rig.accessLog.text + rig.applicationLog.text
            #expect(!logs.contains(parts[2]) && !logs.contains(parts[1]), "no token in any log")
        }
    }

    @Test("rights follow from the claim, and the audit record names the person, the issuer and the subject")
    func audited() async throws {
        try await withIssuer(
            """
            rights_claim = "groups"
            rights = { "clash-admins" = ["read", "delete"] }
            """
        ) { rig async throws in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[1]
            let email = (name: "email", json: "\"bob@example.com\"")
            let denied = try await rig.deleteReport(report, id: "no", [rig.person("bob-1", [email])])
            denied.expectError(403, "InsufficientPermissions", reason: "permission-denied")
            #expect(denied.text.contains("bob@example.com"))
            let admin = rig.person("bob-1", [email, ("groups", "[\"x\",\"clash-admins\"]")])
            #expect(try await rig.deleteReport(report, id: "yes", [admin]).status == 202)
            #expect(try rig.story(of: "no") == ["denied"] && rig.story(of: "yes") == ["intent", "outcome deleted"])
            for record in try rig.records() {
                let caller = try #require(record.line.caller)
                #expect(caller.name == "bob@example.com" && caller.via == "jwt" && caller.address != nil)
                #expect(caller.issuer == rig.upstream.issuerURL && caller.subject == "bob-1")
            }
            let line = try await rig.accessLog.line(with: "yes")
            #expect(
                line.contains("bob@example.com")
                    && line.contains(" via=jwt issuer=\(rig.upstream.issuerURL) subject=bob-1"), "\(line)")
        }
    }

    @Test("keys and tokens stand side by side: a key in its own field wins, and a key is never taken for a token")
    func beside() async throws {
        let made = try KeyGenerator.make(name: "reader", allow: "read")
        try await withIssuer("", { $0.file = made.table }) { rig async throws in
            let key = made.key.withValue { $0 }
            func name(_ headers: [(String, String)]) async throws -> String {
                let answer = try await rig.get("/_proxy/me", headers)
                return answer.text.contains("\"name\":\"reader\"")
                    ? "reader" : answer.text.contains("\"name\":\"alice\"") ? "alice" : "\(answer.status)"
            }
            #expect(try await name([rig.person("alice")]) == "alice")
            #expect(try await name([rig.bearer(key)]) == "reader")
            #expect(try await name([("X-Api-Key", key), rig.person("alice")]) == "reader")
            #expect(try await name([("X-Api-Key", key), rig.bearer("a.b.c")]) == "reader")
            #expect(try await name([("X-Api-Key", "cpk_x"), rig.person("alice")]) == "401")
        }
    }

    @Test("persons have limits of their own, by issuer and subject and not by their name")
    func limits() async throws {
        try await withIssuer("windows = [\"2/1h\"]") { rig async throws in
            let name = (name: "email", json: "\"same@example.com\"")
            for subject in ["one", "two"] {
                let person = rig.person(subject, [name])
                for _ in 0..<2 { #expect(try await rig.get(rig.list, [person]).status == 200) }
                let refused = try await rig.get(rig.list, [person, ("Prefer", "wait=0")])
                #expect(refused.status == 429 && refused.text.contains(subject), "\(refused.text)")
                // Another token of the same person changes nothing.
                let again = rig.person(subject, life: .seconds(60))
                #expect(try await rig.get(rig.list, [again, ("Prefer", "wait=0")]).status == 429)
            }
        }
    }

    @Test("the budget of deletes is a person's own, and is found again in the log")
    func deleteBudget() async throws {
        try await withIssuer("allow = [\"delete\"]", { $0.flags = ["audit.delete_budget=1/1h"] }) { rig async throws in
            let reports = rig.simulator.reportIDs(iTwin: rig.iTwin)
            let name = (name: "email", json: "\"same@example.com\"")
            let (one, two) = (rig.person("one", [name]), rig.person("two", [name]))
            #expect(try await rig.deleteReport(reports[1], id: "a", [one]).status == 202)
            try await rig.deleteReport(reports[2], id: "b", [one])
                .expectError(429, "DeleteBudgetExceeded", reason: "delete-budget-exceeded", retryAfter: 1...3600)
            #expect(try await rig.deleteReport(reports[2], id: "c", [two]).status == 202)
        }
    }

    @Test("an issuer that is taken out of the configuration: its tokens are refused at once, calls that only wait end")
    func withdrawn() async throws {
        let made = try KeyGenerator.make(name: "reader", allow: "read")
        try await withIssuer(
            "",
            { options in
                options.file = made.table
                options.flags = ["rate.windows=1/1h", "rate.max_wait=2h"]
            }
        ) { rig async throws in
            let person = rig.person("alice")
            let client = try rig.connect()
            defer { client.close() }
            let me = rig.request("GET", "/_proxy/me", [person])
            #expect(try await client.exchange(me).status == 200)
            #expect(try await rig.get(rig.list, [person]).status == 200)
            let waits = try await rig.begin("GET", rig.list, [person])
            try await rig.waitForQueue(1)
            await rig.reload(file: made.table)
            let answer = try await waits.answer()
            answer.expectError(401, "InvalidCallerToken", reason: "caller-token-invalid", target: "Authorization")
            #expect(answer.text.contains("any more"))
            try await client.exchange(me).expectError(401, "InvalidCallerKey", reason: "caller-key-unknown")
        }
    }

    @Test("a token that ends, or whose key goes, while its call waits is not used any more", arguments: [true, false])
    func endedWaiting(byItself: Bool) async throws {
        try await withIssuer("", { $0.flags = ["rate.windows=1/200s", "rate.max_wait=24h"] }) { rig async throws in
            #expect(try await rig.get(rig.list, [rig.person("bob", life: .seconds(7200))]).status == 200)
            let life = Duration.seconds(byItself ? 60 : 7200)
            let waits = try await rig.begin("GET", rig.list, [rig.person("alice", life: life)])
            try await rig.waitForQueue(1)
            if !byItself {
                rig.simulator.rotateSigningKeys(keepingOld: false)
                #expect(try await rig.get("/_proxy/me", [rig.person("carol")]).status == 200)
            }
            let calls = rig.simulator.recorded(RequestFilter(target: "/clash")).count
            rig.clock.advance(by: .seconds(201))
            let answer = try await waits.answer()
            if byItself {
                answer.expectError(401, "InvalidCallerToken", reason: "caller-token-invalid")
            } else {
                // Its issuer is asked whether the key is back.
                answer.expectError(503, "IssuerUnavailable", reason: "issuer-unavailable", retryAfter: 1...1)
            }
            #expect(rig.simulator.recorded(RequestFilter(target: "/clash")).count == calls)
        }
    }

    @Test("other rules of an issuer change with a reload, and its keys are not fetched again")
    func reloaded() async throws {
        try await withIssuer { rig async throws in
            try await rig.keysFetched()
            let table = "[[issuer]]\nurl = \"\(rig.upstream.issuerURL)\"\naudience = [\"clash\"]\nallow = [\"run\"]\n"
            await rig.reload(file: table)
            #expect(try await rig.get("/_proxy/me", [rig.person("alice")]).text.contains("\"rights\":[\"run\"]"))
            #expect(rig.keySetRequests == 1)
        }
    }

    @Test("an answer out of the cache is given no longer than the token lives, nor after its key is gone")
    func cached() async throws {
        try await withIssuer("", { $0.flags = ["cache.enabled=true", "cache.ttl_list=1h"] }) { rig async throws in
            let client = try rig.connect()
            defer { client.close() }
            let short = rig.request("GET", rig.list, [rig.person("alice", life: .seconds(120))])
            let long = rig.request("GET", rig.list, [rig.person("alice", life: .seconds(7200))])
            #expect(try await client.exchange(short).status == 200)
            for request in [short, short, long, long] {
                let hit = try await client.exchange(request)
                #expect(hit.status == 200 && hit["Cache-Status"]?.contains("; hit") == true, "\(hit.statusLine)")
            }
            rig.clock.advance(by: .seconds(170))
            #expect(try await client.exchange(short).status == 200, "within the leeway")
            rig.clock.advance(by: .seconds(11))
            try await client.exchange(short)
                .expectError(401, "InvalidCallerToken", reason: "caller-token-invalid", "the same bytes as before")
            #expect(try await client.exchange(long).status == 200)
            rig.simulator.rotateSigningKeys(keepingOld: false)
            #expect(try await client.exchange(long).status == 200, "nobody knows yet")
            #expect(try await rig.get(rig.list, [rig.person("bob")]).status == 200, "the new key is asked for at once")
            try await client.exchange(long)
                .expectError(401, "InvalidCallerToken", reason: "caller-token-invalid", "its key verifies nothing now")
        }
    }
}
