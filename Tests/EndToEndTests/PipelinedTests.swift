// Requests that come in one piece: each is answered once and in its place, whatever its neighbours are.

import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct PipelinedTests {
    private static let host = "Host: localhost\r\n\r\n"

    @Test("a request between one that is refused at once and one that is none is carried out and answered")
    func betweenRefusals() async throws {
        let received = Received()
        try await withRig(origin: origin(received, always: ok)) { rig in
            let client = try rig.connect()
            try await client.send(
                "GET /clashdetection/runs/a HTTP/1.1\r\n\(Self.host)GET /nope HTTP/1.1\r\n\(Self.host)"
                    + "DELETE /clashdetection/runs/b HTTP/1.1\r\n\(Self.host)BAD\r\n\r\n")
            var statuses: [Int] = []
            for method in ["GET", "GET", "DELETE", "GET"] {
                statuses.append(try await client.response(to: method).status)
            }
            #expect(statuses == [200, 404, 200, 400])
            #expect(received.all.map(\.requestLine).contains("DELETE /clashdetection/runs/b HTTP/1.1"))
            client.close()
        }
    }

    @Test("the lines of the log come in the order in which answers ended, also behind one that upstream had to give")
    func logOrder() async throws {
        try await withRig({ $0.flags = ["cache.enabled=true"] }) { rig in
            func request(_ target: String, _ number: Int) -> String {
                rig.request("GET", target, [("x-correlation-id", "order-\(number)")])
            }
            #expect(try await rig.get(rig.list).status == 200)
            let client = try rig.connect()
            let miss = request("\(rig.v2)/reports?$top=3", 0)
            try await client.send(miss + (1..<20).map { request(rig.list, $0) }.joined())
            for _ in 0..<20 { #expect(try await client.response().status == 200) }
            client.close()
            try await eventually("all lines") { rig.accessLog.lines.count >= 21 }
            let order = rig.accessLog.lines.compactMap { line in
                line.split(separator: " ").first { $0.hasPrefix("order-") }.flatMap { Int($0.dropFirst(6)) }
            }
            #expect(order == Array(0..<20))
        }
    }

    @Test("a malformed chunk behind a good request gets its 400 at once")
    func malformedChunkBehind() async throws {
        let received = Received()
        try await withRig(origin: origin(received, always: ok)) { rig in
            let client = try rig.connect()
            try await client.send(
                "GET /clashdetection/runs/a HTTP/1.1\r\n\(Self.host)"
                    + "POST /clashdetection/runs HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\(Self.host)ZZ\r\n")
            #expect(try await client.response(to: "GET").status == 200)
            try await client.response(to: "POST").expectError(400, "InvalidRequest", reason: "invalid-request")
            #expect(received.all.count == 1)
            client.close()
        }
    }
}
