// Callers who are known by the user that their process runs as, on a unix socket.

import Glibc
import Proxy
import Simulator
import TestSupport
import Testing

@testable import Configuration

@Suite(.timeLimit(.minutes(8))) struct UnixUserTests {
    @Test("the process's user is the caller: rights, scope and audit record are that caller's; a key that is sent wins")
    func known() async throws {
        var callers = ScopedCallers()
        try callers.add("keyed", allow: "read")
        let user =
            "[[caller]]\nname = \"me\"\nuser = \"\(getuid())\"\nallow = [\"read\", \"delete\"]\n"
            + "itwins = [\"\(SeededWorld.mine)\"]\n"
        try await withSocket(callers.tables + user) { rig, ask in
            #expect(try await ask("GET", rig.list, []).status == 200)
            let me = try await ask("GET", "/_proxy/me", [])
            #expect(me.text.contains(#""name":"me","via":"unix","rights":["delete","read"]"#), "\(me.text)")
            let foreign = "/clash-detection/itwins/\(SeededWorld.foreign)/reports"
            try await ask("GET", foreign, []).expectError(403, "InsufficientPermissions", reason: "permission-denied")
            let run = rig.simulator.legacyID(project: rig.iTwin, entity: rig.simulator.reportIDs(iTwin: rig.iTwin)[0])
            let target = "/clashdetection/runs/\(run ?? "")"
            #expect(try await ask("DELETE", target, [("x-correlation-id", "u1")]).status == 204)
            let line = try #require(try rig.records(of: "u1").first?.line)
            #expect(line.caller?.name == "me" && line.caller?.via == "unix")
            // The same bytes of a head, but for the key.
            #expect(try await ask("GET", foreign, [callers.key("keyed")]).status == 200)
            try await ask("DELETE", target, [callers.key("keyed"), ("x-correlation-id", "u2")])
                .expectError(403, "InsufficientPermissions", reason: "permission-denied")
            #expect(try rig.records(of: "u2").first?.line.caller?.via == "key")
            for wrong in [("X-Api-Key", "cpk_wrong"), ("Authorization", "Bearer cpk_wrong")] {
                try await ask("GET", rig.list, [wrong])
                    .expectError(401, "InvalidCallerKey", reason: "caller-key-unknown", "\(wrong)")
            }
            #expect(try await ask("GET", rig.list, [("X-Api-Key", ""), ("Authorization", "Basic eDp5")]).status == 200)
        }
    }

    @Test("another user is nobody, and over TCP nobody is known by a user")
    func strangers() async throws {
        let other = "[[caller]]\nname = \"neighbour\"\nuser = \"\(getuid() + 7)\"\nallow = [\"read\"]\n"
        try await withSocket(other) { rig, ask in
            try await ask("GET", rig.list, [])
                .expectError(401, "HeaderNotFound", reason: "caller-key-missing", target: "Authorization")
        }
        let user = "[[caller]]\nname = \"me\"\nuser = \"\(getuid())\"\nallow = [\"read\"]\n"
        try await withRig {
            $0.file = user
        } _: { rig in
            try await rig.get(rig.list)
                .expectError(401, "HeaderNotFound", reason: "caller-key-missing", target: "Authorization")
        }
    }

    @Test("in pass-through mode the tool's own token goes upstream, and its process's user says which caller it is")
    func passthrough() async throws {
        let user = "[[caller]]\nname = \"me\"\nuser = \"\(getuid())\"\nallow = [\"read\"]\n"
        try await withSocket(user, flags: ["token.mode=passthrough"]) { rig, ask in
            let token = ("Authorization", "Bearer \(rig.simulator.issueToken())")
            let (with, without) = (try await ask("GET", rig.list, [token]), try await ask("GET", rig.list, []))
            #expect(with.status == 200)
            #expect(without.status == 401, "upstream's, which misses a token")
        }
    }

    private typealias Ask = (_ method: String, _ target: String, _ headers: [(String, String)]) async throws ->
        RawResponse

    private func withSocket(
        _ tables: String, flags: [String] = [], _ body: @escaping (Rig, Ask) async throws -> Void
    ) async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let path = "\(folder.path)/tools.sock"
        try await withRig { options in
            options.file = tables
            options.flags = ["listen.address=unix:\(path)"] + flags
        } _: { rig in
            // Two connections, whose users are one.
            let clients = [try RawClient(unixPath: path), try RawClient(unixPath: path)]
            var asked = 0
            try await body(rig) { method, target, headers in
                asked += 1
                return try await clients[asked % 2].exchange(rig.request(method, target, headers), method: method)
            }
            clients.forEach { $0.close() }
        }
    }
}
