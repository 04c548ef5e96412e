// The admin listener is as guarded as the tools' side.

import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct AdminGuardTests {
    @Test(
        "a head that is begun, and a connection that says nothing, end after listen.header_timeout",
        arguments: ["", "GET /healthz HTTP/1.1\r\nHo"])
    func slow(bytes: String) async throws {
        try await withRig { options in
            options.flags = ["listen.header_timeout=200ms"]
        } _: { rig async throws in
            let client = try RawClient(port: rig.adminPort)
            try await client.send(bytes)
            let rest = String(decoding: try await client.readToEnd(), as: UTF8.self)
            #expect(bytes.isEmpty ? rest.isEmpty : rest.hasPrefix("HTTP/1.1 400 "))
            client.close()
        }
    }

    @Test("who pipelines and does not read is not read from any more, and gets its answers when it reads")
    func backPressure() async throws {
        try await withRig { rig async throws in
            let request = Array("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8)
            let requests = Array(repeatElement(request, count: 100_000).joined())
            let client = try RawClient(port: rig.adminPort)
            let sent = try await client.sendWhatFits(requests)
            #expect(sent < requests.count, "\(sent) bytes were taken")
            #expect(try await admin(rig, "/healthz").status == 200)
            for _ in 0..<200 { #expect(try await client.response().status == 200) }
            client.close()
        }
    }

    @Test("connection 257 gets 503 and is closed; tools are served meanwhile")
    func connections() async throws {
        try await withRig { rig async throws in
            var open: [RawClient] = []
            for _ in 0..<256 { open.append(try RawClient(port: rig.adminPort)) }
            #expect(try await open[255].exchange("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").status == 200)
            let another = try RawClient(port: rig.adminPort)
            try await another.response().expectError(
                503, "TooManyConnections", reason: "too-many-connections", retryAfter: 1...60)
            another.close()
            #expect(try await rig.get(rig.list).status == 200)
            _ = try await rig.applicationLog.line(with: "a limit refuses calls", "admin-connections")
            for client in open { client.close() }
        }
    }

    @Test("a body is bounded, and only a POST from no other origin may change anything")
    func posts() async throws {
        try await withRig { options in
            options.flags = ["cache.enabled=true"]
        } _: { rig async throws in
            let host = "127.0.0.1:\(rig.adminPort)"
            let large = String(repeating: "x", count: 4_097)
            #expect(try await admin(rig, "/purge", "POST", body: large).status == 413)
            #expect(try await admin(rig, "/purge", "POST", body: "all").status == 200)
            #expect(try await admin(rig, "/purge?all", "GET").status == 405)
            for header in [
                "Origin: https://evil.example", "Origin: null", "Sec-Fetch-Site: cross-site", "Origin: http://\(host)1",
            ] {
                #expect(try await admin(rig, "/purge?all", "POST", [header]).status == 403, "\(header)")
            }
            #expect(try await admin(rig, "/purge?all", "POST", ["Origin: http://\(host)"], host: host).status == 200)
        }
    }

    @Test("Host is an IP address or localhost: a name that DNS leads here is refused")
    func hosts() async throws {
        try await withRig { rig async throws in
            for host in ["127.0.0.1", "10.1.2.3:8081", "[::1]:8081", "[2001:db8::1]", "localhost:1", "LOCALHOST"] {
                #expect(try await admin(rig, "/healthz", host: host).status == 200, "\(host)")
            }
            for host in ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8081", "0x7f000001"] {
                let answer = try await admin(rig, "/healthz", host: host)
                #expect(answer.status == 403 && answer.text.contains("admin.hosts"), "\(host)")
            }
        }
    }

    private func admin(
        _ rig: Rig, _ target: String, _ method: String = "GET", _ headers: [String] = [], host: String = "localhost",
        body: String = ""
    ) async throws -> RawResponse {
        let client = try RawClient(port: rig.adminPort)
        defer { client.close() }
        let lines = ["\(method) \(target) HTTP/1.1", "Host: \(host)", "Content-Length: \(body.utf8.count)"] + headers
        return try await client.exchange(lines.joined(separator: "\r\n") + "\r\n\r\n" + body)
    }
}
