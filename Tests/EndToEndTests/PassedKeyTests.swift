// A caller's key stays here, whatever field it came in and whatever else came with it.

import Proxy
import TestSupport
import Testing

@testable import Configuration

@Suite(.timeLimit(.minutes(8))) struct PassedKeyTests {
    /// What a tool sends (`KEY` stands for the key), which status it gets, and the `Authorization` that upstream sees.
    private struct Case {
        var headers: [(String, String)]
        var status: Int
        var sent: [String] = []
    }

    private static let token = "Bearer my.own.token"

    @Test("in pass-through mode a field that was looked at as a key never goes upstream, nor does a key anywhere else")
    func passthrough() async throws {
        let cases: [Case] = [
            Case(headers: [("X-Api-Key", "KEY"), ("Authorization", Self.token)], status: 200, sent: [Self.token]),
            Case(headers: [("Authorization", Self.token), ("x-api-key", "\tKEY ")], status: 200, sent: [Self.token]),
            Case(
                headers: [("X-Api-Key", ""), ("X-Api-Key", "KEY"), ("Authorization", Self.token)], status: 200,
                sent: [Self.token]),
            Case(
                headers: [("X-Api-Key", "KEY"), ("X-Api-Key", "KEY"), ("Authorization", Self.token)], status: 200,
                sent: [Self.token]),
            Case(headers: [("X-Api-Key", "KEY")], status: 200),
            // The key is where the token should be: there is no token.
            Case(headers: [("Authorization", "Bearer KEY")], status: 401),
            Case(headers: [("X-Api-Key", ""), ("Authorization", "Bearer KEY")], status: 401),
            Case(headers: [("X-Api-Key", " \t"), ("Authorization", "bEaReR\t KEY")], status: 401),
            Case(headers: [("X-Api-Key", ""), ("X-Api-Key", ""), ("Authorization", "Bearer  KEY")], status: 401),
            Case(headers: [("Authorization", "Bearer KEY"), ("Authorization", Self.token)], status: 401),
            Case(headers: [("X-Api-Key", "KEY"), ("Authorization", "Bearer KEY")], status: 401),
            Case(headers: [("X-Api-Key", "KEY"), ("Authorization", "Bearer\tKEY")], status: 401),
            Case(headers: [("X-Api-Key", "KEY"), ("Authorization", "KEY")], status: 401),
            Case(headers: [("X-Api-Key", "KEY"), ("Authorization", "Bearer x, Bearer KEY")], status: 401),
            Case(headers: [("X-Api-Key", "KEY"), ("Authorization", "Bearer \"KEY\"")], status: 401),
            Case(
                headers: [("X-Api-Key", "KEY"), ("Authorization", Self.token), ("Authorization", "Bearer KEY")],
                status: 401),
            // A token is no key, and two keys are none.
            Case(headers: [("Authorization", Self.token)], status: 401),
            Case(headers: [("X-Api-Key", ""), ("Authorization", Self.token)], status: 401),
            Case(headers: [("X-Api-Key", "KEY, KEY"), ("Authorization", Self.token)], status: 401),
            Case(headers: [("X-Api-Key", "nope"), ("Authorization", "Bearer KEY")], status: 401),
            Case(headers: [("X-Api-Key", "KEY"), ("X-Api-Key", "nope"), ("Authorization", Self.token)], status: 401),
            Case(headers: [("X_Api_Key", "KEY"), ("Authorization", Self.token)], status: 401),
        ]
        try await withKey(mode: "passthrough") { rig, received, key in
            for one in cases {
                let before = received.count
                let headers = one.headers.map { ($0.0, $0.1.replacing("KEY", with: key)) }
                let answer = try await rig.get("/clashdetection/tests", headers)
                #expect(answer.status == one.status, "\(one.headers)")
                if one.status == 401 {
                    #expect(answer["Proxy-Status"] != nil && answer["WWW-Authenticate"] == "Bearer")
                }
                let seen = received.all.dropFirst(before).map { $0.values("Authorization") }
                #expect(seen == (one.status == 200 ? [one.sent] : []), "\(one.headers)")
            }
            let misplaced = try await rig.get(
                "/clashdetection/tests", [("X-Api-Key", ""), ("Authorization", "Bearer \(key)")])
            misplaced.expectError(401, "HeaderNotFound", reason: "token-missing", target: "Authorization")
            #expect(received.all.allSatisfy { !$0.lines.joined().contains(key) })
            #expect(!rig.accessLog.text.contains(key) && !rig.applicationLog.text.contains(key))
        }
    }

    @Test("with a token of the proxy's own nothing of the tool's credentials goes upstream")
    func ownToken() async throws {
        try await withKey(mode: "client_credentials") { rig, received, key async throws in
            for headers in [
                [("Authorization", "Bearer \(key)")], [("X-Api-Key", ""), ("Authorization", "bearer\t\(key)")],
                [("X-Api-Key", key), ("Authorization", Self.token)],
                [("X-Api-Key", key), ("Authorization", "Bearer \(key)")],
            ] {
                #expect(try await rig.get("/clashdetection/tests", headers).status == 200, "\(headers.map(\.0))")
            }
            #expect(received.count == 4)
            #expect(received.all.allSatisfy { !$0.lines.joined().contains(key) && $0.values("X-Api-Key").isEmpty })
            #expect(received.all.allSatisfy { $0.values("Authorization").allSatisfy { $0.hasPrefix("Bearer ey") } })
        }
    }

    private func withKey(mode: String, _ body: (Rig, Received, String) async throws -> Void) async throws {
        let received = Received()
        let server = origin(received, always: ok)
        let made = try KeyGenerator.make(name: "dashboard")
        try await withRig { options in
            options.origin = server
            options.file = made.table
            options.flags = ["token.mode=\(mode)"]
        } _: { rig in
            try await body(rig, received, made.key.withValue { $0 })
        }
        server.stop()
    }
}
