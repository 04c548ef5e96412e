// Deadlines against servers that do not answer. The times are short because nothing else can end these exchanges.

import CurlTransport
import HTTPTypes
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8)))
struct TimeoutTests {
    @Test("a connection that is not made in time is told apart from one that is refused, and holds up nobody")
    func connectTimeout() async throws {
        let silent = SilentOrigin()
        let server = ScriptedOrigin { connection in
            while true {
                try connection.readHead()
                try connection.send(ok)
            }
        }
        try await withTransport(.init(connectTimeout: .milliseconds(400))) { transport in
            let request = UpstreamRequest(origin: try origin(silent.url), method: .delete, target: "/")
            let hanging = Task { try await transport.execute(request) }
            for _ in 0..<20 {
                let body = try await transport.execute(try get(server)).body
                #expect(try await body.text() == "ok")
            }
            let failure = try await failure(of: hanging)
            #expect(failure.reason == .timeoutConnect)
            #expect(failure.sent == false)
        }
    }

    @Test("no head in time is a timeout of a sent request")
    func firstByte() async throws {
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            try connection.send("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n")
            connection.readUntilClosed()
        }
        try await withTransport { transport in
            var request = try get(server)
            request.firstByteTimeout = .milliseconds(300)
            let sent = request
            let failure = try await failure { _ = try await transport.execute(sent) }
            #expect(failure.reason == .timeoutFirstByte)
            #expect(failure.sent)
            #expect(failure.headReceived == false)
        }
    }

    @Test("a body that stops in the middle is a stall")
    func stall() async throws {
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            try connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
            connection.readUntilClosed()
        }
        try await withTransport { transport in
            var request = try get(server)
            request.stallTimeout = .milliseconds(300)
            let body = try await transport.execute(request).body
            let failure = try await failure { _ = try await body.all() }
            #expect(failure.reason == .timeoutStall)
            #expect(failure.headReceived)
        }
    }

    @Test("a server that stops reading the request body stalls the exchange")
    func uploadStall() async throws {
        let read = Latch()
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            read.waitBlocking()
        }
        try await withTransport { transport in
            var request = try get(server)
            request.method = .put
            request.body = .bytes([UInt8](repeating: 0, count: 32 << 20))
            (request.firstByteTimeout, request.stallTimeout) = (.milliseconds(300), .milliseconds(300))
            let sent = request
            let failure = try await failure { _ = try await transport.execute(sent) }
            #expect(failure.reason == .timeoutStall && failure.sent)
            read.open()
        }
    }

    @Test("the head's time runs from the end of a slow upload, however long that took")
    func firstByteAfterSlowUpload() async throws {
        let count = 32 << 20
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            Latch().waitBlocking(seconds: 1)
            try connection.read(exactly: count)
            connection.readUntilClosed()
        }
        try await withTransport { transport in
            var request = try get(server)
            request.method = .put
            request.body = .bytes([UInt8](repeating: 0, count: count))
            request.firstByteTimeout = .milliseconds(300)
            let sent = request
            let began = ContinuousClock.now
            let failure = try await failure { _ = try await transport.execute(sent) }
            #expect(failure.reason == .timeoutFirstByte && ContinuousClock.now - began > .seconds(1))
        }
    }

    @Test("waiting for a place has an end, too")
    func queueTimeout() async throws {
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            connection.readUntilClosed()
        }
        try await withTransport(.init(maxConnections: 1)) { transport in
            let first = try get(server)
            let holder = Task { try await transport.execute(first) }
            try await eventually("the only place is taken") { server.receivedText.hasSuffix("\r\n\r\n") }
            var request = try delete(server)
            request.firstByteTimeout = .milliseconds(200)
            let sent = request
            let failure = try await failure { _ = try await transport.execute(sent) }
            #expect(failure.reason == .unreachable)
            #expect(failure.sent == false)
            holder.cancel()
            let end = try await CurlTransportTests.failure(of: holder)
            #expect(end.reason == .cancelled)
        }
    }
}
