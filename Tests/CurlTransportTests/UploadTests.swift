// Request bodies: whole before they are sent, and sent with their length.

import CurlTransport
import HTTPTypes
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8)))
struct UploadTests {
    private func put(_ server: ScriptedOrigin, _ body: [UInt8]) throws -> UpstreamRequest {
        var request = try get(server)
        request.method = .put
        request.body = .bytes(body)
        request.repeatable = false
        return request
    }

    @Test("a body is sent with its length, byte for byte, however many reads the server takes for it")
    func whole() async throws {
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            try connection.read(exactly: 1_000_000)
            try connection.send(ok)
            connection.readUntilClosed()
        }
        let sent = (0..<100).flatMap { [UInt8](repeating: UInt8($0), count: 10_000) }
        try await withTransport { transport in
            let body = try await transport.execute(try put(server, sent)).body
            #expect(try await body.text() == "ok")
        }
        let received = try #require(server.connections.first).received
        let text = String(decoding: received.prefix(200), as: UTF8.self)
        #expect(text.contains("Content-Length: 1000000\r\n") && !text.contains("Transfer-Encoding"))
        #expect(Array(received.suffix(1_000_000)) == sent)
    }

    @Test(
        "a body that is refused early is no obstacle to the answer, and never looks complete",
        arguments: ["", "Connection: close\r\n"], [413, 503])
    func earlyRefusal(_ field: String, _ status: Int) async throws {
        let closed = Latch()
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            try connection.send("HTTP/1.1 \(status) No\r\n\(field)Content-Length: 3\r\n\r\nbig")
            if connection.readUntilClosed() { closed.open() }
        }
        let count = 32 << 20
        try await withTransport { transport in
            let response = try await transport.execute(try put(server, [UInt8](repeating: 1, count: count)))
            #expect(response.status.code == status)
            #expect(try await response.body.text() == "big")
            await closed.wait()
        }
        #expect(try #require(server.connections.first).received.count < count, "the connection was closed instead")
    }

    @Test("a call that is given up while its body goes out ends the connection, and never looks complete")
    func givenUp() async throws {
        let (begun, isGivenUp) = (Latch(), Latch())
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            try connection.read(exactly: 1_000)
            begun.open()
            isGivenUp.waitBlocking()
            connection.readUntilClosed()
        }
        let count = 64 << 20
        try await withTransport { transport in
            let request = try put(server, [UInt8](repeating: 1, count: count))
            let response = Task { try await transport.execute(request) }
            await begun.wait()
            response.cancel()
            let failure = try await failure(of: response)
            #expect(failure.reason == .cancelled && failure.sent)
            isGivenUp.open()
        }
        #expect(try #require(server.connections.first).received.count <= count)
    }
}
