// Field values are bytes: whatever a tool or upstream puts into one arrives on the other side.

import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct BeyondASCIITests {
    private static let path = "/clashdetection/results/x"
    /// One byte a character, UTF-8, a true U+FFFD, and what is neither.
    private static let values: [[UInt8]] = [
        [0x50, 0x72, 0xFC, 0x66, 0x75, 0x6E, 0x67], Array("Prüfung 検査".utf8), Array("a\u{FFFD}b".utf8),
        [0x80, 0x20, 0xFF, 0xC0, 0x09, 0xAF], [0xFF],
    ]

    @Test("values beyond ASCII pass upstream byte for byte, and make no difference to what comes after them")
    func upstream() async throws {
        let received = Received()
        let server = origin(received, always: ok)
        try await withRig(origin: server) { rig async throws in
            let client = try rig.connect()
            for value in Self.values {
                let head = "GET \(Self.path) HTTP/1.1\r\nHost: localhost\r\nX-A: plain\r\nX-Name: \t"
                // Two in one read, and then one in two.
                let request = Array(head.utf8) + value + Array(" \r\nX-B: after\r\n\r\n".utf8)
                try await client.send(request + request)
                for _ in 0..<2 { #expect(try await client.response().status == 200) }
                try await client.send(Array(request.prefix(head.utf8.count + 1)))
                try await client.send(Array(request.dropFirst(head.utf8.count + 1)))
                #expect(try await client.response().status == 200)
            }
            client.close()
            let seen = server.connections.flatMap(\.received)
            for value in Self.values {
                let line = Array("X-Name: ".utf8) + value + Array("\r\n".utf8)
                #expect(seen.occurrences(of: line) == 3, "\(value)")
            }
            #expect(received.all.allSatisfy { $0.values("X-A") == ["plain"] && $0.values("X-B") == ["after"] })
        }
    }

    @Test("heads that differ in such bytes alone are not taken for the same")
    func known() async throws {
        let received = Received()
        let server = origin(received) { number, _ in json("{\"reports\":[],\"number\":\(number)}") }
        try await withRig { options in
            options.origin = server
            options.flags = ["cache.enabled=true"]
        } _: { rig async throws in
            let client = try rig.connect()
            var texts: [String] = []
            for byte in [0xFC, 0xE4, 0xFC, 0xE4] as [UInt8] {
                let head = "GET /clash-detection/itwins/i/reports HTTP/1.1\r\nHost: localhost\r\nrepository-id: "
                try await client.send(Array(head.utf8) + [byte] + Array("\r\n\r\n".utf8))
                texts.append(try await client.response().text)
            }
            client.close()
            #expect(texts[0] == texts[2] && texts[1] == texts[3] && texts[0] != texts[1] && received.count == 2)
        }
        server.stop()
    }

    @Test("values beyond ASCII pass to the tool byte for byte, those that are rewritten included")
    func downstream() async throws {
        let server = ScriptedOrigin { connection in
            _ = try connection.readRequest()
            var answer = Array("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n".utf8)
            for value in Self.values { answer += Array("X-Name: ".utf8) + value + Array("\r\n".utf8) }
            answer += Array("ETag: \"".utf8) + [0xFC] + Array("\"\r\nLocation: /clashdetection/".utf8) + [0xE4]
            try connection.send(answer + Array("\r\n\r\n{}".utf8))
            connection.readUntilClosed()
        }
        try await withRig(origin: server) { rig async throws in
            let client = try rig.connect()
            #expect(try await client.exchange(rig.request("GET", "/clashdetection/tests")).status == 200)
            let got = client.received
            client.close()
            for value in Self.values {
                #expect(got.occurrences(of: Array("X-Name: ".utf8) + value + [0x0D, 0x0A]) == 1)
            }
            #expect(got.occurrences(of: Array("ETag: W/\"".utf8) + [0xFC] + Array("\"\r\n".utf8)) == 1)
            let location = Array("Location: http://\(rig.host)/clashdetection/".utf8) + [0xE4, 0x0D, 0x0A]
            #expect(got.occurrences(of: location) == 1)
        }
    }

    @Test("a reason is read as UTF-8, else as ISO 8859-1", arguments: [[0x50, 0xFC], Array("Pü".utf8)] as [[UInt8]])
    func reason(bytes: [UInt8]) async throws {
        try await withRig { rig async throws in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            let id = rig.simulator.legacyID(project: rig.iTwin, entity: report) ?? ""
            let client = try rig.connect()
            let head =
                "DELETE /clashdetection/runs/\(id) HTTP/1.1\r\nHost: localhost\r\nx-correlation-id: r-1\r\nX-Audit-Reason: "
            try await client.send(Array(head.utf8) + bytes + Array("\r\n\r\n".utf8))
            #expect(try await client.response(to: "DELETE").status == 204)
            client.close()
            #expect(try rig.records(of: "r-1").map(\.line.reason).allSatisfy { $0 == "Pü" })
        }
    }

    @Test("targets and names stay ASCII")
    func elsewhere() async throws {
        try await withRig(origin: origin(always: ok)) { rig async throws in
            for parts in [
                ("GET /clashdetection/", " HTTP/1.1\r\nHost: h\r\n\r\n"),
                ("GET / HTTP/1.1\r\nHost: h\r\nX", ": 1\r\n\r\n"), ("GET / HTTP/1.1\r\nHost: h", "\r\n\r\n"),
            ] {
                let client = try rig.connect()
                try await client.send(Array(parts.0.utf8) + [0xFC] + Array(parts.1.utf8))
                try await client.response().expectError(400, "InvalidRequest", reason: "invalid-request")
                client.close()
            }
        }
    }
}

extension [UInt8] {
    /// How often the bytes stand in it.
    fileprivate func occurrences(of other: [UInt8]) -> Int {
        guard count >= other.count else { return 0 }
        return (0...(count - other.count)).count {
            self[$0] == other[0] && self[$0..<($0 + other.count)].elementsEqual(other)
        }
    }
}
