// A key that is withdrawn: calls that only wait end with 401, what was sent goes on.

import Proxy
import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct ReloadWithdrawnTests {
    private static let tests = "/clashdetection/tests"

    /// One call, and all others wait.
    private static let narrow = ["rate.windows=1/1h", "rate.max_wait=24h"]

    /// All may go.
    private func widen(_ rig: Rig) async {
        await rig.reload(["rate.windows=100000/1s"])
        rig.clock.advance(by: .seconds(1))
    }

    private func expectWithdrawn(_ rig: Rig, _ client: RawClient, _ id: String) async throws {
        let answer = try await client.answer()
        answer.expectError(401, "InvalidCallerKey", reason: "caller-key-unknown", target: "Authorization")
        #expect(answer["WWW-Authenticate"]?.hasPrefix("Bearer") == true && answer.text.contains("withdrawn"))
        _ = try await rig.accessLog.line(with: id, " 401 ", "refused:caller-key-unknown")
    }

    @Test("waiting at the gate: 401; another caller's call keeps waiting and goes", arguments: ["GET", "DELETE"])
    func gate(method: String) async throws {
        let ring = try KeyRing("a", "b")
        try await withLimits(Self.narrow, file: ring.file("a", "b")) { rig, origin async throws in
            #expect(try await rig.get(Self.tests, [ring.key("b")]).status == 200)
            let mine = try await rig.begin(method, "\(Self.tests)/x", [ring.key("a"), ("x-correlation-id", "w1")])
            let other = try await rig.begin("GET", Self.tests, [ring.key("b")])
            try await rig.waitForQueue(2)
            await rig.reload(file: ring.file("b"))
            try await expectWithdrawn(rig, mine, "w1")
            #expect(try await rig.queued() == 1 && origin.count == 1)
            await widen(rig)
            #expect(try await other.answer().status == 200)
            #expect(origin.count == 2)
        }
    }

    @Test("waiting for its body: 401, and the connection ends")
    func body() async throws {
        let ring = try KeyRing("a", "b")
        try await withLimits(file: ring.file("a", "b")) { rig, origin async throws in
            let client = try rig.connect()
            let (name, key) = ring.key("a")
            try await client.send(
                "POST \(Self.tests) HTTP/1.1\r\nHost: localhost\r\n\(name): \(key)\r\nx-correlation-id: w2\r\n"
                    + "Content-Length: 9\r\nExpect: 100-continue\r\n\r\n")
            #expect(try await client.interimResponse() == "HTTP/1.1 100 Continue")
            await rig.reload(file: ring.file("b"))
            try await expectWithdrawn(rig, client, "w2")
            #expect(origin.count == 0)
        }
    }

    @Test("waiting for a token: 401")
    func token() async throws {
        let ring = try KeyRing("a", "b")
        try await withRig { options in
            options.file = ring.file("a", "b")
            options.faults = [PlannedFault(.hang, where: .token, times: 1)]
        } _: { rig async throws in
            let client = try rig.connect()
            try await client.send(rig.request("GET", rig.list, [ring.key("a"), ("x-correlation-id", "w3")]))
            while try await rig.figure("in_flight") == 0 { try await Task.sleep(for: .milliseconds(2)) }
            await rig.reload(file: ring.file("b"))
            try await expectWithdrawn(rig, client, "w3")
        }
    }

    @Test(
        "waiting for a fetch that is not sent, as who began it or as one who joined it: 401", arguments: [true, false])
    func flight(leads: Bool) async throws {
        let ring = try KeyRing("a", "b")
        try await withLimits(Self.narrow + ["cache.enabled=true"], file: ring.file("a", "b")) {
            rig, origin async throws in
            origin.become { _, _ in json("{}") }
            #expect(try await rig.get("\(Path.iTwin)/suppression-rules", [ring.key("b")]).status == 200)
            let mine = [ring.key("a"), ("x-correlation-id", "w4")]
            let first = try await rig.begin("GET", Path.tests, leads ? mine : [ring.key("b")])
            try await rig.waitForQueue(1)
            let second = try await rig.begin("GET", Path.tests, leads ? [ring.key("b")] : mine)
            // Nothing shows from outside that somebody has joined a fetch.
            try await Task.sleep(for: .milliseconds(100))
            await rig.reload(file: ring.file("b"))
            try await expectWithdrawn(rig, leads ? first : second, "w4")
            await widen(rig)
            #expect(try await (leads ? second : first).answer().status == 200)
            #expect(origin.count == 2)
        }
    }

    @Test("what was sent goes on, with what it began with", arguments: ["read", "fetch", "delete"])
    func sent(what: String) async throws {
        let ring = try KeyRing("a", "b")
        try await withRig { options in
            options.file = ring.file("a", "b")
            options.flags = what == "fetch" ? ["cache.enabled=true"] : []
        } _: { rig async throws in
            rig.simulator.inject(
                .executeThenHang, where: RequestFilter(target: what == "delete" ? "/runs/" : "/reports"))
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            let id = rig.simulator.legacyID(project: rig.iTwin, entity: report) ?? ""
            let client = try rig.connect()
            try await client.send(
                what == "delete"
                    ? rig.request("DELETE", "/clashdetection/runs/\(id)", [ring.key("a")])
                    : rig.request("GET", rig.list, [ring.key("a")]))
            #expect(await rig.simulator.waitForRequests(1, where: RequestFilter(target: "/clash")))
            await rig.reload(file: ring.file("b"))
            #expect(try await rig.get(rig.list, [ring.key("a")]).status == 401)
            rig.simulator.releaseHeld()
            #expect(try await client.response().status == (what == "delete" ? 204 : 200))
            #expect(try await client.exchange(rig.request("GET", rig.list, [ring.key("a")])).status == 401)
            client.close()
        }
    }

    @Test("a rotated key: the old one is withdrawn, the new one is known at once")
    func rotated() async throws {
        let (old, new) = (try KeyRing("a"), try KeyRing("a"))
        try await withLimits(Self.narrow, file: old.file("a")) { rig, origin async throws in
            #expect(try await rig.get(Self.tests, [old.key("a")]).status == 200)
            let mine = try await rig.begin("GET", Self.tests, [old.key("a"), ("x-correlation-id", "w5")])
            try await rig.waitForQueue(1)
            await rig.reload(file: new.file("a"))
            try await expectWithdrawn(rig, mine, "w5")
            await widen(rig)
            #expect(try await rig.get(Self.tests, [old.key("a")]).status == 401)
            #expect(try await rig.get(Self.tests, [new.key("a")]).status == 200)
            #expect(origin.count == 2)
        }
    }
}
