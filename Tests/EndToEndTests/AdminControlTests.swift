// POST /reload and POST /quit: guarded as the rest, and answered in words and JSON.

import Proxy
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct AdminControlTests {
    @Test("POST /reload says what changed and what waits for a restart; with a bad file 422 and every mistake")
    func reload() async throws {
        try await withRig { rig async throws in
            #expect(try await rig.operate("POST", "/reload").text == "{\"changed\":[],\"needs_restart\":[]}\n")
            rig.sources.change(file: "[rate]\nmax_wait = \"7s\"\n", flags: ["audit.path=/nowhere"])
            let taken = try await rig.operate("POST", "/reload")
            #expect(taken.status == 200 && taken["Content-Type"] == "application/json")
            #expect(taken.text == "{\"changed\":[\"rate.max_wait\"],\"needs_restart\":[\"audit.path\"]}\n")
            rig.sources.change(file: "[rate]\nmax_wait = \"7\"\nwindos = 1\n", flags: [])
            let refused = try await rig.operate("POST", "/reload")
            #expect(refused.status == 422)
            for word in ["InvalidConfiguration", "rate.max_wait", "proxy.conf:2", "windos"] {
                #expect(refused.text.contains(word), "\(word) in \(refused.text)")
            }
            #expect(try await rig.get(rig.list).status == 200)
        }
    }

    @Test("only POST, and from no other origin; who cannot be ended so has no /quit")
    func guarded() async throws {
        try await withRig { rig async throws in
            for method in ["GET", "HEAD", "PUT", "DELETE"] {
                let answer = try await rig.operate(method, "/reload")
                #expect(answer.status == 405 && answer["Allow"] == "POST", "\(method)")
            }
            rig.sources.change(file: "[rate]\nmax_wait = \"7s\"\n", flags: [])
            for header in [("Origin", "https://evil.example.com"), ("Sec-Fetch-Site", "cross-site")] {
                #expect(try await rig.operate("POST", "/reload", [header]).status == 403)
            }
            #expect(
                await rig.reload() == .taken(changed: ["rate.max_wait"], needsRestart: []), "nothing was taken before")
            #expect(try await rig.operate("GET", "/quit").status == 404)
            #expect(try await rig.operate("POST", "/quit").status != 202)
            #expect(try await rig.get("/reload").status == 404, "not on the tools' side")
        }
    }

    @Test("names that may call the admin address change with a reload")
    func hosts() async throws {
        try await withRig { rig async throws in
            func ask() async throws -> Int {
                let client = try RawClient(port: rig.adminPort)
                defer { client.close() }
                return try await client.exchange("GET /healthz HTTP/1.1\r\nHost: ops.example.com\r\n\r\n").status
            }
            #expect(try await ask() == 403)
            await rig.reload(["admin.hosts=ops.example.com"])
            #expect(try await ask() == 200)
        }
    }
}
