// A web page is not a tool: it can neither read nor delete through the proxy unless its origin is named.

import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct BrowserTests {
    private static let path = "/clashdetection/runs/AbC"

    @Test(
        "a request of a foreign page is a 403 and goes nowhere",
        arguments: [
            [("Origin", "https://evil.example")], [("Origin", "null")], [("Origin", "http://localhost:3000")],
            [("Sec-Fetch-Site", "cross-site")], [("sec-fetch-site", "Cross-Site")], [("Origin", "")],
            [("Origin", "http://127.0.0.1")],
        ])
    func foreign(headers: [(String, String)]) async throws {
        let received = Received()
        try await withRig(origin: origin(received, always: ok)) { rig in
            for method in ["GET", "POST", "DELETE", "OPTIONS"] {
                let body = method == "POST" ? "{}" : nil
                let answer = try await rig.call(method, Self.path, headers, body: body)
                answer.expectError(
                    403, "OriginNotAllowed", reason: "origin-not-allowed", target: headers[0].0.capitalizedHeader)
                #expect(answer["Access-Control-Allow-Origin"] == nil)
            }
            #expect(received.count == 0)
        }
    }

    @Test("without callers a request for a host that is not ours is a 403: no DNS rebinding")
    func rebinding() async throws {
        let received = Received()
        try await withRig(origin: origin(received, always: ok)) { rig in
            let foreign = [
                "evil.example", "evil.example:\(rig.port)", "127.0.0.1.evil.example", "localhost.evil.example",
                "api.bentley.com", "10.0.0.1", "xlocalhost", "[2001:db8::1]", "0x7f.evil",
            ]
            for host in foreign {
                let answer = try await rig.call("DELETE", Self.path, [("Host", host)])
                answer.expectError(403, "OriginNotAllowed", reason: "origin-not-allowed", target: "Host", host)
            }
            #expect(received.count == 0)
            for host in ["localhost", "LOCALHOST:99", "127.0.0.1", "127.1.2.3", "[::1]:5", "tool.localhost"] {
                #expect(try await rig.get(Self.path, [("Host", host)]).status == 200, "\(host)")
            }
        }
    }

    @Test("a same-origin or user-started fetch without Origin passes")
    func sameOrigin() async throws {
        try await withRig(origin: origin(always: ok)) { rig async throws in
            for site in ["same-origin", "same-site", "none"] {
                #expect(try await rig.get(Self.path, [("Sec-Fetch-Site", site)]).status == 200, "\(site)")
            }
        }
    }

    @Test("the preflight of an allowed origin is answered here, with what the page asked for")
    func preflight() async throws {
        let received = Received()
        let flags = ["listen.cors_origins=https://app.example.com"]
        try await withRig(origin: origin(received, always: ok), flags: flags) { rig in
            let client = try rig.connect()
            let answer = try await client.exchange(
                rig.request(
                    "OPTIONS", Self.path,
                    [
                        ("Origin", "https://app.example.com"), ("Access-Control-Request-Method", "DELETE"),
                        ("Access-Control-Request-Headers", "x-api-key,prefer"), ("Sec-Fetch-Site", "cross-site"),
                    ]))
            #expect(answer.status == 204)
            #expect(answer["Access-Control-Allow-Origin"] == "https://app.example.com")
            #expect(answer["Access-Control-Allow-Methods"]?.contains("DELETE") == true)
            #expect(answer["Access-Control-Allow-Headers"] == "x-api-key,prefer")
            #expect(answer["Access-Control-Allow-Credentials"] == nil)
            #expect(answer["Vary"]?.contains("Origin") == true)
            #expect(answer["Content-Type"] == nil && answer["Content-Length"] == nil)
            #expect(answer["Via"] == "1.1 clash-proxy" && answer["x-correlation-id"] != nil)
            #expect(received.count == 0)
            #expect(try await client.exchange(rig.request("GET", Self.path)).status == 200)
            client.close()
        }
    }

    @Test("an allowed origin may read answers, upstream's and the proxy's; others still may not")
    func allowed() async throws {
        let upstream =
            "HTTP/1.1 200 OK\r\naccess-control-allow-origin: *\r\nAccess-Control-Expose-Headers: X-A\r\n"
            + "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
        let flags = ["listen.cors_origins=https://app.example.com"]
        try await withRig(origin: origin(always: upstream), flags: flags) { rig in
            let page = [("Origin", "https://app.example.com"), ("Sec-Fetch-Site", "cross-site")]
            let answer = try await rig.get(Self.path, page)
            #expect(answer.status == 200)
            #expect(answer.values("Access-Control-Allow-Origin") == ["https://app.example.com"])
            #expect(answer.values("Access-Control-Expose-Headers").count == 1)
            #expect(answer["Access-Control-Expose-Headers"]?.contains("x-correlation-id") == true)
            let missing = try await rig.get("/nowhere", page)
            missing.expectError(404, "OperationNotFound", reason: "operation-not-found")
            #expect(missing["Access-Control-Allow-Origin"] == "https://app.example.com", "the page can read why")
            let other = try await rig.get(Self.path, [("Origin", "https://app.example.com.evil.example")])
            other.expectError(403, "OriginNotAllowed", reason: "origin-not-allowed")
        }
    }
}

extension String {
    /// The spelling that the proxy's messages use for the two headers of these tests.
    var capitalizedHeader: String { lowercased() == "origin" ? "Origin" : "Sec-Fetch-Site" }
}
