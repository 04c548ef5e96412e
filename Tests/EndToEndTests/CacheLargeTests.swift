// Large answers, which their first tool reads along while they are kept: readers that leave, do not read, or are cut
// off; and the room that fetches take.

import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct CacheLargeTests {
    private static func large(_ number: Int, bytes: Int = 2_000_000) -> String {
        numberedBody(number, rows: report(String(repeating: "z", count: bytes)))
    }

    private static func chunk(_ text: some StringProtocol) -> String {
        String(text.utf8.count, radix: 16) + "\r\n" + text + "\r\n"
    }

    private static let chunkedHead =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"

    @Test("HEAD for what is too large takes nothing along: turns and connections stay free", arguments: [false, true])
    func headOfTooLarge(chunked: Bool) async throws {
        let flags = ["cache.max_entry_bytes=64KiB", "rate.max_in_flight=1", "upstream.max_connections=1"]
        try await withCache(flags) { number, _ in
            let body = Self.large(number)
            return .bytes(chunked ? Self.chunkedHead + Self.chunk(body) + "0\r\n\r\n" : json(body))
        } _: { rig, _ async throws in
            for _ in 0..<3 {
                let head = try await rig.call("HEAD", Path.reports, [("Prefer", "wait=10")])
                #expect(head.status == 200 && head.body.isEmpty)
            }
            let page = try await rig.get(Path.reports, [("Prefer", "wait=10")])
            #expect(page.status == 200 && page.body.count > 2_000_000)
        }
    }

    @Test("the first tool of a large page leaves in the middle: the others get it whole, and it is kept")
    func leaderOfLargeLeaves() async throws {
        let gate = Latch()
        let server = ScriptedOrigin { connection in
            _ = try connection.readRequest()
            let body = Self.large(1)
            try connection.send(Self.chunkedHead + Self.chunk(body.prefix(1_000_000)))
            gate.waitBlocking()
            try connection.send(Self.chunk(body.dropFirst(1_000_000)) + "0\r\n\r\n")
            connection.readUntilClosed()
        }
        try await withRig(origin: server, flags: ["cache.enabled=true"]) { rig async throws in
            let leader = try rig.connect()
            try await leader.send(rig.request("GET", Path.reports, [("x-correlation-id", "leader")]))
            #expect(try await leader.responseHead().status == 200)
            async let follower = rig.get(Path.reports)
            leader.reset()
            _ = try await rig.accessLog.line(with: " leader ", "caller-left")
            gate.open()
            let whole = try await follower
            #expect(whole.status == 200 && whole.number == 1 && whole.ending == .complete)
            let hit = try await rig.get(Path.reports)
            #expect(hit.cacheStatus.hasPrefix("clash-proxy; hit; ") && hit.body == whole.body)
            #expect(server.acceptCount == 1)
        }
    }

    @Test("a first tool that does not read a large page holds nobody up")
    func slowLeader() async throws {
        try await withCache { number, _ in
            .bytes(Self.chunkedHead + Self.chunk(Self.large(number, bytes: 12_000_000)) + "0\r\n\r\n")
        } _: { rig, origin async throws in
            let leader = try rig.connect()
            try await leader.send(rig.request("GET", Path.reports, [("x-correlation-id", "slow")]))
            try await eventually("upstream is asked") { origin.count == 1 }
            for _ in 0..<3 {
                let answer = try await rig.get(Path.reports)
                #expect(answer.number == 1 && answer.body.count > 12_000_000 && answer.ending == .complete)
            }
            let late = try await leader.response()
            #expect(late.number == 1 && late.ending == .complete)
            leader.close()
            #expect(origin.count == 1)
        }
    }

    @Test("a large page that breaks off is cut for the one who reads along, a 502 for the others, and not kept")
    func largeBreaksOff() async throws {
        let gate = Latch()
        try await withCache { number, _ in
            guard number == 1 else { return .bytes(numbered(number)) }
            gate.waitBlocking()
            return .last(Self.chunkedHead + Self.chunk(Self.large(1).prefix(1_500_000)))
        } _: { rig, origin async throws in
            let clients = try (0..<4).map { _ in try rig.connect() }
            defer { clients.forEach { $0.close() } }
            for client in clients { try await client.send(rig.request("GET", Path.reports)) }
            try await eventually("upstream is asked") { origin.count == 1 }
            for _ in 0..<20 { _ = try await rig.call("OPTIONS", "/nowhere") }
            gate.open()
            var cut = 0
            for client in clients {
                let answer = try await client.response()
                if answer.status == 200 {
                    #expect(answer.ending == .cut)
                    cut += 1
                } else {
                    answer.expectError(502, "UpstreamInvalidResponse", reason: "upstream-invalid-response")
                }
            }
            #expect(cut == 1)
            (try await rig.get(Path.reports)).expectForwarded("uri-miss; stored", number: 2)
        }
    }

    @Test("a delete in the middle of a large page keeps it out of the cache")
    func deleteInTheMiddle() async throws {
        let gate = Latch()
        let received = Received()
        let server = ScriptedOrigin { connection in
            while true {
                let request = try connection.readRequest()
                let number = received.add(request)
                guard request.requestLine.hasPrefix("GET ") else {
                    try connection.send(json("{}", status: "202 Accepted"))
                    continue
                }
                guard number == 1 else {
                    try connection.send(numbered(number))
                    continue
                }
                let body = Self.large(1)
                try connection.send(Self.chunkedHead + Self.chunk(body.prefix(1_000_000)))
                gate.waitBlocking()
                try connection.send(Self.chunk(body.dropFirst(1_000_000)) + "0\r\n\r\n")
            }
        }
        try await withRig(origin: server, flags: ["cache.enabled=true"]) { rig async throws in
            let leader = try rig.connect()
            try await leader.send(rig.request("GET", Path.reports, [("Connection", "close")]))
            #expect(try await leader.responseHead().status == 200)
            #expect(try await rig.call("POST", Path.deletion, body: job("a")).status == 202)
            #expect(try await rig.number(Path.reports) == 3, "not the answer that was under way")
            gate.open()
            #expect(try await leader.readToEnd().count > 2_000_000, "who asked before gets it whole")
            leader.close()
            #expect(try await rig.number(Path.reports) == 3)
            #expect(received.count == 3)
        }
    }

    // MARK: Room

    @Test("room that fetches have taken goes back, however they end")
    func room() async throws {
        let flags = ["cache.max_bytes=512KiB", "cache.max_entry_bytes=128KiB", "upstream.first_byte_timeout=2s"]
        try await withCache(flags) { number, _ in
            let body = String(repeating: " ", count: 50_000)
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            switch number % 4 {
            case 0: return .last(head + "Content-Length: 100000\r\n\r\n" + body)
            case 1: return .last(Self.chunkedHead + Self.chunk(body))
            case 2: return .last(head + "\r\n" + body)
            default: return .bytes(json(body, status: "404 Not Found"))
            }
        } _: { rig, origin async throws in
            for index in 0..<40 { _ = try await rig.get("\(Path.tests)?n=\(index)") }
            // Lists that were seen are remembered, which costs a little.
            let held = try await rig.metrics()["clash_proxy_cache_bytes"] ?? .max
            #expect(held < 16 << 10, "\(held)")
            origin.become { number, _ in .bytes(numbered(number)) }
            (try await rig.get(Path.tests)).expectForwarded("uri-miss; stored")
        }
    }
}
