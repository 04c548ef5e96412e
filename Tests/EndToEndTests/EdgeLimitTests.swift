// What a connection may cost before and beside its requests: silence, chunk extensions, bodies that nobody may send.

import Proxy
import Simulator
import TestSupport
import Testing

@testable import Configuration

@Suite(.timeLimit(.minutes(8))) struct EdgeLimitTests {
    private static let path = "/clashdetection/tests"
    private static let chunked = "POST \(path) HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"

    @Test(
        "a connection that never sends a byte is closed after header_timeout, or after a shorter idle_timeout",
        arguments: [
            ["listen.header_timeout=200ms"], ["listen.header_timeout=60s", "listen.idle_timeout=200ms"],
        ])
    func silent(flags: [String]) async throws {
        try await withRig(origin: origin(always: ok), flags: flags) { rig async throws in
            let client = try rig.connect()
            #expect(try await client.readToEnd().isEmpty)
            client.close()
        }
    }

    @Test("an idle_timeout below header_timeout is kept between requests and in mid-body")
    func shortIdle() async throws {
        try await withRig(
            origin: origin(always: ok), flags: ["listen.header_timeout=60s", "listen.idle_timeout=200ms"]
        ) { rig async throws in
            let between = try rig.connect()
            #expect(try await between.exchange(rig.request("GET", Self.path)).status == 200)
            #expect(try await between.readToEnd().isEmpty)
            between.close()
            let inBody = try await rig.raw(
                "POST \(Self.path) HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")
            inBody.expectError(408, "RequestTimeout", reason: "request-timeout")
        }
    }

    @Test("blanks of either kind around framing fields are legal")
    func tabs() async throws {
        let received = Received()
        try await withRig(origin: origin(received, always: ok)) { rig async throws in
            let client = try rig.connect()
            let start = "POST \(Self.path) HTTP/1.1\r\nHost: localhost\t\r\n"
            for framing in [
                "Content-Length: 0\t\r\n\r\n", "Content-Length:\t2 \t \r\n\r\n{}", "Content-Length: 2\t\t\r\n\r\n{}",
                "Transfer-Encoding: chunked\t\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
                "Transfer-Encoding:\tchunked \r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            ] {
                #expect(try await client.exchange(start + framing).status == 200, "\(framing)")
            }
            client.close()
            #expect(received.all.map(\.text) == ["", "{}", "{}", "{}", "{}"])
        }
    }

    @Test("chunk extensions of 16 KiB in one body pass and are dropped, more are 400", arguments: [true, false])
    func extensions(inOneChunk: Bool) async throws {
        let received = Received()
        try await withRig(origin: origin(received, always: ok)) { rig async throws in
            func body(_ bytes: Int) -> String {
                let count = inOneChunk ? 1 : 64
                let chunks = (0..<count).map { index in
                    let text = index == 0 ? "{" : " "
                    return "1;\(String(repeating: "x", count: bytes / count - 1))\r\n\(text)\r\n"
                }
                return chunks.joined() + "1\r\n}\r\n0\r\nX-T: 1\r\n\r\n"
            }
            let client = try rig.connect()
            for _ in 0..<2 { #expect(try await client.exchange(Self.chunked + "\r\n" + body(16 << 10)).status == 200) }
            let refused = try await client.exchange(Self.chunked + "\r\n" + body((16 << 10) + 64))
            refused.expectError(400, "InvalidRequest", reason: "invalid-request")
            #expect(refused["Connection"] == "close" && received.count == 2)
            client.close()
        }
    }

    @Test("extensions and blank fields without end are refused while they come")
    func endless() async throws {
        try await withRig(origin: origin(always: ok)) { rig async throws in
            let endless = [
                (400, Self.chunked + "\r\n1;" + String(repeating: "x", count: 20_000)),
                (400, Self.chunked + "\r\n" + String(repeating: "0", count: 20_000)),
                (431, Self.chunked + "\r\n0\r\nX: " + String(repeating: " ", count: 60_000)),
                (431, "GET \(Self.path) HTTP/1.1\r\nX: " + String(repeating: " ", count: 60_000)),
                (414, "GET /" + String(repeating: "x", count: 60_000)),
            ]
            for (status, bytes) in endless { #expect(try await rig.raw(bytes).status == status, "\(bytes.prefix(80))") }
        }
    }

    @Test("chunked bodies and pipelined requests in pieces of any size are cut where they end", arguments: [1, 7, 64])
    func pieces(size: Int) async throws {
        let received = Received()
        try await withRig(origin: origin(received, always: ok)) { rig async throws in
            let one = Self.chunked + "\r\n00a;e=1\r\n{\"a\": 1234\r\n1\r\n}\r\n0\r\nT: x\r\n\r\n"
            let all = Array(
                (one + rig.request("GET", Self.path) + rig.request("PUT", "\(Self.path)/1", body: "{}") + "\r\n" + one)
                    .utf8)
            let client = try rig.connect()
            for start in stride(from: 0, to: all.count, by: size) {
                try await client.send(Array(all[start..<min(start + size, all.count)]))
            }
            for _ in 0..<4 { #expect(try await client.response().status == 200) }
            client.close()
            #expect(received.all.map(\.text) == ["{\"a\": 1234}", "", "{}", "{\"a\": 1234}"])
        }
    }

    @Test("an id that is no text is told as such", arguments: ["\\ud800", "\\udc00x", "\\ud800\\u0041"])
    func surrogate(id: String) async throws {
        try await withRig { rig async throws in
            let body = "{\"jobs\":[\"\(id)\"],\"operation\":\"delete\"}"
            let answer = try await rig.call("POST", "\(rig.v2)/reports/jobs/deletion", body: body)
            answer.expectError(400, "InvalidRequest", reason: "invalid-request")
            #expect(answer.text.contains("surrogate") && rig.simulator.counters.apiCalls == 0)
        }
    }

    @Test("who has none of the rights that a method could need is refused before the body, without 100 Continue")
    func beforeBody() async throws {
        let made = try KeyGenerator.make(name: "reader", allow: "read")
        let runner = try KeyGenerator.make(name: "runner", allow: "run")
        let deleter = try KeyGenerator.make(name: "deleter", allow: "delete")
        let received = Received()
        let server = origin(received, always: ok)
        try await withRig { options in
            options.origin = server
            options.file = made.table + runner.table + deleter.table
        } _: { rig async throws in
            func ask(_ key: CallerKey, _ line: String) async throws -> RawResponse {
                try await rig.raw(
                    "\(line) HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: \(key)\r\nx-correlation-id: early-1\r\n"
                        + "Content-Length: 40\r\nExpect: 100-continue\r\n\r\n", method: "POST")
            }
            let jobs = "/clash-detection/itwins/i/runs/jobs"
            for line in [
                "POST \(jobs)", "PUT \(Self.path)/1", "PATCH /clash-detection/x",
                "POST /clash-detection/itwins/i/reports/jobs/deletion", "DELETE \(Self.path)/1",
            ] {
                let answer = try await ask(made.key.withValue { $0 }, line)
                answer.expectError(403, "InsufficientPermissions", reason: "permission-denied", line)
                #expect(answer.interim.isEmpty && answer["Connection"] == "close", "\(line)")
            }
            let foreign = try await ask(runner.key.withValue { $0 }, "PUT \(Self.path)/1")
            foreign.expectError(403, "InsufficientPermissions", reason: "permission-denied")
            for (key, line) in [(runner, "POST \(jobs)"), (deleter, "POST \(jobs)"), (deleter, "PUT \(Self.path)/1")] {
                let client = try rig.connect()
                try await client.send(
                    "\(line) HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: \(key.key.withValue { $0 })\r\n"
                        + "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
                #expect(try await client.interimResponse() == "HTTP/1.1 100 Continue", "its body may make it allowed")
                client.close()
            }
            #expect(received.count == 0)
            #expect(
                try rig.records(of: "early-1").map(\.line.event) == ["denied", "denied", "denied"],
                "a run, and two deletes, by their path")
        }
        server.stop()
    }

    private typealias CallerKey = String
}
