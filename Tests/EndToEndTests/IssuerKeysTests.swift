// The keys of issuers over sockets: rotation, outages, issuers that misbehave.

import Proxy
import Simulator
import TestSupport
import Testing

@testable import Configuration

@Suite(.timeLimit(.minutes(8))) struct IssuerKeysTests {
    @Test("keys are rotated under load and no good token is refused")
    func rotation() async throws {
        try await withIssuer { rig async throws in
            try await rig.keysFetched()
            let path = "/_proxy/me"
            for round in 0..<3 {
                let before = (0..<5).map { rig.person("old-\(round)-\($0)") }
                rig.simulator.rotateSigningKeys()
                let after = (0..<15).map { rig.person("new-\(round)-\($0)") }
                let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                    for person in before + after { group.addTask { try await rig.get(path, [person]).status } }
                    return try await group.reduce(into: [Int]()) { $0.append($1) }
                }
                #expect(statuses == Array(repeating: 200, count: 20), "round \(round)")
                #expect(rig.keySetRequests == round + 2, "one look at the key set for all")
                rig.clock.advance(by: .seconds(61))
            }
        }
    }

    @Test("unknown keys ask the issuer at once and then at most once a minute")
    func unknownKeys() async throws {
        try await withIssuer { rig async throws in
            try await rig.keysFetched()
            for number in 0..<20 {
                let answer = try await rig.get("/_proxy/me", [rig.strange("../../strange-\(number)")])
                answer.expectError(401, "InvalidCallerToken", reason: "caller-token-invalid")
                #expect(answer.text.contains("no key") && !answer.text.contains("strange"), "\(answer.text)")
            }
            #expect(rig.keySetRequests == 2)
            rig.clock.advance(by: .seconds(61))
            _ = try await rig.get("/_proxy/me", [rig.strange("another")])
            #expect(rig.keySetRequests == 3)
        }
    }

    @Test("an issuer that goes down keeps its known keys; what is told once is over once")
    func outage() async throws {
        try await withIssuer { rig async throws in
            try await rig.keysFetched()
            rig.simulator.inject(.html503, where: .issuer, times: nil)
            for hour in 1...3 {
                let asked = rig.simulator.recorded(.issuer).count
                rig.clock.advance(by: .seconds(3601))
                try await eventually("another try") { rig.simulator.recorded(.issuer).count > asked }
                #expect(try await rig.get("/_proxy/me", [rig.person("hour-\(hour)")]).status == 200)
                // Nobody can tell whether it is a new one; and no fetch is under way any more.
                let strange = try await rig.get("/_proxy/me", [rig.strange()])
                strange.expectError(503, "IssuerUnavailable", reason: "issuer-unavailable", retryAfter: 1...60)
                #expect(strange.text.contains("its key is not among those that are known"), "\(strange.text)")
            }
            #expect(rig.sidecar.degradedReasons.contains { $0.contains("503") })
            #expect(rig.sidecar.notReadyReasons.isEmpty)
            let told = rig.applicationLog.lines.filter { $0.contains("cannot be fetched") }
            #expect(told.count == 1, "\(told)")
            let asked = rig.simulator.recorded(.issuer).count
            rig.clock.advance(by: .seconds(86_400))
            try await eventually("another try") { rig.simulator.recorded(.issuer).count > asked }
            while true {
                let answer = try await rig.get("/_proxy/me", [rig.person("next day")])
                answer.expectError(503, "IssuerUnavailable", reason: "issuer-unavailable", retryAfter: 1...60)
                // While a fetch is under way it is 1 s.
                if answer.status != 503 || answer["Retry-After"] != "1" { break }
            }
            rig.simulator.clearFaults()
            rig.clock.advance(by: .seconds(61))
            _ = try await rig.applicationLog.line(with: "are fetched again")
            #expect(try await rig.get("/_proxy/me", [rig.person("later")]).status == 200)
        }
    }

    @Test("an issuer that was never there: 503 for its tokens alone, and it is asked again")
    func neverThere() async throws {
        let made = try KeyGenerator.make(name: "reader", allow: "read")
        try await withIssuer(
            "",
            { options in
                options.file = made.table
                options.faults = [PlannedFault(.close, where: .issuer)]
            }
        ) { rig async throws in
            let key = made.key.withValue { $0 }
            try await eventually("it is told") { rig.applicationLog.text.contains("cannot be fetched") }
            let refused = try await rig.get(rig.list, [rig.person("alice")])
            refused.expectError(503, "IssuerUnavailable", reason: "issuer-unavailable", retryAfter: 1...60)
            #expect(refused.text.contains(rig.upstream.issuerURL))
            #expect(try await rig.get(rig.list, [("X-Api-Key", key)]).status == 200)
            try await rig.get(rig.list, [rig.person("alice", life: .seconds(-600))])
                .expectError(401, "InvalidCallerToken", reason: "caller-token-invalid", "that can be told without keys")
            rig.simulator.clearFaults()
            rig.clock.advance(by: .seconds(61))
            try await eventually("the keys are there") {
                !rig.sidecar.degradedReasons.contains { $0.contains("issuer") }
            }
            #expect(try await rig.get(rig.list, [rig.person("alice")]).status == 200)
        }
    }

    @Test("calls wait for the first fetch within their deadline")
    func firstFetch() async throws {
        try await withIssuer(
            "", { $0.faults = [PlannedFault(.hang, where: .issuer, times: 1)] }
        ) { rig async throws in
            let person = rig.person("alice")
            try await eventually("the issuer is asked") { rig.simulator.recorded(.issuer).count == 1 }
            let impatient = try await rig.get("/_proxy/me", [person, ("Prefer", "wait=0")])
            impatient.expectError(503, "IssuerUnavailable", reason: "issuer-unavailable", retryAfter: 1...1)
            #expect(impatient.text.contains("still being fetched"))
            // One that leaves meanwhile is nobody's trouble.
            let left = try rig.connect()
            try await left.send(rig.request("GET", "/_proxy/me", [person, ("x-correlation-id", "gone")]))
            left.close()
            _ = try await rig.accessLog.line(with: "gone", "499")
            async let patient = rig.get(rig.list, [person])
            try await Task.sleep(for: .milliseconds(50))
            rig.simulator.releaseHeld()
            let answer = try await patient
            #expect([200, 503].contains(answer.status), "decided as soon as the fetch is over: \(answer.text)")
        }
        try await withIssuer(
            "", { $0.faults = [PlannedFault(.slowHead(.milliseconds(300)), where: .issuer)] }
        ) { rig async throws in
            #expect(try await rig.get(rig.list, [rig.person("alice")]).status == 200, "slow is not down")
        }
    }

    @Test("what issuers say that is no key set: nobody gets in, and the answer says why")
    func badIssuers() async throws {
        let big = String(repeating: "x", count: 2 << 20)
        let page = Fault.answer(status: 200, body: "<html></html>", contentType: "text/html")
        let cases: [(Fault, RequestFilter, String)] = [
            (.redirect(to: "https://elsewhere.example/"), .issuer, "no redirect is followed"),
            (page, .issuer, "discovery document is no JSON"), (page, .keySet, "key set is no JSON"),
            (.answer(status: 200, body: "{\"issuer\":\"https://evil.example\"}"), .issuer, "another issuer"),
            (.answer(status: 200, body: big), .keySet, "more than 1 MiB"),
            (.answer(status: 200, body: "{\"keys\":[]}"), .keySet, "has no key"),
            (.answer(status: 200, body: "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}"), .keySet, "has no key"),
            (.garbage("\u{16}\u{3}\u{1}no http\r\n\r\n"), .issuer, "cannot be reached"),
            (.truncatedLength(after: 10), .keySet, "broke off"),
        ]
        for (fault, filter, words) in cases {
            try await withIssuer("", { $0.faults = [PlannedFault(fault, where: filter)] }) { rig async throws in
                try await eventually("it is told") { rig.applicationLog.text.contains("cannot be fetched") }
                let answer = try await rig.get(rig.list, [rig.person("alice")])
                answer.expectError(503, "IssuerUnavailable", reason: "issuer-unavailable", retryAfter: 1...60)
                #expect(answer.text.contains(words), "\(words): \(answer.text)")
            }
        }
    }
}
