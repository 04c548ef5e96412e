// A configuration that is taken while the proxy runs.

import Proxy
import Simulator
import Synchronization
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct ReloadTests {
    private static let tests = "/clashdetection/tests"

    @Test(
        "under load, callers come and go and limits change, and no call with a good key fails: hits and forwarded ones")
    func underLoad() async throws {
        let ring = try KeyRing("always", "sometimes", "never")
        try await withCachedWorld([]) { options in
            options.file = ring.file("always", "sometimes")
        } _: { rig async throws in
            let isOver = Flag()
            #expect(try await rig.get(rig.list, [ring.key("always")]).status == 200)
            let counts = try await withThrowingTaskGroup(of: [Int: Int].self) { group in
                for number in 0..<6 {
                    group.addTask {
                        // Hits, and reads that are never stored.
                        let target = number % 2 == 0 ? rig.list : "\(rig.v2)/reports?$top=3"
                        let headers = number % 2 == 0 ? [] : [("Cache-Control", "no-store")]
                        var statuses: [Int: Int] = [:]
                        let client = try rig.connect()
                        defer { client.close() }
                        while !isOver.isSet {
                            let request = rig.request("GET", target, [ring.key("always")] + headers)
                            statuses[try await client.exchange(request).status, default: 0] += 1
                        }
                        return statuses
                    }
                }
                for round in 0..<12 {
                    let isThere = round % 2 == 0
                    let answer = await rig.reload(
                        ["rate.max_queue=\(100 + round)", "cache.ttl_list=\(30 + round)s"],
                        file: isThere ? ring.file("sometimes", "always") : ring.file("always"))
                    guard case .taken = answer else { throw RawClient.Trouble(description: "not taken: \(answer)") }
                    let other = try await rig.get(rig.list, [ring.key("sometimes")])
                    #expect(other.status == (isThere ? 200 : 401), "round \(round)")
                    #expect(try await rig.get(rig.list, [ring.key("never")]).status == 401)
                }
                isOver.set()
                return try await group.reduce(into: [Int: Int]()) { sum, one in sum.merge(one) { $0 + $1 } }
            }
            #expect(Set(counts.keys) == [200] && counts[200] ?? 0 > 50, "\(counts)")
        }
    }

    @Test("a bad file changes nothing and says every mistake; the next good one is taken")
    func badFile() async throws {
        let ring = try KeyRing("a", "b")
        try await withRig { options in
            options.file = ring.file("a")
        } _: { rig async throws in
            let bad = "[rate]\nmax_queue = -1\n[log]\nlevell = \"info\"\n" + ring.file("b")
            guard case .refused(let mistakes) = await rig.reload(file: bad) else {
                Issue.record("it was taken")
                return
            }
            #expect(mistakes.count == 2)
            #expect(mistakes.contains { $0.contains("rate.max_queue") && $0.contains("proxy.conf:2") }, "\(mistakes)")
            #expect(mistakes.contains { $0.contains("levell") && $0.contains("level") }, "\(mistakes)")
            for mistake in ["rate.max_queue", "levell"] {
                _ = try await rig.applicationLog.line(with: "error", mistake)
            }
            _ = try await rig.applicationLog.line(with: "configuration refused", "\"mistakes\": 2")
            #expect(try await rig.get(Self.tests, [ring.key("a")]).status != 401)
            #expect(try await rig.get(Self.tests, [ring.key("b")]).status == 401)
            #expect(await rig.reload(file: ring.file("b")) == .taken(changed: ["caller"], needsRestart: []))
            #expect(try await rig.get(Self.tests, [ring.key("a")]).status == 401)
            #expect(try await rig.get(Self.tests, [ring.key("b")]).status != 401)
        }
    }

    @Test("the log names what changed and what needs a restart, which is as before")
    func named() async throws {
        try await withRig { rig async throws in
            let former = try rig.connect()
            let answer = await rig.reload([
                "listen.address=127.0.0.1:1", "audit.path=/nowhere", "token.mode=passthrough", "fleet.name=x",
                "rate.max_wait=7s",
            ])
            let waits = ["listen.address", "token.mode", "fleet.name", "audit.path"]
            #expect(answer == .taken(changed: ["rate.max_wait"], needsRestart: waits))
            _ = try await rig.applicationLog.line(with: "configuration taken", "rate.max_wait", "token.mode")
            #expect(try await former.exchange(rig.request("GET", rig.list)).status == 200)
            former.close()
            #expect(try await rig.get(rig.list).status == 200)
            #expect(await rig.reload() == .taken(changed: [], needsRestart: waits), "it still waits")
        }
    }

    @Test("other limits hold from then on, and what was sent is not forgotten")
    func limits() async throws {
        try await withLimits(["rate.windows=100/1h"]) { rig, origin async throws in
            for _ in 0..<3 { #expect(try await rig.get(Self.tests).status == 200) }
            await rig.reload(["rate.windows=3/1h", "rate.max_wait=0s"])
            let refused = try await rig.get(Self.tests)
            refused.expectError(429, "TooManyRequests", reason: "rate-limited", retryAfter: 1...20_000)
            #expect(refused["RateLimit-Policy"]?.contains("q=3;w=3600") == true, "\(refused["RateLimit-Policy"] ?? "")")
            await rig.reload(["rate.windows=1000/1h"])
            #expect(try await rig.get(Self.tests).status == 200)
            let waiting = try await heldCall(rig, ["rate.windows=4/1h", "rate.max_wait=2h"])
            await rig.reload(["rate.windows=1000/1h"])
            rig.clock.advance(by: .seconds(60))
            #expect(try await waiting.answer().status == 200, "who waits goes when there is room")
        }
    }

    /// A call that waits in the gate.
    private func heldCall(
        _ rig: Rig, _ flags: [String], _ headers: [(String, String)] = []
    ) async throws -> RawClient {
        await rig.reload(flags)
        let client = try await rig.begin("GET", Self.tests, headers)
        try await rig.waitForQueue(1)
        return client
    }

    @Test("lifetimes hold for what is stored from then on; a cache that is off and on again shows nothing of before")
    func cache() async throws {
        try await withNumberedPages(["cache.ttl_list=10s"]) { rig, origin async throws in
            func ask(_ path: String = Path.tests) async throws -> String {
                try await rig.get(path)["Cache-Status"] ?? "none"
            }
            func seconds(_ status: String) -> Int {
                status.split(separator: "; ").first { $0.hasPrefix("ttl=") }.flatMap { Int($0.dropFirst(4)) } ?? -1
            }
            #expect(try await ask().contains("fwd=uri-miss"))
            await rig.reload(["cache.ttl_list=1h"])
            let former = try await ask()
            #expect(former.contains("hit") && (0...10).contains(seconds(former)), "as it was stored: \(former)")
            #expect(try await ask(Path.reports).contains("fwd=uri-miss"))
            let later = try await ask(Path.reports)
            #expect(later.contains("hit") && seconds(later) > 3_000, "\(later)")
            await rig.reload(["cache.enabled=false"])
            let asked = origin.count
            #expect(try await rig.get(Path.reports).status == 200)
            #expect(origin.count == asked + 1)
            #expect(try await rig.operate("POST", "/purge?all").status == 409)
            await rig.reload(["cache.enabled=true"])
            #expect(try await ask(Path.reports).contains("fwd=uri-miss"))
            #expect(try await ask(Path.reports).contains("hit"))
        }
    }

    @Test("origins of browsers, the base of links, bodies, reasons and budgets of deletes, and the access log")
    func manners() async throws {
        try await withRig { options in
            options.flags = ["log.access=false"]
        } _: { rig async throws in
            let page = [("Origin", "https://app.example.com")]
            #expect(try await rig.get(rig.list, page).status == 403)
            #expect(try await rig.deleteRun(rig.simulator.reportIDs(iTwin: rig.iTwin)[0], id: "d0").status == 204)
            #expect(rig.accessLog.text.isEmpty)
            await rig.reload([
                "listen.cors_origins=https://app.example.com", "listen.public_url=https://clash.example.com",
                "listen.max_body_bytes=1KiB", "audit.delete_budget=1/1h", "log.access=true", "log.format=json",
            ])
            let answer = try await rig.get(rig.list, page)
            #expect(answer.status == 200 && answer["Access-Control-Allow-Origin"] == "https://app.example.com")
            #expect(answer.text.contains("\"https://clash.example.com/clash-detection/"), "\(answer.text.prefix(500))")
            _ = try await rig.accessLog.line(with: "\"status\":200")
            let large = String(repeating: " ", count: 2_000)
            #expect(try await rig.call("POST", "\(rig.v2)/tests", body: large).status == 413)
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[1]
            #expect(try await rig.deleteRun(report, id: "d1").status == 429, "the log knows of the first one")
            await rig.reload(["audit.delete_budget=9/1h", "audit.require_reason=true"])
            #expect(try await rig.deleteRun(report, id: "d2").status == 428)
            #expect(try await rig.deleteRun(report, id: "d3", [("X-Audit-Reason", "why not")]).status == 204)
        }
    }

    @Test("more or fewer connections are let in, and those that are open stay")
    func connections() async throws {
        try await withRig { rig async throws in
            let open = try (0..<3).map { _ in try rig.connect() }
            for client in open { #expect(try await client.exchange(rig.request("GET", rig.list)).status == 200) }
            await rig.reload(["listen.max_connections=3"])
            let fourth = try rig.connect()
            #expect(try await fourth.response().status == 503)
            for client in open { #expect(try await client.exchange(rig.request("GET", rig.list)).status == 200) }
            await rig.reload(["listen.max_connections=4", "listen.header_timeout=100ms"])
            let slow = try rig.connect()
            try await slow.send("GET / HT")
            #expect(try await slow.response().status == 400, "a new connection has the new time")
            for client in open + [fourth, slow] { client.close() }
        }
    }

    @Test("the next token is asked for as the new client, and the one that is held is used until then")
    func client() async throws {
        try await withRig { rig async throws in
            #expect(try await rig.get(rig.list).status == 200)
            let former = rig.simulator.counters.tokensIssued
            let answer = await rig.reload(["token.client_secret=wrong"])
            #expect(answer == .taken(changed: ["token.client_secret"], needsRestart: []))
            #expect(try await rig.get(rig.list).status == 200)
            #expect(rig.simulator.counters.tokensIssued == former)
            _ = try await rig.applicationLog.line(with: "in force from the next token on", "token.client_secret")
            await rig.reload(["token.client_id=other"])
            _ = try await rig.applicationLog.line(with: "in force from the next token on", "token.client_id; what")
            await rig.reload(["token.client_id=demo"])
            rig.clock.advance(by: .seconds(3_500))
            _ = try await rig.applicationLog.line(with: "token refused")
            await rig.reload(["token.client_secret=demo-secret"])
            rig.clock.advance(by: .seconds(3_600))
            try await eventually("a token again") { rig.simulator.counters.tokensIssued > former }
        }
    }
}

/// Set once.
final class Flag: Sendable {
    private let state = Atomic(false)
    var isSet: Bool { state.load(ordering: .relaxed) }
    func set() { state.store(true, ordering: .relaxed) }
}
