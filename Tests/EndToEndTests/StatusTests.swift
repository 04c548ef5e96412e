// What HTTP knows and this proxy does not serve: each has its status, says who speaks, and goes nowhere.

import Proxy
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct StatusTests {
    private static let path = "/clashdetection/tests"
    private static let allowed = "GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE"

    @Test("CONNECT and TRACE are 405 with Allow", arguments: ["CONNECT evil.example:443", "TRACE \(path)"])
    func notAllowed(line: String) async throws {
        try await refused("\(line) HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, "MethodNotAllowed", "method-not-allowed")
    }

    @Test(
        "a method that is none of the seven is 501, under its own name",
        arguments: [
            "FOO", "M-SEARCH", "MSEARCH", "PROPFIND", "PURGE", "get", "Get", "QUERY", "GETT", "!#$%&'*+-.^_`|~9",
        ])
    func notImplemented(method: String) async throws {
        let answer = try await refused(
            "\(method) \(Self.path) HTTP/1.1\r\nHost: localhost\r\nx-correlation-id: m-1\r\nContent-Length: 2\r\n\r\n{}",
            501, "MethodNotImplemented", "method-not-implemented")
        #expect(answer["x-correlation-id"] == "m-1" && answer.text.contains(method))
    }

    @Test("a major version other than 1 or 2 is 505", arguments: ["0.9", "3.0", "9.9"])
    func version(version: String) async throws {
        try await refused(
            "GET \(Self.path) HTTP/\(version)\r\nHost: localhost\r\n\r\n", 505, "VersionNotSupported",
            "version-not-supported")
    }

    @Test("HTTP/1.2 and up are treated as 1.1", arguments: ["1.2", "1.9"])
    func laterMinor(version: String) async throws {
        let received = Received()
        try await withRig(origin: origin(received, always: ok)) { rig async throws in
            let client = try rig.connect()
            for _ in 0..<2 {
                let answer = try await client.exchange("GET \(Self.path) HTTP/\(version)\r\nHost: localhost\r\n\r\n")
                #expect(answer.status == 200 && answer.statusLine.hasPrefix("HTTP/1.1 "))
            }
            client.close()
            #expect(received.all.map(\.requestLine) == Array(repeating: "GET \(Self.path) HTTP/1.1", count: 2))
        }
    }

    @Test("OPTIONS * is answered 204 with Allow, here, and the connection goes on")
    func options() async throws {
        let received = Received()
        try await withRig(origin: origin(received, always: ok)) { rig async throws in
            let client = try rig.connect()
            let answer = try await client.exchange("OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n")
            #expect(answer.status == 204 && answer["Allow"] == Self.allowed && answer["Via"] == "1.1 clash-proxy")
            #expect(answer["Content-Length"] == nil && answer["Cache-Status"] == nil)
            #expect(try await client.exchange(rig.request("GET", Self.path)).status == 200)
            client.close()
            #expect(received.count == 1)
        }
    }

    @Test("what came back to its sender is 508 at once; two proxies in a row are no loop")
    func loop() async throws {
        let received = Received()
        try await withRig(origin: origin(received, always: ok)) { inner async throws in
            try await withRig { options in
                options.flags = ["upstream.url=\(inner.addresses.tools)", "token.mode=passthrough"]
            } _: { outer async throws in
                #expect(try await outer.get(Self.path, [("Via", "1.0 a, 1.1 clash-proxy")]).status == 200)
                let seen = try #require(received.all.first).values("Via").joined(separator: ", ").split(separator: ", ")
                #expect(seen.count == 4 && Set(seen).count == 4, "\(seen)")
                for mark in seen.suffix(2) {
                    #expect(
                        mark.hasPrefix("1.1 clash-proxy-")
                            && mark.dropFirst(4).allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") })
                }
                let back = try await outer.get(Self.path, [("Via", "1.1 \(seen[2].dropFirst(4)) (x), 1.1 other")])
                back.expectError(508, "LoopDetected", reason: "loop-detected")
                let other = try await inner.get(Self.path, [("Via", String(seen[3]))])
                other.expectError(508, "LoopDetected", reason: "loop-detected")
                #expect(try await inner.get(Self.path, [("Via", String(seen[2]))]).status == 200)
            }
        }
    }

    @Test("errors of our own and preflights carry no Cache-Status")
    func noCacheStatus() async throws {
        try await withRig { options in
            options.flags = ["cache.enabled=true", "listen.cors_origins=https://app.example"]
        } _: { rig async throws in
            let preflight = [("Origin", "https://app.example"), ("Access-Control-Request-Method", "GET")]
            let answers = [
                try await rig.get("/nowhere"), try await rig.get(rig.list, [("Cache-Control", "only-if-cached")]),
                try await rig.get("/x/../y"), try await rig.get(rig.list, [("Origin", "https://evil.example")]),
                try await rig.call("OPTIONS", rig.list, preflight),
            ]
            #expect(answers.map(\.status) == [404, 504, 400, 403, 204])
            #expect(answers.allSatisfy { $0["Cache-Status"] == nil })
        }
    }

    @discardableResult
    private func refused(_ bytes: String, _ status: Int, _ code: String, _ reason: String) async throws -> RawResponse {
        let received = Received()
        var result: RawResponse?
        try await withRig(origin: origin(received, always: ok)) { rig async throws in
            let client = try rig.connect()
            let answer = try await client.exchange(bytes, method: "GET")
            answer.expectError(status, code, reason: reason)
            #expect(answer["Allow"] == (status == 405 ? Self.allowed : nil) && answer["Cache-Status"] == nil)
            #expect(try await client.readToEnd().isEmpty)
            client.close()
            #expect(received.count == 0)
            let method = bytes.prefix { $0 != " " }
            _ = try await rig.accessLog.line(with: " \(method) ", "refused:\(reason)")
            result = answer
        }
        return try #require(result)
    }
}
