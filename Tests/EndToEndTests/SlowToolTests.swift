// Tools that take their answers slowly: who is left, when, and what is said of it.

import Proxy
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct SlowToolTests {
    private static let body = "\"\(String(repeating: "x", count: 24_000_000))\""
    /// One place, and hardly anything is small enough to be held.
    private static let flags = ["cache.enabled=true", "cache.max_entry_bytes=64KiB", "rate.max_in_flight=1"]

    /// Lets time pass a second at a time, so that the watch of a tool looks as it would.
    private func pass(_ seconds: Int, _ rig: Rig, while condition: () throws -> Bool = { true }) async throws {
        for _ in 0..<seconds where try condition() {
            rig.clock.advance(by: .seconds(1))
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    @Test(
        "a tool that stops reading what cannot be held is left when others have waited for its place for 30 s",
        arguments: [true, false])
    func stopped(cache: Bool) async throws {
        try await withLimits(Self.flags + ["cache.enabled=\(cache)"]) { rig, origin async throws in
            origin.become { _, request in request.requestLine.contains("large") ? json(Self.body) : json("{}") }
            let slow = try await rig.begin("GET", "\(Path.tests)?large", [("x-correlation-id", "slow-1")])
            #expect(try await slow.responseHead().status == 200)
            try await pass(300, rig)
            #expect(!rig.accessLog.text.contains("slow-1"), "nobody waits")
            let other = try await rig.begin("GET", "\(Path.tests)?small")
            try await rig.waitForQueue(1)
            try await pass(29, rig)
            #expect(try await rig.queued() == 1 && !rig.accessLog.text.contains("slow-1"))
            try await pass(60, rig) { !rig.accessLog.text.contains("slow-1") }
            #expect(try await other.answer().status == 200)
            let line = try await rig.accessLog.line(with: " slow-1 ")
            #expect(line.contains(" 200 upstream tool-too-slow "), "\(line)")
            _ = try await rig.applicationLog.line(with: "a limit refuses calls", "tool-too-slow", "slow-1")
            #expect(try await slow.readToEnd().count < Self.body.utf8.count)
        }
    }

    @Test("one that reads steadily is not, however long others wait")
    func steady() async throws {
        try await withLimits(Self.flags) { rig, origin async throws in
            origin.become { _, request in request.requestLine.contains("large") ? json(Self.body) : json("{}") }
            let slow = try await rig.begin("GET", "\(Path.tests)?large", [("x-correlation-id", "slow-2")])
            #expect(try await slow.responseHead().status == 200)
            let other = try await rig.begin("GET", "\(Path.tests)?small")
            try await rig.waitForQueue(1)
            for _ in 0..<12 {
                // What its kernel acknowledges at once, and more than 30 s worth of `min_rate`.
                _ = try await slow.readSome(atLeast: 200_000)
                try await pass(30, rig)
            }
            #expect(try await rig.queued() == 1 && !rig.accessLog.text.contains("slow-2"))
            slow.close()
            #expect(try await other.answer().status == 200)
            _ = try await rig.accessLog.line(with: " slow-2 ", " caller-left:sent ")
        }
    }

    @Test("a tool that reads slowly but steadily outlives idle_timeout, although the socket takes nothing for longer")
    func steadyBeyondIdle() async throws {
        let server = ScriptedOrigin { connection in
            _ = try connection.readRequest()
            try connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100000000\r\n\r\n")
            let piece = [UInt8](repeating: 0x7A, count: 1 << 20)
            while true { try connection.send(piece) }
        }
        try await withRig(origin: server, flags: ["listen.idle_timeout=1s"]) { rig in
            let client = try rig.connect()
            try await client.send(rig.request("GET", "/clashdetection/results/x", [("x-correlation-id", "idle-1")]))
            // 400 KB a second: what the socket holds is some megabytes, and it takes more when a third of it is gone.
            for _ in 0..<30 {
                #expect(try await client.readSome(atLeast: 40_000) > 0)
                try await Task.sleep(for: .milliseconds(100))
            }
            #expect(!rig.accessLog.text.contains("idle-1"))
            client.close()
            _ = try await rig.accessLog.line(with: " idle-1 ", " caller-left:sent ")
        }
    }
}
