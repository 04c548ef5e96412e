// Large answers stream: in constant memory, no faster than the tool reads.

import Glibc
import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct LargeAnswerTests {
    @Test("a report of 40 MB arrives whole and byte for byte")
    func whole() async throws {
        try await withRig { options in
            options.simulator.bigReportClashes = 100_000
        } _: { rig in
            let target = "\(rig.v2)/reports/\(rig.simulator.bigReportID ?? "")"
            let client = try rig.connect()
            try await client.send(rig.request("GET", target, [("Connection", "close")]))
            let viaProxy = try await client.drainToEnd()
            client.close()
            let direct = try RawClient(port: rig.upstream.apiPort)
            let token = [("Authorization", "Bearer \(rig.simulator.issueToken())"), ("Connection", "close")]
            try await direct.send(rig.request("GET", target, token))
            let fromUpstream = try await direct.drainToEnd()
            direct.close()
            #expect(fromUpstream > 35 << 20)
            // Only heads and chunk framing differ.
            #expect(abs(viaProxy - fromUpstream) < 200_000)
            let line = try await rig.accessLog.line(with: "v2.reports.get")
            #expect(line.contains(" answered "))
        }
    }

    @Test("upstream is held back while the tool does not read")
    func backPressure() async throws {
        let total = 40 << 20
        let taken = Latch()
        let stuckAt = Received()
        let server = ScriptedOrigin { connection in
            _ = try connection.readRequest()
            try connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: \(total)\r\n\r\n")
            let piece = [UInt8](repeating: 0x79, count: 1 << 20)
            var sent = 0
            while sent < total {
                guard connection.waitForRoom(milliseconds: 400) else { break }
                sent += try connection.sendNow(piece[..<min(piece.count, total - sent)])
            }
            _ = stuckAt.add(ReceivedRequest(lines: ["\(sent)"], body: []))
            taken.open()
            while sent < total {
                if connection.waitForRoom(milliseconds: 20_000) {
                    sent += try connection.sendNow(piece[..<min(piece.count, total - sent)])
                }
            }
            connection.readUntilClosed()
        }
        try await withRig(origin: server) { rig in
            let client = try rig.connect()
            try await client.send(rig.request("GET", "/clashdetection/results/x", [("Connection", "close")]))
            try await eventually("upstream is stuck") { taken.isOpen }
            let sent = try #require(stuckAt.all.first.flatMap { Int($0.requestLine) })
            #expect(sent < 20 << 20, "buffers of four sockets and a bounded pipe, not the whole body: \(sent)")
            let count = try await client.drainToEnd()
            #expect(count > total && count < total + 2_000)
            client.close()
        }
    }

    @Test(
        "40 MB to a reader that is late leave the process's memory nearly where it was", .enabled(if: Program.isBuilt))
    func memory() async throws {
        var configuration = SimulatorConfiguration()
        configuration.bigReportClashes = 100_000
        let simulator = Simulator(configuration)
        let upstream = try await simulator.start()
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let program = try Program([
            "serve", "--set", "audit.path=\(folder.path)/audit",
            "--set", "listen.address=127.0.0.1:0", "--set", "admin.address=", "--set",
            "upstream.url=\(upstream.apiURL)", "--set", "token.token_url=\(upstream.tokenURL)", "--set",
            "token.client_id=demo", "--set", "token.client_secret=demo-secret",
            // Up to this size a body is held for the cache.
            "--set", "cache.max_entry_bytes=1MiB",
        ])
        let port = try await program.port()
        let target = "/clash-detection/itwins/\(simulator.iTwinIDs[0])/reports/\(simulator.bigReportID ?? "")"
        let request = "GET \(target) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        let client = try RawClient(port: port)
        #expect(try await client.exchange("GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n").status == 404)
        let before = program.peakMemory
        try await client.send(request)
        // A reader that is late: what is on its way must wait in sockets, not in the proxy.
        try await Task.sleep(for: .milliseconds(300))
        #expect(try await client.drainToEnd() > 35 << 20)
        client.close()
        let after = program.peakMemory
        #expect(before > 0 && after - before < 16 << 20, "\(before >> 10) KiB, then \(after >> 10) KiB")
        #expect(try await program.end() == 0)
        await simulator.stop()
    }
}
