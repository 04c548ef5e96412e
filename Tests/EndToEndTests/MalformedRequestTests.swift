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
        "HEAD with a body is refused before anything goes upstream",
        arguments: ["Content-Length: 2\r\n\r\n{}", "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"])
    func headWithBody(rest: String) async throws {
        let received = Received()
        try await withRig(origin: origin(received, always: ok)) { rig in
            let client = try rig.connect()
            let head = "HEAD \(Self.good) HTTP/1.1\r\nHost: localhost\r\nx-correlation-id: mine-2\r\n"
            #expect(try await client.exchange(head + rest).status == 400)
            client.close()
            #expect(try await rig.accessLog.line(with: "mine-2").contains(" attempts=0"))
            #expect(received.count == 0)
            let empty = "HEAD \(Self.good) HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
            #expect(try await rig.raw(empty, method: "HEAD").status == 200)
        }
    }
}
