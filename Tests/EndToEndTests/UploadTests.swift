// Request bodies on their way upstream: whole before their turn, bounded in what they take, never sent when cut.

import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct UploadTests {
    private static let path = "/clashdetection/tests"

    @Test("a body is whole before anything of its call goes upstream", arguments: [true, false])
    func whole(announced: Bool) async throws {
        let received = Received()
        try await withRig(origin: origin(received, always: ok), flags: ["rate.max_in_flight=1"]) { rig in
            let client = try rig.connect()
            let framing = announced ? "Content-Length: 12" : "Transfer-Encoding: chunked"
            try await client.send("PUT \(Self.path)/1 HTTP/1.1\r\nHost: localhost\r\n\(framing)\r\n\r\n")
            try await client.send(announced ? "first " : "6\r\nfirst \r\n")
            // The one place upstream is free all the while.
            #expect(try await rig.get(Self.path).status == 200)
            #expect(received.count == 1)
            let answer = try await client.exchange(announced ? "second" : "6\r\nsecond\r\n0\r\n\r\n", method: "PUT")
            #expect(answer.status == 200)
            let got = try #require(received.all.last)
            #expect(got.text == "first second" && got.values("Content-Length") == ["12"])
            #expect(got.values("Transfer-Encoding").isEmpty)
            client.close()
        }
    }

    @Test("tools that send slowly, reads among them, hold no place upstream")
    func slow() async throws {
        let received = Received()
        try await withRig(origin: origin(received, always: ok), flags: ["rate.max_in_flight=1"]) { rig in
            var slow: [RawClient] = []
            for method in ["GET", "POST", "PATCH"] {
                let client = try rig.connect()
                try await client.send(
                    "\(method) \(Self.path) HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nab")
                slow.append(client)
            }
            for _ in 0..<3 {
                #expect(
                    try await rig.get(Self.path, [("Prefer", "wait=0"), ("Cache-Control", "no-cache")]).status == 200)
            }
            #expect(received.count == 3)
            slow.forEach { $0.close() }
        }
    }

    @Test("request bodies have half of what may be held, and who finds no room is told so")
    func overloaded() async throws {
        let received = Received()
        let flags = ["listen.max_held_bytes=64KiB"]
        try await withRig(origin: origin(received, always: ok), flags: flags) { rig in
            let head = "POST \(Self.path) HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20001\r\n\r\n"
            let most = "{\"name\":\"" + String(repeating: "x", count: 19_990)
            let clients = [try rig.connect(), try rig.connect()]
            for client in clients { try await client.send(head + most) }
            try await withThrowingTaskGroup(of: (Int, RawResponse).self) { group in
                for (index, client) in clients.enumerated() {
                    group.addTask { (index, try await client.response(to: "POST")) }
                }
                let (refused, answer) = try #require(try await group.next())
                answer.expectError(503, "Overloaded", reason: "overloaded", retryAfter: 1...1)
                #expect(try await rig.get(Self.path).status == 200)
                try await clients[1 - refused].send("\"}")
                #expect(try await group.next()?.1.status == 200)
            }
            _ = try await rig.applicationLog.line(with: "a limit refuses calls", "overloaded")
            _ = try await rig.accessLog.line(with: "v1.tests.create", "refused:overloaded")
            // What was held went back with its visit.
            let third = try rig.connect()
            #expect(try await third.exchange(head + most + "\"}", method: "POST").status == 200)
            (clients + [third]).forEach { $0.close() }
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
        "nothing of an upload that is cut in the middle goes upstream",
        arguments: ["length reset", "length close", "chunked reset", "chunked close", "chunked garbage"])
    func cut(how: String) async throws {
        let received = Received()
        try await withRig(origin: origin(received, always: ok)) { rig in
            let client = try rig.connect()
            let framing = how.hasPrefix("length") ? "Content-Length: 100" : "Transfer-Encoding: chunked"
            try await client.send(
                "POST \(Self.path) HTTP/1.1\r\nHost: localhost\r\nx-correlation-id: cut-1\r\n\(framing)\r\n\r\n")
            try await client.send(how.hasPrefix("length") ? "some bytes" : "a\r\nsome bytes\r\n")
            if how.hasSuffix("reset") { client.reset() } else if how.hasSuffix("close") { client.close() }
            if how.hasSuffix("garbage") {
                let answer = try await client.exchange("zz\r\n", method: "POST")
                answer.expectError(400, "InvalidRequest", reason: "invalid-request")
                #expect(try await client.readToEnd().isEmpty)
                client.close()
            }
            let line = try await rig.accessLog.line(with: "cut-1")
            #expect(line.contains(how.hasSuffix("garbage") ? "refused:invalid-request" : "caller-left"))
            #expect(received.count == 0)
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
}
