// Request bodies that are written while they are sent.

import CurlTransport
import HTTPTypes
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8)))
struct UploadTests {
    private func post(_ server: ScriptedOrigin, _ pipe: RequestBodyPipe, length: Int? = nil) throws -> UpstreamRequest {
        UpstreamRequest(
            origin: try origin(server.url), method: .post, target: "/up", body: .stream(pipe, length: length),
            repeatable: false)
    }

    @Test("a body of unknown length is sent chunked, as it is written")
    func chunked() async throws {
        let firstSeen = Latch()
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            _ = try connection.read(until: Array("one\r\n".utf8))
            firstSeen.open()
            _ = try connection.read(until: Array("0\r\n\r\n".utf8))
            try connection.send(ok)
            connection.readUntilClosed()
        }
        try await withTransport { transport in
            let pipe = RequestBodyPipe()
            let request = try post(server, pipe)
            let response = Task { try await transport.execute(request) }
            try await pipe.write(Array("one".utf8))
            await firstSeen.wait()
            try await pipe.write(Array("two".utf8))
            pipe.finish()
            #expect(try await response.value.status.code == 200)
            #expect(
                server.receivedText == "POST /up HTTP/1.1\r\nHost: 127.0.0.1:\(server.port)\r\n"
                    + "Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
        }
    }

    @Test("a body of known length is sent with that length, and the answer may be awaited by its writer")
    func knownLength() async throws {
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            try connection.read(exactly: 1_000_000)
            try connection.send(ok)
            connection.readUntilClosed()
        }
        try await withTransport { transport in
            let pipe = RequestBodyPipe()
            let request = try post(server, pipe, length: 1_000_000)
            let response = Task { try await transport.execute(request) }
            for index in 0..<100 { try await pipe.write([UInt8](repeating: UInt8(index), count: 10_000)) }
            pipe.finish()
            let body = try await response.value.body
            #expect(try await body.text() == "ok")
        }
        let received = try #require(server.connections.first).received
        let text = String(decoding: received.prefix(200), as: UTF8.self)
        #expect(text.contains("Content-Length: 1000000\r\n"))
        #expect(text.contains("Transfer-Encoding") == false)
        #expect(Array(received.suffix(1_000_000)) == (0..<100).flatMap { [UInt8](repeating: UInt8($0), count: 10_000) })
    }

    @Test("a writer waits while the server does not read")
    func backPressure() async throws {
        let read = Latch()
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            read.waitBlocking()
            try connection.read(exactly: 32 << 20)
            try connection.send(ok)
            connection.readUntilClosed()
        }
        try await withTransport { transport in
            let pipe = RequestBodyPipe()
            let request = try post(server, pipe, length: 32 << 20)
            let response = Task { try await transport.execute(request) }
            let progress = Progress()
            async let writing: Void = {
                for _ in 0..<512 {
                    try await pipe.write([UInt8](repeating: 7, count: 64 << 10))
                    progress.advance()
                }
                pipe.finish()
            }()
            // The kernel's socket buffers take some megabytes; then nothing moves any more.
            var last = -1
            while progress.count != last || last == 0 {
                last = progress.count
                try await Task.sleep(for: .milliseconds(300))
            }
            #expect(last < 256)
            read.open()
            try await writing
            #expect(try await response.value.status.code == 200)
        }
    }

    @Test("a body that is given up ends the exchange and never looks complete", arguments: [nil, 99])
    func givenUp(_ length: Int?) async throws {
        let seen = Latch()
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            _ = try connection.read(until: Array("half".utf8))
            seen.open()
            connection.readUntilClosed()
        }
        try await withTransport { transport in
            let pipe = RequestBodyPipe()
            let request = try post(server, pipe, length: length)
            let response = Task { try await transport.execute(request) }
            try await pipe.write(Array("half".utf8))
            await seen.wait()
            pipe.fail()
            let failure = try await failure(of: response)
            #expect(failure.reason == .bodyFailed)
            #expect(failure.sent)
            await #expect(throws: RequestBodyClosed.self) { try await pipe.write([1]) }
        }
        #expect(server.receivedText.contains("0\r\n\r\n") == false)
    }

    @Test("a body shorter or longer than declared fails", arguments: [5, 15])
    func wrongLength(_ count: Int) async throws {
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            connection.readUntilClosed()
        }
        try await withTransport { transport in
            let pipe = RequestBodyPipe()
            try await pipe.write([UInt8](repeating: 1, count: count))
            pipe.finish()
            let request = try post(server, pipe, length: 10)
            let failure = try await failure { _ = try await transport.execute(request) }
            #expect(failure.reason == .bodyFailed)
        }
    }

    @Test("a pipe that failed before the start sends nothing, and a used pipe is refused")
    func unusablePipes() async throws {
        let server = ScriptedOrigin { _ in }
        try await withTransport { transport in
            let pipe = RequestBodyPipe()
            pipe.fail()
            let request = try post(server, pipe)
            let first = try await failure { _ = try await transport.execute(request) }
            #expect(first.reason == .bodyFailed)
            #expect(first.sent == false)
            let second = try await failure { _ = try await transport.execute(request) }
            #expect(second.reason == .invalidRequest)
        }
        #expect(server.acceptCount == 0)
    }

    @Test(
        "an early refusal is delivered whole, stops the writer and closes the connection",
        arguments: ["", "Connection: close\r\n"], [nil, 1_000_000])
    func earlyRefusal(_ field: String, _ length: Int?) async throws {
        let closed = Latch()
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            try connection.read(exactly: 1000)
            try connection.send("HTTP/1.1 413 Too Large\r\n\(field)Content-Length: 3\r\n\r\n")
            try connection.send("big")
            if connection.readUntilClosed() { closed.open() }
        }
        try await withTransport { transport in
            let pipe = RequestBodyPipe()
            let request = try post(server, pipe, length: length)
            let response = Task { try await transport.execute(request) }
            await #expect(throws: RequestBodyClosed.self) {
                while true {
                    try await pipe.write([UInt8](repeating: 0, count: 1000))
                    await Task.yield()
                }
            }
            let received = try await response.value
            #expect(received.status.code == 413)
            #expect(try await received.body.text() == "big")
            await closed.wait()
        }
        #expect(server.receivedText.hasSuffix("0\r\n\r\n") == false)
    }

    @Test(
        "a body of bytes that is refused early is no obstacle to the answer", arguments: ["", "Connection: close\r\n"])
    func earlyRefusalOfBytes(_ field: String) async throws {
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            try connection.send("HTTP/1.1 413 Too Large\r\n\(field)Content-Length: 3\r\n\r\nbig")
            connection.readUntilClosed()
        }
        try await withTransport { transport in
            var request = try get(server)
            request.method = .put
            request.body = .bytes([UInt8](repeating: 1, count: 32 << 20))
            let response = try await transport.execute(request)
            #expect(response.status.code == 413)
            #expect(try await response.body.text() == "big")
        }
    }

    @Test("cancelling a waiting writer gives the body up")
    func cancelledWriter() async throws {
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            Latch().waitBlocking(seconds: 1)
        }
        try await withTransport { transport in
            let pipe = RequestBodyPipe()
            let request = try post(server, pipe)
            let response = Task { try await transport.execute(request) }
            let writer = Task {
                while true { try await pipe.write([UInt8](repeating: 0, count: 60_000)) }
            }
            try await eventually("the request is out") { !server.receivedText.isEmpty }
            writer.cancel()
            let failure = try await failure(of: response)
            #expect(failure.reason == .bodyFailed || failure.reason == .broke)
            await #expect(throws: RequestBodyClosed.self) { try await writer.value }
        }
    }
}
