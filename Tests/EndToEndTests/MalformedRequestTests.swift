// Requests that HTTP forbids, or that two readers could understand differently: refused, never forwarded; the
// connection ends or goes on in a known state, and the next request is fine.

import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct MalformedRequestTests {
    private static let good = "/clashdetection/tests"
    private static let post = "POST /clashdetection/tests HTTP/1.1\r\nHost: localhost\r\n"

    @Test(
        "a request whose end is in doubt gets 400 and the connection is closed",
        arguments: [
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding: identity\r\n\r\n", "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding:\u{b}chunked\r\n\r\n0\r\n\r\n", "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
            "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
            "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
            "Content-Length: 5, 5\r\n\r\nhello", "Content-Length: +5\r\n\r\nhello", "Content-Length: -1\r\n\r\n",
            "Content-Length: 0x5\r\n\r\nhello", "Content-Length: 5 5\r\n\r\nhello", "Content-Length: \r\n\r\n",
            "Content-Length: 99999999999999999999999\r\n\r\n", "Content-Length : 5\r\n\r\nhello",
            "Transfer-Encoding: chunked\r\n\r\nzz\r\nx\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", "Transfer-Encoding: chunked\r\n\r\n-1\r\n",
            "Transfer-Encoding: chunked\r\n\r\n2\r\n{}x\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
        ])
    func framing(rest: String) async throws {
        try await refused(Self.post + rest)
    }

    @Test(
        "a malformed head gets 400 and the connection is closed",
        arguments: [
            "GET \(good) HTTP/1.1\r\nHost: localhost\r\nX-A: 1\r\n folded\r\n\r\n",
            "GET \(good) HTTP/1.1\r\nHost: localhost\r\n X-A: 1\r\n\r\n",
            "GET \(good) HTTP/1.1\nHost: localhost\n\n",
            "GET \(good) HTTP/1.1\r\nHost: localhost\r\nX-A: 1\n\r\n",
            "GET \(good) HTTP/1.1\r\nHost: localhost\r\nX-A: a\rb\r\n\r\n",
            "GET \(good) HTTP/1.1\r\nHost: localhost\r\nX-A: a\u{0}b\r\n\r\n",
            "GET \(good) HTTP/1.1\r\nHost: localhost\r\nX-A: a\u{1}b\r\n\r\n",
            "GET \(good) HTTP/1.1\r\nHost: localhost\r\nX A: 1\r\n\r\n",
            "GET \(good) HTTP/1.1\r\nHost: localhost\r\nX-A : 1\r\n\r\n",
            "GET \(good) HTTP/1.1\r\nHost: localhost\r\n: 1\r\n\r\n",
            "GET \(good) HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n",
            "GET \(good) HTTP/1.1\r\nHost: localhost\r\nX\u{0}A: 1\r\n\r\n",
            "GET \(good)\r\n\r\n", "GET \(good) HTTP/2.0\r\nHost: localhost\r\n\r\n",
            "GET \(good) HTTP/1.1 x\r\nHost: localhost\r\n\r\n", "GET \(good) HTTP/01.1\r\nHost: localhost\r\n\r\n",
            "GET \(good) HTP/1.1\r\nHost: localhost\r\n\r\n", "GET \(good) HTTP/1.1x\r\nHost: localhost\r\n\r\n",
            "G\u{0}T \(good) HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "hello\r\n\r\n",
            "GET /clashdetection/a b HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "GET  \(good) HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET \(good)  HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "GET   HTTP/1.1\r\nHost: localhost\r\n\r\n", "OPTIONS  * HTTP/1.1\r\nHost: localhost\r\n\r\n",
        ])
    func heads(bytes: String) async throws {
        try await refused(bytes)
    }

    @Test(
        "a head that is well-formed but not to be served gets 400",
        arguments: [
            "GET * HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "GET http://evil.example\(good) HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "GET http://localhost@evil.example\(good) HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "GET http://\(good) HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "GET ftp://localhost\(good) HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "GET \(good) HTTP/1.1\r\n\r\n", "GET \(good) HTTP/1.1\r\nHost:\r\n\r\n",
            "GET \(good) HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
            "GET \(good) HTTP/1.1\r\nHost: localhost, evil.example\r\n\r\n",
            "GET \(good) HTTP/1.1\r\nHost: local host\r\n\r\n", "GET \(good) HTTP/1.1\r\nHost: localhost/x\r\n\r\n",
            "GET \(good) HTTP/1.1\r\nHost: a@localhost\r\n\r\n",
            "GET \(good) HTTP/1.1\r\nHost: localhost:99999\r\n\r\n",
            "GET \(good) HTTP/1.1\r\nHost: localhost:8x\r\n\r\n", "GET \(good) HTTP/1.1\r\nHost: [::1\r\n\r\n",
            "POST \(good) HTTP/1.1\r\nHost: localhost\r\nX-HTTP-Method-Override: DELETE\r\nContent-Length: 0\r\n\r\n",
            "POST \(good) HTTP/1.1\r\nHost: localhost\r\nx-http-method: DELETE\r\nContent-Length: 0\r\n\r\n",
            "POST \(good) HTTP/1.1\r\nHost: localhost\r\nX-Method-Override: DELETE\r\nContent-Length: 0\r\n\r\n",
        ])
    func semantics(bytes: String) async throws {
        try await refused(bytes, mayGoOn: true)
    }

    @Test(
        "a path that could be read in two ways gets 400",
        arguments: [
            "/clashdetection/../accesscontrol", "/clashdetection/..", "/clashdetection/./tests",
            "/clashdetection/%2e%2e/accesscontrol", "/clashdetection/%2E./x", "/clashdetection/.%2e",
            "/clashdetection/..;x/y", "/../clashdetection/tests", "/x/../clashdetection/tests",
            "/clashdetection/a%2Fb", "/clashdetection/a%2fb", "/clashdetection/a%5Cb", "/clashdetection/a\\..\\b",
            "/clashdetection/a%00", "/clashdetection/a%0d%0aX:1", "/clashdetection/%", "/clashdetection/%zz",
            "/clashdetection/%C0%AE%C0%AE/x", "/clashdetection/tests#x",
        ])
    func paths(target: String) async throws {
        try await refused("GET \(target) HTTP/1.1\r\nHost: localhost\r\n\r\n", mayGoOn: true)
    }

    @Test("what comes after a good request and is none gets 400; the good one was answered")
    func garbageBehind() async throws {
        let received = Received()
        try await withRig(origin: origin(received, always: ok)) { rig in
            for garbage in ["GARBAGE\r\n\r\n", "GET / HTTP/9\r\n\r\n", "\u{0}\u{0}\u{0}\u{0}", "}{\r\n\r\n"] {
                let client = try rig.connect()
                let first = try await client.exchange(rig.request("GET", Self.good) + garbage)
                #expect(first.status == 200)
                let second = try await client.response()
                second.expectError(400, "InvalidRequest", reason: "invalid-request")
                #expect(try await client.readToEnd().isEmpty)
                client.close()
            }
            #expect(received.count == 4)
        }
    }

    @Test(
        "the refusal of a malformed head has the tool's correlation id where that could be read, and no body for HEAD")
    func refusedHead() async throws {
        try await withRig(origin: origin(always: ok)) { rig in
            let client = try rig.connect()
            let twoHosts = "HEAD \(Self.good) HTTP/1.1\r\nHost: a\r\nHost: b\r\nx-correlation-id: mine-1\r\n\r\n"
            let answer = try await client.exchange(twoHosts)
            #expect(answer.status == 400)
            #expect(answer["x-correlation-id"] == "mine-1")
            #expect(try await client.readToEnd().isEmpty)
            client.close()
            let line = try await rig.accessLog.line(with: "mine-1")
            #expect(line.contains(" HEAD ") && line.contains(" 400 "))
        }
    }

    @Test(
        "the body of a HEAD is read and dropped, and nothing of it goes upstream", arguments: [true, false],
        ["Content-Length: 2\r\n\r\n{}", "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"])
    func headWithBody(cache: Bool, rest: String) async throws {
        let received = Received()
        try await withRig(origin: origin(received, always: ok), flags: ["cache.enabled=\(cache)"]) { rig in
            let client = try rig.connect()
            let head = "HEAD \(Self.good) HTTP/1.1\r\nHost: localhost\r\nx-correlation-id: mine-2\r\n"
            #expect(try await client.exchange(head + rest).status == 200)
            let next = try await client.exchange(rig.request("GET", "/nowhere"))
            #expect(next.status == 404, "the connection goes on behind it")
            client.close()
            #expect(received.count == 1)
            let empty = "HEAD \(Self.good) HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
            #expect(try await rig.raw(empty, method: "HEAD").status == 200)
        }
    }

    @Test(
        "what cannot be understood as a head is refused with the tool's correlation id where that could be read",
        arguments: [
            (400, "Content-Length: x\r\n"), (400, "Content-Length: 1\r\nContent-Length: 2\r\n"),
            (400, "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"), (400, "a b: c\r\n"), (400, "no colon\r\n"),
            (431, "X-Large: \(String(repeating: "x", count: 64 << 10))\r\n"),
        ])
    func refusedBytes(status: Int, field: String) async throws {
        try await withRig(origin: origin(always: ok)) { rig in
            let id = "x-correlation-id: mine-3\r\n"
            let raw = "POST \(Self.good) HTTP/1.1\r\nHost: localhost\r\n\(id)\(field)\r\n"
            let answer = try await rig.raw(raw, method: "POST")
            #expect(answer.status == status && answer["x-correlation-id"] == "mine-3", "\(answer.text)")
            _ = try await rig.accessLog.line(with: " mine-3 ", " \(status) ")
            let target = "POST /\(String(repeating: "x", count: 9_000)) HTTP/1.1\r\nHost: localhost\r\n\(id)\r\n"
            let tooLong = try await rig.raw(target, method: "POST")
            #expect(tooLong.status == 414 && tooLong["x-correlation-id"] == "mine-3")
            let two = "POST \(Self.good) HTTP/1.1\r\nHost: localhost\r\n\(id)\(id)\(field)\r\n"
            let ambiguous = try await rig.raw(two, method: "POST")
            #expect(
                ambiguous.status == status && ambiguous["x-correlation-id"] != "mine-3", "which of them is not said")
        }
    }

    @Test("empty lines before a request are ignored")
    func emptyLines() async throws {
        try await withRig(origin: origin(always: ok)) { rig in
            let answer = try await rig.raw("\r\n\r\n" + rig.request("GET", Self.good), method: "GET")
            #expect(answer.status == 200)
        }
    }

    /// Sends the bytes; nothing may reach upstream, and the proxy must go on to serve.
    private func refused(_ bytes: String, mayGoOn: Bool = false) async throws {
        let received = Received()
        try await withRig(origin: origin(received, always: ok)) { rig in
            let client = try rig.connect()
            let answer = try await client.exchange(bytes, method: "GET")
            answer.expectError(400, "InvalidRequest", reason: "invalid-request")
            if mayGoOn, answer["Connection"] != "close" {
                #expect(try await client.exchange(rig.request("GET", Self.good)).status == 200)
            } else {
                #expect(answer["Connection"] == "close")
                #expect(try await client.readToEnd().isEmpty)
            }
            client.close()
            let before = received.count
            #expect(try await rig.get(Self.good).status == 200)
            #expect(received.all.allSatisfy { $0.requestLine == "GET \(Self.good) HTTP/1.1" })
            #expect(received.count == before + 1)
        }
    }
}
