// Request bodies on their way upstream: streamed where they can not be a delete, never mistaken for whole when cut.

import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct UploadTests {
    private static let path = "/clashdetection/tests"

    @Test("a body that is not JSON is sent on while it still arrives", arguments: [true, false])
    func streamed(announced: Bool) async throws {
        let received = Received()
        let server = ScriptedOrigin { connection in
            _ = received.add(try connection.readRequest())
            try connection.send(ok)
            connection.readUntilClosed()
        }
        try await withRig(origin: server) { rig in
            let client = try rig.connect()
            let framing = announced ? "Content-Length: 12" : "Transfer-Encoding: chunked"
            try await client.send("PUT \(Self.path)/1 HTTP/1.1\r\nHost: localhost\r\n\(framing)\r\n\r\n")
            try await client.send(announced ? "first " : "6\r\nfirst \r\n")
            try await eventually("the first half is upstream") { server.receivedText.contains("first ") }
            #expect(received.count == 0)
            let answer = try await client.exchange(announced ? "second" : "6\r\nsecond\r\n0\r\n\r\n", method: "PUT")
            #expect(answer.status == 200)
            let got = try #require(received.all.first)
            #expect(got.text == "first second")
            #expect(got.values("Content-Length") == (announced ? ["12"] : []))
            #expect(got.values("Transfer-Encoding").map { $0.lowercased() } == (announced ? [] : ["chunked"]))
            client.close()
        }
    }

    @Test("a JSON body is held until it is whole, because it may say delete")
    func collected() async throws {
        let received = Received()
        try await withRig(origin: origin(received, always: ok)) { rig in
            let client = try rig.connect()
            try await client.send(
                "POST \(Self.path) HTTP/1.1\r\nHost: localhost\r\nContent-Length: 14\r\n\r\n{\"name\":")
            // A whole other call goes through meanwhile; the half one must not have been sent.
            #expect(try await rig.get(Self.path).status == 200)
            #expect(received.all.map(\.requestLine) == ["GET \(Self.path) HTTP/1.1"])
            #expect(try await client.exchange("\"ab\"} ", method: "POST").status == 200)
            #expect(received.all.last?.text == "{\"name\":\"ab\"} ")
            client.close()
        }
    }

    @Test(
        "an upload that is cut in the middle never looks complete upstream",
        arguments: ["length reset", "length close", "chunked reset", "chunked close", "chunked garbage"])
    func cut(how: String) async throws {
        let whole = Latch()
        let ended = Latch()
        let server = ScriptedOrigin { connection in
            defer { ended.open() }
            _ = try connection.readRequest()
            whole.open()
        }
        try await withRig(origin: server) { rig in
            let client = try rig.connect()
            let framing = how.hasPrefix("length") ? "Content-Length: 100" : "Transfer-Encoding: chunked"
            try await client.send(
                "POST \(Self.path) HTTP/1.1\r\nHost: localhost\r\nx-correlation-id: cut-1\r\n\(framing)\r\n\r\n")
            try await client.send(how.hasPrefix("length") ? "some bytes" : "a\r\nsome bytes\r\n")
            try await eventually("some of it is upstream") { server.receivedText.contains("some bytes") }
            if how.hasSuffix("reset") { client.reset() } else if how.hasSuffix("close") { client.close() }
            if how.hasSuffix("garbage") {
                let answer = try await client.exchange("zz\r\n", method: "POST")
                answer.expectError(400, "InvalidRequest", reason: "invalid-request")
                #expect(try await client.readToEnd().isEmpty)
                client.close()
            }
            try await eventually("upstream's connection ends") { ended.isOpen }
            #expect(!whole.isOpen)
            let line = try await rig.accessLog.line(with: "cut-1")
            #expect(line.contains(how.hasSuffix("garbage") ? "refused:invalid-request" : "caller-left"))
        }
    }

    @Test("an upload larger than every buffer arrives whole while upstream reads slowly")
    func large() async throws {
        let total = 6 << 20
        let received = Received()
        let server = ScriptedOrigin { connection in
            _ = received.add(try connection.readRequest())
            try connection.send(ok)
            connection.readUntilClosed()
        }
        try await withRig(origin: server) { rig in
            let body = String(repeating: "0123456789abcdef", count: total / 16)
            let answer = try await rig.call("PUT", "\(Self.path)/1", [("Content-Type", "text/plain")], body: body)
            #expect(answer.status == 200)
            #expect(received.all.first?.text == body)
        }
    }

    @Test("a tool is held back while upstream does not read its upload")
    func backPressure() async throws {
        let go = Latch()
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            go.waitBlocking()
            try connection.read(exactly: 9 << 20)
            try connection.send(ok)
            connection.readUntilClosed()
        }
        try await withRig(origin: server) { rig in
            let client = try rig.connect()
            let head = "PUT \(Self.path)/1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(9 << 20)\r\n\r\n"
            let bytes = Array(head.utf8) + [UInt8](repeating: 0x78, count: 9 << 20)
            let sent = try await client.sendWhatFits(bytes)
            #expect(sent < bytes.count, "the proxy does not swallow all of it")
            go.open()
            try await client.send(Array(bytes[sent...]))
            #expect(try await client.response(to: "PUT").status == 200)
            client.close()
        }
    }

    @Test("an answer that upstream gives before the upload has ended reaches the tool")
    func earlyAnswer() async throws {
        let early =
            "HTTP/1.1 413 Content Too Large\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n"
            + "Connection: close\r\n\r\nbig"
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            try connection.send(early)
            connection.closeWrite()
            connection.readUntilClosed()
        }
        try await withRig(origin: server) { rig in
            let client = try rig.connect()
            try await client.send("PUT \(Self.path)/1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nabc")
            let answer = try await client.response(to: "PUT")
            #expect(answer.status == 413 && answer.text == "big" && answer["Proxy-Status"] == nil)
            #expect(answer["Connection"] == "close")
            client.close()
        }
    }
}
