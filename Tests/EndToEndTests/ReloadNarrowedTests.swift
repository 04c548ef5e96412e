// Rules that a reload narrows: calls that only wait are judged anew, what was sent goes on.

import Proxy
import Simulator
import TestSupport
import Testing

@testable import Configuration

@Suite(.timeLimit(.minutes(8))) struct ReloadNarrowedTests {
    private static let mine = SeededWorld.mine
    private static let run = "11111111-2222-4333-8444-555555555555"
    private static let base = "/clash-detection/itwins/\(mine)"
    private static let narrow = ["rate.windows=1/1h", "rate.max_wait=24h", "audit.snapshot=false"]
    private static let wide = ["rate.windows=100000/1s"]

    /// A delete by its path, and one that its body makes.
    enum Delete: CaseIterable {
        case path
        case body

        var call: (method: String, target: String, body: String?) {
            switch self {
            case .path: ("DELETE", "\(base)/reports/\(run)", nil)
            case .body:
                ("POST", "\(base)/reports/jobs/deletion", #"{"jobs":["\#(run)"],"operation":"delete"}"#)
            }
        }
    }

    /// What may be narrowed, as flags or in the caller's table.
    enum Narrowing: CaseIterable {
        case protected
        case allow
        case itwins
        case operations

        var isProtected: Bool { self == .protected }
        var flags: [String] { isProtected ? ["deletes.protect=\(run)"] : [] }

        func table(_ whole: String) -> String {
            switch self {
            case .protected: whole
            case .allow: whole.replacing("\"delete\"", with: "\"run\"")
            case .itwins: whole + "itwins = [\"\(SeededWorld.foreign)\"]\n"
            case .operations: whole + "operations = [\"v2.tests.*\"]\n"
            }
        }

        func expect(_ answer: RawResponse) {
            answer.expectError(
                403, isProtected ? "Protected" : "InsufficientPermissions",
                reason: isProtected ? "protected" : "permission-denied")
        }
    }

    @Test(
        "a waiting delete: 403 and recorded as denied, and wider limits in the same reload let it not slip through",
        arguments: Narrowing.allCases, Delete.allCases)
    func key(narrowing: Narrowing, delete: Delete) async throws {
        let made = try KeyGenerator.make(name: "a", allow: "read,delete")
        let key = ("X-Api-Key", made.key.withValue { $0 })
        for isWidened in [false, true] {
            try await withLimits(Self.narrow, file: made.table) { rig, origin async throws in
                #expect(try await rig.get(Self.base + "/tests", [key]).status == 200)
                let (method, target, body) = delete.call
                let waits = try await rig.begin(method, target, [key, ("x-correlation-id", "w")], body: body)
                try await rig.waitForQueue(1)
                await rig.reload(
                    narrowing.flags + (isWidened ? Self.wide : []), file: narrowing.table(made.table))
                rig.clock.advance(by: .seconds(isWidened ? 1 : 0))
                narrowing.expect(try await waits.answer())
                #expect(try rig.story(of: "w") == ["denied"])
                #expect(origin.count == 1)
                #expect(try await rig.queued() == 0)
                narrowing.expect(try await rig.call(method, target, [key], body: body))
            }
        }
    }

    @Test("what the new rules allow keeps waiting, and goes")
    func stays() async throws {
        let made = try KeyGenerator.make(name: "a", allow: "read,delete")
        let key = ("X-Api-Key", made.key.withValue { $0 })
        try await withLimits(Self.narrow, file: made.table) { rig, origin async throws in
            #expect(try await rig.get(Self.base + "/tests", [key]).status == 200)
            let (method, target, body) = Delete.body.call
            let waits = try await rig.begin(method, target, [key], body: body)
            try await rig.waitForQueue(1)
            await rig.reload(
                ["deletes.protect=99999999-2222-4333-8444-555555555555"],
                file: made.table + "itwins = [\"\(Self.mine)\"]\n")
            #expect(try await rig.queued() == 1)
            await rig.reload(Self.wide)
            rig.clock.advance(by: .seconds(1))
            #expect(try await waits.answer().status == 200)
            #expect(origin.count == 2)
        }
    }

    @Test("nobody has a key: what is protected meanwhile is not deleted either")
    func anonymous() async throws {
        try await withLimits(Self.narrow) { rig, origin async throws in
            #expect(try await rig.get(Self.base + "/tests").status == 200)
            let waits = try await rig.begin("DELETE", Delete.path.call.target, [("x-correlation-id", "w")])
            try await rig.waitForQueue(1)
            await rig.reload(Narrowing.protected.flags)
            Narrowing.protected.expect(try await waits.answer())
            #expect(try rig.story(of: "w") == ["denied"] && origin.count == 1)
        }
    }

    @Test("a delete whose body is still coming is refused and recorded")
    func body() async throws {
        let made = try KeyGenerator.make(name: "a", allow: "read,delete")
        let key = made.key.withValue { $0 }
        try await withLimits(file: made.table) { rig, origin async throws in
            let client = try rig.connect()
            try await client.send(
                "DELETE \(Delete.path.call.target) HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: \(key)\r\n"
                    + "x-correlation-id: w\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n")
            #expect(try await client.interimResponse() == "HTTP/1.1 100 Continue")
            await rig.reload(file: Narrowing.allow.table(made.table))
            Narrowing.allow.expect(try await client.answer(to: "DELETE"))
            #expect(try rig.story(of: "w") == ["denied"] && origin.count == 0)
        }
    }

    @Test(
        "a waiting read of a fetch, as who began it or as one who joined it: 403, and the other's goes",
        arguments: [true, false])
    func flight(leads: Bool) async throws {
        let (a, b) = (
            try KeyGenerator.make(name: "a", allow: "read"), try KeyGenerator.make(name: "b", allow: "read")
        )
        let keys = [a, b].map { ("X-Api-Key", $0.key.withValue { $0 }) }
        try await withLimits(Self.narrow + ["cache.enabled=true"], file: b.table + a.table) {
            rig, origin async throws in
            origin.become { _, _ in json("{}") }
            #expect(try await rig.get("\(Path.iTwin)/suppression-rules", [keys[1]]).status == 200)
            let first = try await rig.begin("GET", Path.tests, [keys[leads ? 0 : 1]])
            try await rig.waitForQueue(1)
            let second = try await rig.begin("GET", Path.tests, [keys[leads ? 1 : 0]])
            // Nothing shows from outside that somebody has joined a fetch.
            try await Task.sleep(for: .milliseconds(100))
            await rig.reload(file: b.table + Narrowing.itwins.table(a.table))
            Narrowing.itwins.expect(try await (leads ? first : second).answer())
            await rig.reload(Self.wide)
            rig.clock.advance(by: .seconds(1))
            #expect(try await (leads ? second : first).answer().status == 200)
            #expect(origin.count == 2)
        }
    }

    @Test(
        "rules that change while a call is sent hold for it when it is refused for now and would be sent again",
        arguments: Narrowing.allCases, [false, true])
    func resend(narrowing: Narrowing, isWithdrawn: Bool) async throws {
        let made = try KeyGenerator.make(name: "a", allow: "read,delete")
        let other = try KeyGenerator.make(name: "b", allow: "read")
        let key = ("X-Api-Key", made.key.withValue { $0 })
        try await withLimits(["audit.snapshot=false"], file: made.table + other.table) { rig, origin async throws in
            let latch = Latch()
            origin.become { number, _ in
                if number == 1 { _ = latch.waitBlocking() }
                return number == 1 ? tooMany("5") : ok
            }
            let call = try await rig.begin("DELETE", Delete.path.call.target, [key, ("x-correlation-id", "w")])
            try await eventually("it is sent") { origin.count == 1 }
            await rig.reload(
                narrowing.flags, file: isWithdrawn ? other.table : narrowing.table(made.table) + other.table)
            latch.open()
            let answer = try await call.answer()
            if isWithdrawn {
                answer.expectError(401, "InvalidCallerKey", reason: "caller-key-unknown")
            } else {
                narrowing.expect(answer)
            }
            rig.clock.advance(by: .seconds(30))
            #expect(try rig.story(of: "w") == ["intent", "outcome refused_upstream"])
            #expect(origin.count == 1, "it is not sent again")
        }
    }

    @Test(
        "the same of a fetch: who began it and who joined it are judged when it has to wait again",
        arguments: [true, false])
    func heldFlight(leads: Bool) async throws {
        let (a, b) = (
            try KeyGenerator.make(name: "a", allow: "read"), try KeyGenerator.make(name: "b", allow: "read")
        )
        let keys = [a, b].map { ("X-Api-Key", $0.key.withValue { $0 }) }
        try await withLimits(["cache.enabled=true"], file: b.table + a.table) { rig, origin async throws in
            let latch = Latch()
            origin.become { number, _ in
                if number == 1 { _ = latch.waitBlocking() }
                return number == 1 ? tooMany("5") : json("{}")
            }
            let first = try await rig.begin("GET", Path.tests, [keys[leads ? 0 : 1]])
            try await eventually("it is sent") { origin.count == 1 }
            let second = try await rig.begin("GET", Path.tests, [keys[leads ? 1 : 0]])
            // Nothing shows from outside that somebody has joined a fetch.
            try await Task.sleep(for: .milliseconds(100))
            await rig.reload(file: b.table + Narrowing.itwins.table(a.table))
            latch.open()
            Narrowing.itwins.expect(try await (leads ? first : second).answer())
            #expect(origin.count == 1)
            rig.clock.advance(by: .seconds(30))
            #expect(try await (leads ? second : first).answer().status == 200)
            #expect(origin.count == 2)
        }
    }

    @Test("persons of an issuer whose table is narrowed", arguments: Narrowing.allCases)
    func person(narrowing: Narrowing) async throws {
        try await withIssuer(
            "allow = [\"read\", \"delete\"]\n", { $0.flags = Self.narrow }
        ) { rig async throws in
            let person = rig.person("alice")
            #expect(try await rig.get(rig.list, [person]).status == 200)
            let waits = try await rig.begin("DELETE", Delete.path.call.target, [person, ("x-correlation-id", "w")])
            try await rig.waitForQueue(1)
            let table =
                "[[issuer]]\nurl = \"\(rig.upstream.issuerURL)\"\naudience = [\"clash\"]\nallow = [\"read\", \"delete\"]\n"
            await rig.reload(narrowing.flags, file: narrowing.table(table))
            narrowing.expect(try await waits.answer())
            #expect(try rig.story(of: "w") == ["denied"])
            #expect(rig.simulator.recorded(RequestFilter(method: "DELETE")).isEmpty)
        }
    }

    @Test("a delete that was sent goes on, whatever is protected since")
    func sent() async throws {
        let made = try KeyGenerator.make(name: "a", allow: "read,delete")
        try await withRig { options in
            options.file = made.table
        } _: { rig async throws in
            rig.simulator.inject(.executeThenHang, where: RequestFilter(method: "DELETE"))
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            let id = rig.simulator.legacyID(project: rig.iTwin, entity: report) ?? ""
            let client = try await rig.begin(
                "DELETE", "/clashdetection/runs/\(id)", [("X-Api-Key", made.key.withValue { $0 })])
            #expect(await rig.simulator.waitForRequests(1, where: RequestFilter(method: "DELETE")))
            await rig.reload(["deletes.protect=\(report)"], file: Narrowing.allow.table(made.table))
            rig.simulator.releaseHeld()
            #expect(try await client.answer(to: "DELETE").status == 204)
        }
    }
}
