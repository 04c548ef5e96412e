// Answers that are cut, malformed or ambiguous: never a clean end, never a field two readers would see differently.

import CurlTransport
import HTTPTypes
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8)))
struct BrokenResponseTests {
    /// Runs a GET against a server that sends `bytes` and closes; returns the body's text.
    private func read(_ bytes: String, reset: Bool = false) async throws -> (text: String, isProven: Bool) {
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            try connection.send(bytes)
            if reset {
                connection.reset()
            } else {
                connection.closeWrite()
                connection.readUntilClosed()
            }
        }
        return try await withTransport { transport in
            let body = try await transport.execute(try get(server)).body
            return (try await body.text(), body.endIsProven)
        }
    }

    @Test(
        "a cut body is a failure, never an end",
        arguments: [
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n",
        ])
    func cutBody(_ bytes: String) async throws {
        let failure = try await failure { _ = try await self.read(bytes) }
        #expect(failure.reason == .truncated)
        #expect(failure.sent)
        #expect(failure.headReceived)
    }

    @Test("a reset in mid-body is a failure")
    func resetBody() async throws {
        let failure = try await failure {
            _ = try await self.read("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", reset: true)
        }
        #expect(failure.sent)
        #expect(failure.reason == .truncated || failure.reason == .broke)
    }

    @Test("what arrived before the cut is delivered first")
    func bytesBeforeCut() async throws {
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            try connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        }
        try await withTransport { transport in
            let body = try await transport.execute(try get(server)).body
            #expect(try await body.next() == Array("half".utf8))
            for _ in 0..<2 {
                let failure = try await failure { _ = try await body.next() }
                #expect(failure.reason == .truncated)
            }
            #expect(body.isBufferedComplete == false)
            #expect(body.endIsProven == false)
        }
    }

    @Test("a body that ends with the connection is not proven to be whole")
    func endedByClose() async throws {
        let (text, isProven) = try await self.read("HTTP/1.1 200 OK\r\n\r\nsomething")
        #expect(text == "something")
        #expect(isProven == false)
    }

    @Test(
        "an ambiguous or malformed head is refused",
        arguments: [
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 5\r\n\r\nok",
            "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
            "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nok",
            "HTTP/1.1 200 OK\r\nX-A: 1\r\n folded\r\nContent-Length: 2\r\n\r\nok",
            "HTTP/1.1 200 OK\r\nX-A : 1\r\nContent-Length: 2\r\n\r\nok",
            "HTTP/1.1 200 OK\r\n: 1\r\nContent-Length: 2\r\n\r\nok",
            "HTTP/1.1 200 OK\r\nX-A\r\nContent-Length: 2\r\n\r\nok",
            "HTTP/1.1 200 OK\r\nX-A: a\rb\r\nContent-Length: 2\r\n\r\nok",
            "HTTP/1.1 200 OK\r\nX-A: a\u{1}b\r\nContent-Length: 2\r\n\r\nok",
            "HTTP/1.1 200 OK\r\nX-A: a\u{0}b\r\nContent-Length: 2\r\n\r\nok",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
            "<html>not HTTP</html>\r\n\r\n",
        ])
    func badHead(_ bytes: String) async throws {
        let failure = try await failure { _ = try await self.read(bytes) }
        #expect(failure.reason == .invalidResponse, "\(failure)")
        #expect(failure.sent)
        #expect(failure.headReceived == false)
    }

    @Test("equal Content-Lengths are one, and chunked framing overrules a length")
    func harmlessDoubles() async throws {
        let (text, isProven) = try await self.read(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok")
        #expect(text == "ok")
        #expect(isProven)
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            try connection.send(
                "HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
            connection.readUntilClosed()
        }
        try await withTransport { transport in
            let response = try await transport.execute(try get(server))
            #expect(response.fields[.contentLength] == nil)
            #expect(response.body.declaredLength == nil)
            #expect(try await response.body.text() == "ok")
        }
    }

    @Test("a head without end is refused", arguments: ["X-A: \(String(repeating: "a", count: 1000))\r\n", "a:\r\n"])
    func endlessHead(_ line: String) async throws {
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            try connection.send("HTTP/1.1 200 OK\r\n")
            while true { try connection.send(line) }
        }
        try await withTransport { transport in
            let failure = try await failure { _ = try await transport.execute(try get(server)) }
            #expect(failure.reason == .invalidResponse)
        }
    }

    @Test("interim heads without end are refused")
    func endlessInterim() async throws {
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            while true { try connection.send("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n") }
        }
        try await withTransport { transport in
            let failure = try await failure { _ = try await transport.execute(try get(server)) }
            #expect(failure.reason == .invalidResponse)
        }
    }

    @Test("a server that hangs up without a word broke the exchange, and the request counts as sent")
    func noAnswer() async throws {
        let server = ScriptedOrigin { connection in _ = try connection.readHead() }
        try await withTransport { transport in
            let failure = try await failure { _ = try await transport.execute(try delete(server)) }
            #expect(failure.reason == .broke)
            #expect(failure.sent)
        }
    }

    @Test("a port nobody listens on is unreachable and nothing was sent")
    func refusedConnection() async throws {
        // Every other server of the tests is at 127.0.0.1, so that nobody takes a port here.
        let nobody = UpstreamRequest(origin: try origin("http://127.77.0.1:9"), target: "/")
        try await withTransport { transport in
            let failure = try await failure { _ = try await transport.execute(nobody) }
            #expect(failure.reason == .unreachable)
            #expect(failure.sent == false)
            #expect(failure.curlCode == 7)
        }
    }

    @Test("a name without an address is not sent to")
    func unknownName() async throws {
        try await withTransport(.init(connectTimeout: .seconds(3))) { transport in
            let failure = try await failure {
                _ = try await transport.execute(
                    UpstreamRequest(origin: try origin("http://nobody.invalid"), target: "/"))
            }
            // Without a name server the attempt may end by the connect timeout instead.
            #expect(failure.reason == .nameNotResolved || failure.reason == .unreachable)
            #expect(failure.sent == false)
        }
    }
}
