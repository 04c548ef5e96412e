// Around requests that HTTP forbids: what they leave behind, and what is written down of them. What is refused at all stands in
// the table (`HTTP1Corpus`).

import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct MalformedRequestTests {
    private static let good = "/clashdetection/tests"

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
}
