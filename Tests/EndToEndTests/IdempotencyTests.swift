// Idempotency-Key: the first answer again, whatever happens in between, and never a second call.

import Proxy
import Simulator
import Synchronization
import TestSupport
import Testing

@testable import Configuration

@Suite(.timeLimit(.minutes(8))) struct IdempotencyTests {
    private static func key(_ key: String) -> [(String, String)] { [("Idempotency-Key", key)] }

    @Test("the same call under the same key gets the first answer again, in quotes or not; the key never goes upstream")
    func replay() async throws {
        try await withRig { rig async throws in
            let first = try await rig.start("v2", id: "a", Self.key("k-1"))
            #expect(first.status == 200 && first["Idempotent-Replayed"] == nil)
            let again = try await rig.start("v2", id: "b", Self.key(#""k-1""#))
            #expect(again.status == 200 && again.body == first.body && again["Idempotent-Replayed"] == "true")
            #expect(again["x-correlation-id"] == "b" && again["Content-Type"] == first["Content-Type"])
            #expect(again["Cache-Status"]?.contains("replayed") == true)
            #expect(rig.startsSent == 1)
            #expect(rig.simulator.recorded.allSatisfy { $0[header: "Idempotency-Key"] == nil })
            #expect(try rig.story(of: "b").isEmpty)
            let why = try await rig.admin("/explain?id=b")
            #expect(why.text.contains("Its Idempotency-Key is that of a"), "\(why.text)")
            let status = try await rig.admin("/status.json")
            #expect(status.text.contains(#""idempotency":{"keys":1,"open":0,"trouble":null}"#))
        }
    }

    @Test("another request under the same key is 422: another body, target, method or In-Place")
    func reused() async throws {
        try await withRig { rig async throws in
            let body = Self.test("one")
            let target = "\(rig.v2)/tests"
            #expect(try await rig.call("POST", target, Self.key("k"), body: body).status == 201)
            let others: [(String, String, [(String, String)], String)] = [
                ("POST", target, [], Self.test("two")), ("POST", target + "?a=1", [], body),
                ("PUT", target + "/\(rig.simulator.testIDs(iTwin: rig.iTwin)[0])", [], body),
                ("POST", target, [("In-Place", "True")], body),
            ]
            for (method, target, headers, body) in others {
                let answer = try await rig.call(method, target, Self.key("k") + headers, body: body)
                answer.expectError(
                    422, "IdempotencyKeyReused", reason: "idempotency-key-reused", target: "Idempotency-Key")
            }
            let spelled = target.replacing("clash-detection", with: "Clash-Detection")
            let again = try await rig.call("POST", spelled, Self.key("k"), body: body)
            #expect(again.status == 201 && again["Idempotent-Replayed"] == "true", "spelled in another way")
            #expect(rig.testsSent == 1)
        }
    }

    @Test("what is no key is 400, and nothing is sent")
    func badKeys() async throws {
        try await withRig { rig async throws in
            let long = String(repeating: "k", count: 256)
            for bad in [" ", #""""#, "\"open", long, "\"\(long)\"", "a\u{7}b", "é", #""a"b""#] {
                let answer = try await rig.call("POST", "\(rig.v2)/tests", Self.key(bad), body: Self.test("t"))
                #expect(answer.status == 400, "\(bad): \(answer.text)")
            }
            let two = try await rig.call("POST", "\(rig.v2)/tests", Self.key("a") + Self.key("a"), body: Self.test("t"))
            two.expectError(400, "InvalidRequest", reason: "invalid-request", target: "Idempotency-Key")
            for good in [String(long.dropLast()), "a b", #""a \" b""#] {
                let answer = try await rig.call("POST", "\(rig.v2)/tests", Self.key(good), body: Self.test("t"))
                #expect(answer.status == 201, "\(good): \(answer.text)")
            }
            #expect(rig.testsSent == 3)
        }
    }

    @Test("a key means nothing to reads, deletes and what the table does not know, and never goes upstream")
    func ignored() async throws {
        try await withRig { rig async throws in
            let reports = rig.simulator.reportIDs(iTwin: rig.iTwin)
            for key in ["k", "\"bad"] {
                #expect(try await rig.get(rig.list, Self.key(key)).status == 200)
                #expect(try await rig.call("POST", "\(rig.v2)/odd", Self.key(key), body: "{}").status == 404)
            }
            #expect(try await rig.deleteReport(reports[0], id: "d1", Self.key("k")).status == 202)
            #expect(try await rig.deleteReport(reports[0], id: "d2", Self.key("k")).status == 404, "it is sent again")
            #expect(rig.simulator.recorded.allSatisfy { $0[header: "Idempotency-Key"] == nil })
        }
    }

    @Test("keys are each caller's own, and what one may not do is not kept")
    func callers() async throws {
        let reader = try KeyGenerator.make(name: "reader", allow: "read")
        let makers = try ["one", "two"].map { try KeyGenerator.make(name: $0, allow: "read,write,run") }
        try await withRig { options in
            options.file = reader.table + makers.map(\.table).joined()
        } _: { rig async throws in
            func make(_ key: KeyGenerator.NewKey) async throws -> RawResponse {
                let headers = Self.key("k") + [("X-Api-Key", key.key.withValue { $0 })]
                return try await rig.call("POST", "\(rig.v2)/tests", headers, body: Self.test("t"))
            }
            #expect(try await make(reader).status == 403)
            for maker in makers {
                let first = try await make(maker)
                #expect(first.status == 201 && first["Idempotent-Replayed"] == nil)
                #expect(try await make(maker)["Idempotent-Replayed"] == "true")
            }
            #expect(rig.testsSent == 2)
        }
    }

    @Test("in pass-through mode a key is that of the token that the call goes upstream with")
    func tokens() async throws {
        try await withRig { options in
            options.flags = ["token.mode=passthrough"]
        } _: { rig async throws in
            func make(_ token: String) async throws -> RawResponse {
                let headers = Self.key("k") + [("Authorization", "Bearer \(token)")]
                return try await rig.call("POST", "\(rig.v2)/tests", headers, body: Self.test("t"))
            }
            for token in [rig.simulator.issueToken(), rig.simulator.issueToken()] {
                let first = try await make(token)
                #expect(first.status == 201 && first["Idempotent-Replayed"] == nil, "\(first.text)")
                #expect(try await make(token)["Idempotent-Replayed"] == "true")
            }
            #expect(rig.testsSent == 2)
        }
    }

    @Test("upstream's refusal is kept; a token or a limit that it refused, and what was never sent, are not")
    func refusals() async throws {
        try await withRig { rig async throws in
            func make(_ key: String, _ headers: [(String, String)] = []) async throws -> RawResponse {
                try await rig.call("POST", "\(rig.v2)/tests", Self.key(key) + headers, body: Self.test("t"))
            }
            for status in [400, 403, 404, 409, 422] {
                rig.simulator.inject(
                    .answer(status: status, body: #"{"error":{"code":"No","message":"no"}}"#),
                    where: RequestFilter(method: "POST", target: "/tests"))
                let refusal = try await make("k-\(status)")
                let again = try await make("k-\(status)")
                #expect(refusal.status == status && again.status == status && again.body == refusal.body)
                #expect(again["Idempotent-Replayed"] == "true")
            }
            rig.simulator.inject(
                .rateLimited(retryAfter: "100"), where: RequestFilter(method: "POST", target: "/tests"))
            #expect(try await make("late", [("Prefer", "wait=1")]).status == 429)
            rig.clock.advance(by: .seconds(101))
            #expect(try await make("late").status == 201)
            rig.simulator.inject(
                .unauthorized(.headerNotFound), where: RequestFilter(method: "POST", target: "/tests"), times: 2)
            rig.clock.advance(by: .seconds(10))
            #expect(try await make("stranger").status == 401)
            #expect(try await make("stranger").status == 201)
        }
    }

    @Test("keys and answers are there after a restart, for a day")
    func restart() async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        var first = ""
        let clock = ShiftedClock()
        for round in 0..<3 {
            if round == 2 { clock.advance(by: .seconds(86_400)) }
            try await withRig { options in
                options.clock = clock
                options.flags = ["audit.path=\(folder.path)/audit"]
            } _: { rig async throws in
                let answer = try await rig.start("v2", id: "r\(round)", Self.key("k"))
                #expect(answer.status == 200, "\(answer.text)")
                switch round {
                case 0: first = answer.text
                case 1:
                    #expect(answer.text == first && answer["Idempotent-Replayed"] == "true")
                    #expect(rig.startsSent == 0)
                default: #expect(answer["Idempotent-Replayed"] == nil && rig.startsSent == 1)
                }
                #expect(rig.clock === clock)
            }
        }
    }

    @Test("an outcome that stays unknown keeps the key bound: a retry finds out, or 504, and nothing is sent again")
    func unknown() async throws {
        try await withRig { rig async throws in
            let before = rig.runs
            rig.simulator.inject(.runAnswerLost)
            rig.simulator.inject(.plainText500, where: RequestFilter(method: "GET"), times: nil, skip: 1)
            let lost = try await rig.settling { try await rig.start("v2", id: "a", Self.key("k")) }
            lost.expectError(504, "OutcomeUnknown", reason: "outcome-unknown")
            let again = try await rig.settling { try await rig.start("v2", id: "b", Self.key("k")) }
            again.expectError(504, "OutcomeUnknown", reason: "outcome-unknown")
            rig.simulator.clearFaults()
            let found = try await rig.settling { try await rig.start("v2", id: "c", Self.key("k")) }
            let new = try #require(rig.runs.first { !before.contains($0) })
            #expect(found.status == 200 && found.text.contains(new), "\(found.text)")
            let replay = try await rig.start("v2", id: "d", Self.key("k"))
            #expect(replay.body == found.body && replay["Idempotent-Replayed"] == "true")
            #expect(rig.startsSent == 1 && rig.runs.count == before.count + 1)
        }
    }

    @Test("the run of another start that came after is not taken for that of a key that is still unknown")
    func another() async throws {
        try await withRig { rig async throws in
            rig.simulator.inject(.close, where: RequestFilter(method: "POST", target: "/runs"))
            let lost = try await rig.settling { try await rig.start("v2", id: "a", Self.key("k")) }
            #expect(lost.status == 504)
            #expect(try await rig.start("v2", id: "b").status == 200)
            let again = try await rig.start("v2", id: "c", Self.key("k"))
            again.expectError(504, "OutcomeUnknown", reason: "outcome-unknown")
            #expect(again.text.contains("another start of the same test"), "\(again.text)")
            #expect(rig.startsSent == 2)
        }
    }

    @Test(
        "a write whose answer was lost is never sent again under its key",
        arguments: [Fault.executeThenClose, .plainText500])
    func lostWrite(fault: Fault) async throws {
        try await withRig { rig async throws in
            rig.simulator.inject(fault, where: RequestFilter(method: "POST", target: "/tests"))
            func make() async throws -> RawResponse {
                try await rig.call("POST", "\(rig.v2)/tests", Self.key("k"), body: Self.test("t"))
            }
            let first = try await make()
            if case .executeThenClose = fault { #expect(first.status == 504) } else { #expect(first.status == 500) }
            for _ in 0..<2 {
                let again = try await make()
                again.expectError(504, "OutcomeUnknown", reason: "outcome-unknown", target: "Idempotency-Key")
            }
            #expect(rig.testsSent == 1)
        }
    }

    @Test("while the first is under way the next waits, within its deadline; then it is 409")
    func waits() async throws {
        try await withRig { rig async throws in
            rig.simulator.inject(.executeThenHang, where: RequestFilter(method: "POST", target: "/tests"))
            func make(_ headers: [(String, String)] = []) async throws -> RawResponse {
                try await rig.call("POST", "\(rig.v2)/tests", Self.key("k") + headers, body: Self.test("t"))
            }
            async let first = make()
            #expect(await rig.simulator.waitForRequests(1, where: RequestFilter(method: "POST", target: "/tests")))
            let late = try await make([("Prefer", "wait=0")])
            late.expectError(
                409, "RequestInProgress", reason: "request-in-progress", target: "Idempotency-Key", retryAfter: 1...1)
            let other = try await rig.call("POST", "\(rig.v2)/tests", Self.key("k"), body: Self.test("other"))
            #expect(other.status == 422)
            async let patient = make()
            try await Task.sleep(for: .milliseconds(20))
            rig.simulator.releaseHeld()
            let (one, two) = try await (first, patient)
            #expect(one.status == 201 && two.body == one.body && two["Idempotent-Replayed"] == "true")
            #expect(rig.testsSent == 1)
        }
    }

    @Test("a hundred connections with the same key at once make one call")
    func crowd() async throws {
        try await withRig { rig async throws in
            let answers = try await withThrowingTaskGroup(of: RawResponse.self) { group in
                for index in 0..<100 {
                    group.addTask { try await rig.start("v2", id: "c-\(index)", Self.key("k")) }
                }
                return try await group.reduce(into: [RawResponse]()) { $0.append($1) }
            }
            #expect(answers.count == 100 && answers.allSatisfy { $0.status == 200 && $0.body == answers[0].body })
            #expect(answers.count { $0["Idempotent-Replayed"] == nil } == 1)
            #expect(rig.startsSent == 1)
        }
    }

    @Test("an answer over 64 KiB is given whole the first time, and without its body after that")
    func large() async throws {
        let body = #"{"test":{"id":"t","name":"\#(String(repeating: "n", count: 70_000))"}}"#
        let received = Received()
        let origin = origin(received, always: json(body, status: "201 Created", headers: "X-Odd: \"a\"\r\n"))
        try await withRig(origin: origin) { rig async throws in
            func make() async throws -> RawResponse {
                try await rig.call("POST", "\(rig.v2)/tests", Self.key("k"), body: Self.test("t"))
            }
            let first = try await make()
            #expect(first.status == 201 && first.text == body)
            for _ in 0..<2 {
                let again = try await make()
                #expect(again.status == 201 && again.body.isEmpty && again.ending == .complete)
                #expect(again["Idempotent-Replayed"] == "true; body=dropped" && again["X-Odd"] == "\"a\"")
            }
            #expect(received.count == 1)
        }
    }

    @Test("a key that cannot be kept on disk is 503 and nothing is sent; without a key it is")
    func unwritable() async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        try await withRig { options in
            // A folder that cannot be made: nothing is recorded, as was asked for.
            options.flags = ["audit.path=\(folder.path)/missing/audit", "audit.required=false"]
        } _: { rig async throws in
            let answer = try await rig.call("POST", "\(rig.v2)/tests", Self.key("k"), body: Self.test("t"))
            answer.expectError(
                503, "AuditUnavailable", reason: "audit-unavailable", target: "Idempotency-Key", retryAfter: 5...5)
            #expect(rig.testsSent == 0)
            #expect(try await rig.call("POST", "\(rig.v2)/tests", body: Self.test("t")).status == 201)
            #expect(try await rig.start("v2", id: "run").status == 200)
        }
    }

    @Test(
        "a client that retries a start with its key until it has an answer starts one run at most",
        arguments: [
            Fault.executeThenClose, .executeThenReset, .close, .reset, .truncatedLength(after: 7), .runAnswerLost,
            .answer(status: 502, body: "{}"), .answer(status: 504, body: "{}"), .plainText500,
            .rateLimited(retryAfter: "1"), .unauthorized(.invalidJWT),
        ])
    func retrying(fault: Fault) async throws {
        try await withRig { rig async throws in
            let before = rig.runs
            rig.simulator.inject(fault, where: RequestFilter(method: "POST", target: "/runs"))
            var statuses: [Int] = []
            for attempt in 0..<3 where statuses.last != 200 {
                let answer = try await rig.settling { try await rig.start("v2", id: "try-\(attempt)", Self.key("k")) }
                statuses.append(answer.status)
            }
            #expect(rig.runs.count <= before.count + 1, "\(statuses)")
            let mayRepeat: Bool =
                switch fault {
                case .rateLimited, .unauthorized: true
                default: false
                }
            #expect(rig.startsSent == (mayRepeat ? 2 : 1), "\(statuses)")
            #expect(statuses.allSatisfy { [200, 401, 504].contains($0) }, "\(statuses)")
        }
    }

    private static func test(_ name: String) -> String {
        #"{"name":"\#(name)","description":"","suppressTouching":false,"includeSubModels":true,"touchingTolerance":0.1,"#
            + #""setA":{"queryReference":""},"setB":{"queryReference":""},"suppressionRules":[]}"#
    }
}

extension Rig {
    /// Creations of tests that upstream received.
    fileprivate var testsSent: Int { simulator.recorded(RequestFilter(method: "POST", target: "/tests")).count }
}
