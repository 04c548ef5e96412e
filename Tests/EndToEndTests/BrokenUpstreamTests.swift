// An upstream that breaks in mid-answer: the tool can always tell a cut answer from a whole one, and no byte of one
// answer ever reaches the next call.

import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct BrokenUpstreamTests {
    private static let path = "/clashdetection/results/x"
    private static let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"

    @Test(
        "an answer that is cut off in mid-body ends the tool's connection before its end",
        arguments: ["length", "chunked", "chunk", "reset"])
    func truncated(how: String) async throws {
        let go = Latch()
        let server = ScriptedOrigin { connection in
            _ = try connection.readRequest()
            let framing = how == "length" || how == "reset" ? "Content-Length: 1000" : "Transfer-Encoding: chunked"
            try connection.send(
                "\(Self.head)\(framing)\r\n\r\n" + (framing.hasPrefix("C") ? "hello" : "5\r\nhello\r\n"))
            go.waitBlocking()
            if how == "chunk" { try connection.send("9\r\nhal") }
            if how == "reset" { connection.reset() }
        }
        try await withRig(origin: server) { rig in
            let client = try rig.connect()
            try await client.send(rig.request("GET", Self.path, [("x-correlation-id", "cut-2")]))
            // The head comes through while the body is still on its way.
            try await eventually("the origin was asked") { server.receivedText.contains("cut-2") }
            go.open()
            let answer = try await client.response()
            if answer.status == 200 {
                #expect(answer.ending == .cut)
                #expect(answer.text.hasPrefix("hello") || answer.body.isEmpty)
                _ = try await rig.accessLog.line(with: "cut-2", " cut:upstream-invalid-response ")
            } else {
                answer.expectError(502, "UpstreamInvalidResponse", reason: "upstream-invalid-response")
            }
            client.close()
        }
    }

    @Test("a large page that is cut off after its head has gone out is cut for the tool as well")
    func truncatedPage() async throws {
        let body = #"{"reports":["# + String(repeating: #"{"id":"1"},"#, count: 60_000)
        let server = origin { _, _ in
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count + 10)\r\n"
                + "Connection: close\r\n\r\n\(body)"
        }
        let closing = ScriptedOrigin { connection in
            _ = try connection.readRequest()
            try connection.send(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count + 10)\r\n\r\n\(body)"
            )
        }
        server.stop()
        try await withRig(origin: closing) { rig in
            let answer = try await rig.get("/clash-detection/itwins/i/reports")
            #expect(answer.status == 200 && answer["Transfer-Encoding"] == "chunked")
            #expect(answer.ending == .cut)
        }
    }

    @Test("an answer without any framing is passed on to its end")
    func untilClose() async throws {
        let server = ScriptedOrigin { connection in
            _ = try connection.readRequest()
            try connection.send("\(Self.head)\r\nall there is")
        }
        try await withRig(origin: server) { rig in
            let client = try rig.connect()
            let answer = try await client.exchange(rig.request("GET", Self.path))
            #expect(answer.status == 200 && answer.text == "all there is" && answer.ending == .complete)
            #expect(try await client.exchange(rig.request("GET", "/nowhere")).status == 404, "the tool's goes on")
            client.close()
        }
    }

    @Test("an answer that stops in mid-body is cut after stall_timeout")
    func stall() async throws {
        let server = ScriptedOrigin { connection in
            _ = try connection.readRequest()
            try connection.send("\(Self.head)Content-Length: 1000\r\n\r\nhello")
            connection.readUntilClosed()
        }
        try await withRig(origin: server, flags: ["upstream.stall_timeout=200ms"]) { rig in
            let answer = try await rig.get(Self.path, [("x-correlation-id", "stall-1")])
            #expect(answer.status == 200 && answer.text == "hello" && answer.ending == .cut)
            _ = try await rig.accessLog.line(with: "stall-1", " cut:upstream-timeout ")
        }
    }

    @Test("a page that stops before anything was passed on is a 504")
    func stalledPage() async throws {
        try await withRig { options in
            options.flags = ["upstream.stall_timeout=200ms"]
        } _: { rig in
            rig.simulator.inject(.stall(after: 20), where: RequestFilter(target: "/reports"))
            let answer = try await rig.get(rig.list)
            answer.expectError(504, "UpstreamTimeout", reason: "upstream-timeout")
        }
    }

    @Test(
        "bytes that come with an answer never reach the next call, even when they look like an answer",
        arguments: ["HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison", "garbage", "\r\n", "\u{0}"])
    func extraBytes(stray: String) async throws {
        try await withRig(origin: origin(always: ok + stray)) { rig in
            let client = try rig.connect()
            for _ in 0..<4 {
                let answer = try await client.exchange(rig.request("GET", Self.path))
                #expect(answer.status == 200 && answer.text == "ok", "\(answer.statusLine) \(answer.text)")
            }
            client.close()
        }
    }

    @Test("a kept connection that upstream has closed costs nobody a failed call")
    func closedWhileIdle() async throws {
        try await withRig { rig in
            rig.simulator.inject(.closeAfterAnswer, where: RequestFilter(target: "/clash"), times: nil)
            for _ in 0..<5 {
                #expect(try await rig.get(rig.list).status == 200)
                let deletion = try await rig.call("DELETE", "/clashdetection/runs/x")
                #expect(deletion.status == 404, "\(deletion.text)")
            }
            #expect(rig.simulator.recorded(RequestFilter(method: "DELETE")).count == 5)
        }
    }

    @Test(
        "a status line that is odd but clear is understood",
        arguments: [
            ("HTTP/1.1 200", 200), ("HTTP/1.1 200 ", 200), ("HTTP/1.0 200 OK", 200), ("HTTP/1.1 299 Fine, thanks", 299),
            ("HTTP/1.1 404 Not \u{e4} Found", 404), ("HTTP/1.1 999 Odd", 999),
        ])
    func oddStatus(line: String, status: Int) async throws {
        try await withRig(origin: origin(always: "\(line)\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"))
        { rig in
            let answer = try await rig.get(Self.path)
            #expect(answer.status == status && answer.text == "ok", "\(answer.statusLine) \(answer.text)")
        }
    }

    @Test(
        "a head that is no HTTP/1 answer, or endless, is a 502 and no harm to the next call",
        arguments: [
            "HTTP/1.1 42 Short", "HTTP/1.1 2000 Long", "HTTP/3 200 OK", "HTTP/1.1 101 Switching Protocols", "many",
            "large",
        ])
    func badHeads(kind: String) async throws {
        let received = Received()
        let server = ScriptedOrigin { connection in
            let number = received.add(try connection.readRequest())
            if number > 1 { return try connection.send(ok) }
            switch kind {
            case "large": try connection.send("HTTP/1.1 200 OK\r\nX-A: \(String(repeating: "a", count: 2 << 20))\r\n")
            case "many":
                try connection.send("HTTP/1.1 200 OK\r\n")
                for _ in 0..<2_000 {
                    try connection.send(String(repeating: "X-A: \(String(repeating: "a", count: 100))\r\n", count: 20))
                }
                try connection.send("Content-Length: 0\r\n\r\n")
            default: try connection.send("\(kind)\r\nContent-Length: 0\r\n\r\n")
            }
            connection.readUntilClosed()
        }
        try await withRig(origin: server, flags: ["upstream.first_byte_timeout=3s"]) { rig in
            let answer = try await rig.get(Self.path)
            answer.expectError(502, "UpstreamInvalidResponse", reason: "upstream-invalid-response")
            #expect(try await rig.get(Self.path).status == 200)
        }
    }

    @Test("interim answers of upstream's are not passed on and disturb nothing")
    func informational() async throws {
        try await withRig { rig in
            rig.simulator.inject(.informational([100, 102, 103]), where: RequestFilter(target: "/reports"))
            let answer = try await rig.get(rig.list)
            #expect(answer.status == 200 && answer.interim.isEmpty)
        }
    }

    @Test("a response header that would break the tool's connection is never passed on")
    func responseSplitting() async throws {
        for line in ["X-A: a\rSet-Cookie: b=1", "X-A: a\u{0}b", "X A: b", "X-A: a\r\n folded: b"] {
            let server = origin(
                always: "HTTP/1.1 200 OK\r\n\(line)\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok")
            try await withRig(origin: server) { rig in
                let client = try rig.connect()
                let answer = try await client.exchange(rig.request("GET", Self.path))
                #expect([200, 502].contains(answer.status))
                #expect(answer["Set-Cookie"] == nil && answer["folded"] == nil)
                #expect(!client.received.contains(0))
                #expect(try await client.exchange(rig.request("GET", "/nowhere")).status == 404)
                client.close()
            }
        }
    }
}
