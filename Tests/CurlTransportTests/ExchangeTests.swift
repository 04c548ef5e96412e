// What comes back when nothing goes wrong: heads, bodies, trailers, reuse, decoding.

import CurlTransport
import Glibc
import HTTPTypes
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8)))
struct ExchangeTests {
    @Test("a GET brings status, fields in the server's spelling and the body")
    func plainGet() async throws {
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            try connection.send("HTTP/1.1 201 Very Fine\r\nX-Two: a\r\nx-two:b \r\nContent-Length: 5\r\n\r\nhello")
            connection.readUntilClosed()
        }
        try await withTransport { transport in
            let response = try await transport.execute(try get(server))
            #expect(response.status.code == 201)
            #expect(response.status.reasonPhrase == "Very Fine")
            #expect(response.fields.map(\.name.rawName) == ["X-Two", "x-two", "Content-Length"])
            #expect(response.fields[values: try .named("x-two")] == ["a", "b"])
            #expect(response.body.declaredLength == 5)
            #expect(try await response.body.text() == "hello")
            #expect(response.body.endIsProven)
            #expect(try await response.body.next() == nil)
            #expect(response.facts.connectionReused == false)
        }
    }

    @Test("a body that came with its head is there without waiting")
    func bufferedBody() async throws {
        let body = String(repeating: "x", count: 10_000)
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            try connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n" + body)
            connection.readUntilClosed()
        }
        try await withTransport { transport in
            let response = try await transport.execute(try get(server))
            try await eventually("the whole body is here") { response.body.isBufferedComplete }
            #expect(try await response.body.next()?.count == 10_000)
            #expect(try await response.body.next() == nil)
        }
    }

    @Test("the head is delivered while the body is still to come; interim heads are dropped, trailers kept apart")
    func headBeforeBody() async throws {
        let headSeen = Latch()
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            try connection.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
            try connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n")
            headSeen.waitBlocking()
            try connection.send("3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\nX-Sum: 5\r\nX-More: 6\r\n\r\n")
            connection.readUntilClosed()
        }
        try await withTransport { transport in
            let response = try await transport.execute(try get(server))
            #expect(response.status.code == 200)
            #expect(response.fields.map(\.name.rawName) == ["Transfer-Encoding", "Trailer"])
            #expect(response.body.isBufferedComplete == false)
            headSeen.open()
            #expect(try await response.body.text() == "abcde")
            #expect(response.body.trailers.map(\.description) == ["X-Sum: 5", "X-More: 6"])
            #expect(response.body.endIsProven)
            #expect(response.body.declaredLength == nil)
        }
    }

    @Test(
        "answers without a body end at once, whatever Content-Length says",
        arguments: [(HTTPRequest.Method.head, 200), (.get, 304), (.get, 204)])
    func bodiless(_ method: HTTPRequest.Method, _ status: Int) async throws {
        let server = ScriptedOrigin { connection in
            while true {
                try connection.readHead()
                try connection.send("HTTP/1.1 \(status) X\r\nContent-Length: 1234\r\n\r\n")
            }
        }
        try await withTransport { transport in
            var request = try get(server)
            request.method = method
            for _ in 0..<2 {
                let response = try await transport.execute(request)
                #expect(response.fields[.contentLength] == "1234")
                #expect(response.body.declaredLength == 0)
                #expect(try await response.body.next() == nil)
                #expect(response.body.endIsProven)
            }
            #expect(server.acceptCount == 1)
        }
    }

    @Test("a connection is used again")
    func reuse() async throws {
        let server = ScriptedOrigin { connection in
            while true {
                try connection.readHead()
                try connection.send(ok)
            }
        }
        try await withTransport { transport in
            for round in 0..<5 {
                let response = try await transport.execute(try get(server))
                #expect(try await response.body.text() == "ok")
                #expect(response.facts.connectionReused == (round > 0))
            }
            #expect(server.acceptCount == 1)
            try await eventually("figures are up to date") {
                let statistics = transport.statistics
                return statistics.requestsSent == 5 && statistics.connectionsOpened == 1
                    && statistics.openSockets == 1 && statistics.liveTransfers == 0
                    && statistics.connectionsDiscarded == 0
            }
        }
    }

    @Test("a redirect is an answer like any other")
    func redirect() async throws {
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            try connection.send("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")
            connection.readUntilClosed()
        }
        try await withTransport { transport in
            let response = try await transport.execute(try get(server))
            #expect(response.status.code == 302)
            #expect(response.fields[.location] == "/elsewhere")
            _ = try await response.body.all()
            #expect(transport.statistics.requestsSent <= 1)
        }
    }

    /// "clash clash clash clash clash", compressed.
    private static let coded: [UInt8] = [
        0x1F, 0x8B, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0xFF, 0x4B, 0xCE, 0x49, 0x2C, 0xCE, 0x50,
        0x48, 0xC6, 0x4E, 0x02, 0x00, 0xE1, 0x1E, 0x68, 0x7B, 0x1D, 0x00, 0x00, 0x00,
    ]

    private func codedServer() -> ScriptedOrigin {
        ScriptedOrigin { connection in
            while true {
                try connection.readHead()
                try connection.send(
                    "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nX-A: b\r\nContent-Length: \(Self.coded.count)\r\n\r\n"
                )
                try connection.send(Self.coded)
            }
        }
    }

    @Test("a coded body passes untouched unless decoding is asked for")
    func codedUntouched() async throws {
        let server = self.codedServer()
        try await withTransport { transport in
            let response = try await transport.execute(try get(server))
            #expect(response.fields[.contentEncoding] == "gzip")
            #expect(try await response.body.all() == Self.coded)
        }
    }

    @Test("a decoded body no longer claims its coding or length, and its end is still proven")
    func decoded() async throws {
        let server = self.codedServer()
        try await withTransport { transport in
            var request = try get(server)
            request.decodesContent = true
            let response = try await transport.execute(request)
            #expect(response.fields.map(\.name.rawName) == ["X-A"])
            #expect(response.body.declaredLength == nil)
            #expect(try await response.body.text() == "clash clash clash clash clash")
            #expect(response.body.endIsProven)
        }
    }

    @Test("the environment's proxy settings are ignored and SSLKEYLOGFILE is removed")
    func environment() async throws {
        await #expect(processExitsWith: .success) {
            for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
                setenv(name, "http://127.0.0.1:9", 1)
            }
            setenv("SSLKEYLOGFILE", "/dev/null", 1)
            let server = ScriptedOrigin { connection in
                try connection.readHead()
                try connection.send(ok)
            }
            try await withTransport { transport in
                let response = try await transport.execute(try get(server))
                #expect(response.status.code == 200)
                #expect(getenv("SSLKEYLOGFILE") == nil)
            }
        }
    }
}
