// What goes out on the wire: exactly what the request says, framed by its body, and nothing else.

import CurlTransport
import HTTPTypes
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8)))
struct RequestTests {
    /// The bytes a server sees for a request without body.
    private func wire(
        _ change: (inout UpstreamRequest) throws -> Void
    ) async throws -> (bytes: String, host: String) {
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            try connection.send(ok)
            connection.readUntilClosed()
        }
        var request = try get(server)
        try change(&request)
        let sent = request
        try await withTransport { transport in
            _ = try await transport.execute(sent).body.all()
        }
        return (server.receivedText, "127.0.0.1:\(server.port)")
    }

    @Test("a bare GET carries a request line and Host, nothing more")
    func bareGet() async throws {
        let (bytes, host) = try await self.wire { $0.target = "/a?b=c" }
        #expect(bytes == "GET /a?b=c HTTP/1.1\r\nHost: \(host)\r\n\r\n")
    }

    @Test("fields go out in their order and spelling, repeated ones too, empty values kept")
    func fieldsAsGiven() async throws {
        let (bytes, host) = try await self.wire { request in
            request.fields.append(HTTPField(name: try .named("X-B"), value: "1"))
            request.fields.append(HTTPField(name: try .named("x-a"), value: "caf\u{E9}"))
            request.fields.append(HTTPField(name: try .named("X-b"), value: "2"))
            request.fields.append(HTTPField(name: try .named("X-Empty"), value: ""))
            request.fields.append(HTTPField(name: .accept, value: "application/json"))
            request.fields.append(HTTPField(name: .userAgent, value: "test"))
        }
        #expect(
            bytes == "GET / HTTP/1.1\r\nHost: \(host)\r\nX-B: 1\r\nx-a: caf\u{E9}\r\nX-b: 2\r\nX-Empty:\r\n"
                + "Accept: application/json\r\nUser-Agent: test\r\n\r\n")
    }

    @Test("a Host field of the caller replaces the origin's")
    func ownHost() async throws {
        let (bytes, _) = try await self.wire { request in
            request.fields.append(HTTPField(name: try .named("Host"), value: "api.example.com"))
        }
        #expect(bytes == "GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n")
    }

    @Test("Content-Length and Transfer-Encoding of the caller are not passed on")
    func foreignFraming() async throws {
        let (bytes, host) = try await self.wire { request in
            request.fields[.contentLength] = "5"
            request.fields[.transferEncoding] = "chunked"
        }
        #expect(bytes == "GET / HTTP/1.1\r\nHost: \(host)\r\n\r\n")
    }

    @Test(
        "the target arrives byte for byte",
        arguments: [
            "/a/../b/./c", "//double//slash/", "/a%2Fb/%2e%2E/c", "/?", "/a?x=%24top&y=#z", "/a|b{c}\"d\"^`",
            "/" + String(repeating: "long/", count: 1500), "*",
        ])
    func rawTarget(_ target: String) async throws {
        let (bytes, host) = try await self.wire {
            $0.target = target
            if target == "*" { $0.method = .options }
        }
        #expect(bytes == "\(target == "*" ? "OPTIONS" : "GET") \(target) HTTP/1.1\r\nHost: \(host)\r\n\r\n")
    }

    @Test("a DELETE without a body says nothing about a body")
    func bareDelete() async throws {
        let (bytes, host) = try await self.wire { $0.method = .delete }
        #expect(bytes == "DELETE / HTTP/1.1\r\nHost: \(host)\r\n\r\n")
    }

    @Test("a POST without a body says that it is empty", arguments: [true, false])
    func emptyPost(_ explicit: Bool) async throws {
        let (bytes, host) = try await self.wire {
            $0.method = .post
            $0.body = explicit ? .bytes([]) : .none
        }
        #expect(bytes == "POST / HTTP/1.1\r\nHost: \(host)\r\nContent-Length: 0\r\n\r\n")
    }

    @Test("no Accept-Encoding is invented when the body is to be decoded, and the caller's stays as it is")
    func acceptEncoding() async throws {
        let (bare, host) = try await self.wire { $0.decodesContent = true }
        #expect(bare == "GET / HTTP/1.1\r\nHost: \(host)\r\n\r\n")
        let (own, ownHost) = try await self.wire {
            $0.decodesContent = true
            $0.fields[.acceptEncoding] = "gzip;q=0.5"
        }
        #expect(own == "GET / HTTP/1.1\r\nHost: \(ownHost)\r\nAccept-Encoding: gzip;q=0.5\r\n\r\n")
    }

    @Test("a body of bytes goes out with its length and no Content-Type or Expect", arguments: [3, 3_000_000])
    func bodyOfBytes(_ length: Int) async throws {
        let body = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            try connection.read(exactly: length)
            try connection.send(ok)
            connection.readUntilClosed()
        }
        var request = try get(server)
        request.method = .patch
        request.body = .bytes(body)
        let sent = request
        try await withTransport { transport in
            let body = try await transport.execute(sent).body
            #expect(try await body.text() == "ok")
        }
        let head = "PATCH / HTTP/1.1\r\nHost: 127.0.0.1:\(server.port)\r\nContent-Length: \(length)\r\n\r\n"
        #expect(server.connections.first?.received == Array(head.utf8) + body)
    }

    @Test(
        "what could split a request is refused before a connection is made",
        arguments: ["/a\r\nX: y", "/a b", "/a\u{0}b", "/a\u{7F}", "", "a/b", "http://elsewhere/"])
    func hostileTarget(_ target: String) async throws {
        let server = ScriptedOrigin { _ in }
        try await withTransport { transport in
            let failure = try await failure { _ = try await transport.execute(try get(server, target)) }
            #expect(failure.reason == .invalidRequest)
            #expect(failure.sent == false)
            #expect(server.acceptCount == 0)
        }
    }

    @Test("CR and LF in a field value never begin a new line")
    func hostileValue() async throws {
        let (bytes, host) = try await self.wire { request in
            request.fields.append(HTTPField(name: try .named("X-A"), value: "1\r\nX-Evil: 2"))
        }
        #expect(bytes == "GET / HTTP/1.1\r\nHost: \(host)\r\nX-A: 1  X-Evil: 2\r\n\r\n")
    }

    @Test("CONNECT, two Hosts and a HEAD with a body are refused")
    func impossibleRequests() async throws {
        let server = ScriptedOrigin { _ in }
        var connect = try get(server)
        connect.method = .connect
        var hosts = try get(server)
        hosts.fields.append(HTTPField(name: try .named("Host"), value: "a"))
        hosts.fields.append(HTTPField(name: try .named("host"), value: "b"))
        var head = try get(server)
        head.method = .head
        head.body = .bytes([1])
        let requests = [connect, hosts, head]
        try await withTransport { transport in
            for request in requests {
                let failure = try await failure { _ = try await transport.execute(request) }
                #expect(failure.reason == .invalidRequest)
            }
        }
        #expect(server.acceptCount == 0)
    }
}
