// Limits on what a tool may send: bodies 413, targets 414, heads 431; nothing of it reaches upstream.

import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct LimitTests {
    private static let path = "/clashdetection/tests"

    @Test("a JSON body over the limit is a 413, announced or not, and is never sent", arguments: [true, false])
    func tooLarge(announced: Bool) async throws {
        let received = Received()
        try await withRig(origin: origin(received, always: ok), flags: ["listen.max_body_bytes=2000B"]) { rig in
            let body = "{\"a\":\"" + String(repeating: "x", count: 1_992) + "\"}"
            #expect(body.utf8.count == 2_000)
            #expect(try await rig.raw(post(rig, body, announced)).status == 200, "at the limit it goes")
            let client = try rig.connect()
            let answer = try await client.exchange(post(rig, body + " ", announced))
            answer.expectError(413, "RequestTooLarge", reason: "body-too-large")
            if answer["Connection"] == "close" {
                #expect(try await client.readToEnd().isEmpty)
            } else {
                #expect(try await client.exchange(rig.request("GET", Self.path)).status == 200)
            }
            client.close()
            #expect(received.all.filter { $0.requestLine.hasPrefix("POST") }.count == 1)
        }
    }

    @Test("an announced body over the limit is refused before it is read")
    func announcedOnly() async throws {
        try await withRig(origin: origin(always: ok), flags: ["listen.max_body_bytes=2000B"]) { rig in
            let client = try rig.connect()
            let head = "PUT \(Self.path)/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000000\r\n\r\n"
            let answer = try await client.exchange(head)
            answer.expectError(413, "RequestTooLarge", reason: "body-too-large")
            #expect(answer["Connection"] == "close")
            client.close()
        }
    }

    @Test("a body without a length that grows over the limit is cut there, and nothing of it goes upstream")
    func chunkedTooLarge() async throws {
        let received = Received()
        try await withRig(origin: origin(received, always: ok), flags: ["listen.max_body_bytes=100KiB"]) { rig in
            let client = try rig.connect()
            try await client.send("POST \(Self.path) HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
            let chunk = "8000\r\n" + String(repeating: "x", count: 0x8000) + "\r\n"
            try await client.send(chunk + chunk + chunk + chunk + "0\r\n\r\n")
            let answer = try await client.response()
            answer.expectError(413, "RequestTooLarge", reason: "body-too-large")
            #expect(try await client.readToEnd().isEmpty)
            client.close()
            #expect(received.count == 0)
        }
    }

    @Test("a tool that sends all of a body that is too large before it reads still gets its 413")
    func sendsFirst() async throws {
        try await withRig(origin: origin(always: ok), flags: ["listen.max_body_bytes=2000B"]) { rig in
            let client = try rig.connect()
            let body = String(repeating: "x", count: 3 << 20)
            let answer = try await client.exchange(rig.request("POST", Self.path, body: body))
            answer.expectError(413, "RequestTooLarge", reason: "body-too-large")
            client.close()
        }
    }

    @Test("a target of 8192 bytes goes, one more is a 414")
    func target() async throws {
        let received = Received()
        try await withRig(origin: origin(received, always: ok)) { rig in
            let longest = "/clashdetection/tests?q=" + String(repeating: "x", count: 8_192 - 24)
            #expect(longest.utf8.count == 8_192)
            #expect(try await rig.get(longest).status == 200)
            #expect(received.all.first?.requestLine == "GET \(longest) HTTP/1.1")
            for count in [1, 40_000, 100_000] {
                let answer = try await rig.get(longest + String(repeating: "y", count: count))
                answer.expectError(414, "RequestTooLarge", reason: "target-too-long", "\(count) more")
            }
            #expect(received.count == 1)
        }
    }

    @Test("bytes that are no UTF-8 count once each in max_header_bytes")
    func bytesBeyondASCII() async throws {
        try await withRig(origin: origin(always: ok), flags: ["listen.max_header_bytes=16KiB"]) { rig in
            for (count, status) in [(15_000, 200), (17_000, 431)] {
                let client = try rig.connect()
                defer { client.close() }
                var bytes = Array("GET \(Self.path) HTTP/1.1\r\nHost: localhost\r\nX-Audit-Reason: ".utf8)
                bytes += [UInt8](repeating: 0x85, count: count)
                bytes += "\r\n\r\n".utf8
                try await client.send(bytes)
                #expect(try await client.response().status == status)
            }
        }
    }

    @Test(
        "headers over the limit are a 431 and the connection is closed",
        arguments: ["one long value", "many short headers", "a long name", "a long chunk trailer"])
    func headers(kind: String) async throws {
        try await withRig(origin: origin(always: ok), flags: ["listen.max_header_bytes=16KiB"]) { rig in
            var text = "GET \(Self.path) HTTP/1.1\r\nHost: localhost\r\n"
            switch kind {
            case "one long value": text += "X-A: \(String(repeating: "a", count: 40_000))\r\n\r\n"
            case "a long name": text += "\(String(repeating: "a", count: 40_000)): 1\r\n\r\n"
            case "many short headers": text += String(repeating: "X-A: 12345678\r\n", count: 5_000) + "\r\n"
            default:
                text =
                    "POST \(Self.path) HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"
                    + "0\r\nX-T: \(String(repeating: "a", count: 40_000))\r\n\r\n"
            }
            let client = try rig.connect()
            let answer = try await client.exchange(text)
            answer.expectError(431, "RequestTooLarge", reason: "headers-too-large", kind)
            #expect(try await client.readToEnd().isEmpty)
            client.close()
            #expect(try await rig.get(Self.path).status == 200)
        }
    }

    @Test(
        "the smallest limit holds for the sum of all lines and for one, over both versions", arguments: [1, 40])
    func smallLimit(lines: Int) async throws {
        let flags = ["listen.max_header_bytes=4KiB", "listen.h2c=true"]
        try await withRig(origin: origin(always: ok), flags: flags) { rig in
            func fields(_ bytes: Int) -> [(String, String)] {
                (0..<lines).map { ("x-\($0 % 10)", String(repeating: "a", count: bytes / lines - 8)) }
            }
            #expect(try await rig.get(Self.path, fields(3_800)).status == 200)
            let answer = try await rig.get(Self.path, fields(4_400))
            answer.expectError(431, "RequestTooLarge", reason: "headers-too-large")
            let client = try await rig.connect2()
            #expect(try await client.get(Self.path, fields(3_800)).status == 200)
            #expect(try await client.get(Self.path, fields(4_400)).status == 431)
        }
    }

    @Test("headers of ordinary size pass under the smallest limit")
    func ordinary() async throws {
        try await withRig(origin: origin(always: ok), flags: ["listen.max_header_bytes=4KiB"]) { rig in
            let answer = try await rig.get(Self.path, [("Cookie", String(repeating: "c", count: 3_500))])
            #expect(answer.status == 200)
        }
    }

    @Test("a head that does not arrive in time gets 400 and the connection is closed")
    func slowHead() async throws {
        try await withRig(origin: origin(always: ok), flags: ["listen.header_timeout=200ms"]) { rig in
            let client = try rig.connect()
            let answer = try await client.exchange("GET \(Self.path) HTTP/1.1\r\nHost: loc")
            answer.expectError(400, "InvalidRequest", reason: "invalid-request")
            #expect(try await client.readToEnd().isEmpty)
            client.close()
        }
    }

    @Test("a connection without a request, or between two, is closed after idle_timeout", arguments: [true, false])
    func idle(afterOne: Bool) async throws {
        try await withRig(origin: origin(always: ok), flags: ["listen.idle_timeout=200ms"]) { rig in
            let client = try rig.connect()
            if afterOne { #expect(try await client.exchange(rig.request("GET", Self.path)).status == 200) }
            #expect(try await client.readToEnd().isEmpty)
            client.close()
        }
    }

    @Test("a body that stops arriving gets 408 after idle_timeout, and is never sent")
    func slowBody() async throws {
        let received = Received()
        try await withRig(origin: origin(received, always: ok), flags: ["listen.idle_timeout=200ms"]) { rig in
            let client = try rig.connect()
            let head = "POST \(Self.path) HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{\"a\":"
            let answer = try await client.exchange(head)
            answer.expectError(408, "RequestTimeout", reason: "request-timeout")
            #expect(try await client.readToEnd().isEmpty)
            client.close()
            #expect(received.count == 0)
        }
    }

    private func post(_ rig: Rig, _ body: String, _ announced: Bool) -> String {
        if announced { return rig.request("POST", Self.path, body: body) }
        let half = body.utf8.count / 2
        let chunks = [body.prefix(half), body.dropFirst(half)].map { part in
            String(part.utf8.count, radix: 16) + "\r\n\(part)\r\n"
        }
        return "POST \(Self.path) HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
            + chunks.joined() + "0\r\n\r\n"
    }
}
