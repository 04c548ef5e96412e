// What this proxy tells tools about themselves and about what is left: /_proxy/me and /_proxy/budget.

import FoundationEssentials
import Proxy
import Simulator
import TestSupport
import Testing

@testable import Configuration

@Suite(.timeLimit(.minutes(8))) struct OwnPageTests {
    private struct Window: Decodable, Equatable {
        let window: String
        let limit: Int
        let used: Int
        let remaining: Int
        let nextFreeSeconds: Double
    }

    private struct Me: Decodable {
        struct Caller: Decodable {
            let name: String
            let via: String
            let rights: [String]
            let itwins: [String]
            let operations: [String]
        }
        let caller: Caller
        let windows: [Window]
    }

    private struct Budget: Decodable {
        struct CoolDown: Decodable {
            let scope: String
            let seconds: Double
            let cause: String
        }
        struct Forecast: Decodable {
            let window: String
            let exhaustedAt: String
        }
        let windows: [Window]
        let cooldowns: [CoolDown]
        let forecast: [Forecast]
    }

    private func read<Page: Decodable>(_ page: Page.Type, _ answer: RawResponse) throws -> Page {
        #expect(answer.status == 200 && answer["Content-Type"] == "application/json", "\(answer.text)")
        #expect(answer["Via"] == "1.1 clash-proxy" && answer["Cache-Status"] == nil && answer["RateLimit"] == nil)
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(page, from: Data(answer.body))
    }

    @Test("me: name, how it is known, rights, scope and what is left of its own windows; nothing of it is a call")
    func me() async throws {
        var callers = ScopedCallers()
        try callers.add(
            "dash", allow: "read,delete", itwins: [SeededWorld.mine.uppercased()], operations: "v2.reports.*",
            line: #"windows = ["3/1m", "100/1h"]"#)
        let (tables, key) = (callers.tables, callers.key("dash"))
        try await withLimits(file: tables) { rig, origin in
            let first = try read(Me.self, try await rig.get("/_proxy/me", [key]))
            #expect(first.caller.name == "dash" && first.caller.via == "key")
            #expect(first.caller.rights == ["delete", "read"] && first.caller.itwins == [SeededWorld.mine])
            #expect(first.caller.operations == ["v2.reports.*"])
            #expect(first.windows.map(\.window) == ["3/1m", "100/1h"])
            #expect(first.windows.allSatisfy { $0.used == 0 && $0.nextFreeSeconds == 0 })
            for number in 0..<3 {
                #expect(try await rig.get("\(rig.v2)/reports/\(number)", [key]).status == 200)
            }
            try await rig.settle()
            rig.clock.advance(by: .seconds(20))
            let last = try read(Me.self, try await rig.get("/_proxy/me", [key]))
            #expect(last.windows[0].used == 3 && last.windows[0].remaining == 0 && last.windows[0].limit == 3)
            #expect((39.9...40.1).contains(last.windows[0].nextFreeSeconds), "\(last.windows)")
            #expect(last.windows[1].remaining == 97 && last.windows[1].nextFreeSeconds == 0)
            #expect(origin.count == 3)
        }
    }

    @Test("budget: every window, the pauses that hold with their cause, and when a window will be full")
    func budget() async throws {
        try await withLimits(["rate.windows=100/1m", "rate.run_windows=6/1s"]) { rig, origin in
            let new = try read(Budget.self, try await rig.get("/_proxy/budget"))
            #expect(new.windows.map(\.window) == ["100/1m", "run 6/1s"])
            #expect(new.cooldowns.isEmpty && new.forecast.isEmpty)
            #expect(new.windows.allSatisfy { $0.used == 0 && $0.remaining == $0.limit }, "nothing was called")
            // After a rest the whole burst may go, as fast as would fill the window.
            rig.clock.advance(by: .seconds(61))
            var sent = 0
            while try await rig.isHeld("\(Path.iTwin)/tests/\(sent)") == false { sent += 1 }
            let spent = try read(Budget.self, try await rig.get("/_proxy/budget"))
            let window = try #require(spent.windows.first)
            #expect(window.used == new.windows[0].used + sent && window.remaining == 100 - window.used)
            #expect(window.nextFreeSeconds > 0)
            let forecast = try #require(spent.forecast.first)
            #expect(forecast.window == "100/1m" && forecast.exhaustedAt.hasSuffix("Z"))
            rig.clock.advance(by: .seconds(60))
            origin.refuseOnce(tooMany("100", naming: "Operation"))
            _ = try await rig.get("\(Path.iTwin)/tests", [("Prefer", "wait=0")])
            let paused = try read(Budget.self, try await rig.get("/_proxy/budget"))
            #expect(paused.cooldowns.map(\.scope) == ["operation:v2.tests.list"])
            #expect(paused.cooldowns.map(\.cause) == ["operation"])
            #expect((99...111).contains(paused.cooldowns.first?.seconds ?? 0), "\(paused.cooldowns)")
        }
    }

    @Test("authenticated like every call; nothing else is there, and nothing below it is ever forwarded")
    func closed() async throws {
        let received = Received()
        let server = origin(received) { _, _ in ok }
        try await withScopes(origin: server, flags: ["upstream.allow_prefixes=/_proxy,/clash-detection"]) {
            rig, callers in
            for target in ["/_proxy/me", "/_proxy/budget", "/_proxy/x"] {
                try await rig.get(target)
                    .expectError(401, "HeaderNotFound", reason: "caller-key-missing", target: "Authorization")
                try await rig.get(target, [("X-Api-Key", "cpk_wrong")])
                    .expectError(401, "InvalidCallerKey", reason: "caller-key-unknown")
            }
            let key = callers.key("mine")
            for target in [
                "/_proxy", "/_proxy/", "/_proxy/x", "/_proxy/me/x", "//_proxy/x", "/%5Fproxy/x", "/_PROXY/y",
                "/_proxy;v=1/x", "/_proxy/approvals",
            ] {
                try await rig.get(target, [key]).expectError(
                    404, "OperationNotFound", reason: "operation-not-found", target)
            }
            for target in ["/_proxy/me", "//%5fproxy/Me", "/_proxy/budget/"] {
                #expect(try await rig.get(target, [key]).status == 200, "\(target)")
                for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
                    let answer = try await rig.call(method, target, [key], body: method == "POST" ? "{}" : nil)
                    answer.expectError(405, "MethodNotAllowed", reason: "method-not-allowed", "\(method) \(target)")
                    #expect(answer["Allow"] == "GET, HEAD")
                }
            }
            let head = try await rig.call("HEAD", "/_proxy/me", [key])
            #expect(head.status == 200 && head.body.isEmpty)
            #expect(received.count == 0)
            #expect(try await rig.accessLog.line(with: " HEAD /_proxy/me ").contains(" mine proxy.me "))
        }
        server.stop()
    }

    @Test("without callers one is anonymous; in pass-through mode one is known by one's token")
    func anonymous() async throws {
        try await withRig { rig in
            let me = try read(Me.self, try await rig.get("/_proxy/me"))
            #expect(me.caller.name == "anonymous" && me.caller.via == "anonymous" && me.caller.rights.count == 5)
        }
        try await withRig {
            $0.flags = ["token.mode=passthrough"]
        } _: { rig in
            let token = ("Authorization", "Bearer \(rig.simulator.issueToken())")
            let me = try read(Me.self, try await rig.get("/_proxy/me", [token]))
            #expect(me.caller.name.hasPrefix("token:") && me.caller.via == "token")
            _ = try read(Budget.self, try await rig.get("/_proxy/budget", [token]))
        }
    }
}
