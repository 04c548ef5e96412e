// Slow readers: the server is held up, nothing is lost, nobody spins.

import CurlTransport
import HTTPTypes
import Synchronization
import TestSupport
import Testing

final class Progress: Sendable {
    private let value = Atomic<Int>(0)
    var count: Int { self.value.load(ordering: .relaxed) }
    func advance(by amount: Int = 1) { self.value.add(amount, ordering: .relaxed) }
}

@Suite(.timeLimit(.minutes(8)))
struct BackPressureTests {
    private static let size = 32 << 20

    /// Sends 32 MiB; opens `blocked` when the socket has taken nothing for half a second.
    private func server(_ sent: Progress, _ blocked: Latch) -> ScriptedOrigin {
        ScriptedOrigin { connection in
            try connection.readHead()
            try connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(Self.size)\r\n\r\n")
            let block = [UInt8](repeating: 42, count: 256 << 10)
            var left = Self.size
            while left > 0 {
                let count = try connection.sendNow(block.prefix(left))
                left -= count
                sent.advance(by: count)
                if count == 0 && !connection.waitForRoom(milliseconds: 500) { blocked.open() }
            }
            blocked.open()
            connection.readUntilClosed()
        }
    }

    @Test("a reader that does not read holds the server up after a few megabytes, and then gets everything")
    func slowReader() async throws {
        let sent = Progress()
        let blocked = Latch()
        let server = self.server(sent, blocked)
        try await withTransport { transport in
            let response = try await transport.execute(try get(server))
            await blocked.wait()
            #expect(sent.count < Self.size / 2)
            var received = 0
            while let bytes = try await response.body.next() {
                received += bytes.count
                #expect(bytes.count <= 512 << 10)
            }
            #expect(received == Self.size)
            #expect(response.body.endIsProven)
        }
    }

    @Test("a transfer whose reader has stopped lets the thread sleep and does not run into the stall timeout")
    func idleWhilePaused() async throws {
        let sent = Progress()
        let blocked = Latch()
        let server = self.server(sent, blocked)
        try await withTransport { transport in
            var request = try get(server)
            request.stallTimeout = .milliseconds(300)
            let response = try await transport.execute(request)
            await blocked.wait()
            let before = transport.statistics.turns
            try await Task.sleep(for: .seconds(2))
            // The safety net wakes it once a second.
            #expect(transport.statistics.turns - before < 20)
            let other = ScriptedOrigin { connection in
                try connection.readHead()
                try connection.send(ok)
                connection.readUntilClosed()
            }
            let quick = try await transport.execute(try get(other)).body
            #expect(try await quick.text() == "ok")
            var received = 0
            while let bytes = try await response.body.next() { received += bytes.count }
            #expect(received == Self.size)
        }
    }

    @Test("no wake-up is lost between many small chunks and a reader that dawdles")
    func lostWakeup() async throws {
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            try connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for index in 0..<3000 {
                let chunk = [UInt8](repeating: UInt8(truncatingIfNeeded: index), count: 1 + index % 4099)
                try connection.send(Array("\(String(chunk.count, radix: 16))\r\n".utf8) + chunk + Array("\r\n".utf8))
            }
            try connection.send("0\r\n\r\n")
            connection.readUntilClosed()
        }
        let expected = (0..<3000).flatMap { [UInt8](repeating: UInt8(truncatingIfNeeded: $0), count: 1 + $0 % 4099) }
        try await withTransport { transport in
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for reader in 0..<4 {
                    let request = try get(server)
                    group.addTask {
                        let body = try await transport.execute(request).body
                        var bytes: [UInt8] = []
                        var round = 0
                        while let next = try await body.next() {
                            bytes += next
                            round += 1
                            if reader > 0 && round % reader == 0 { await Task.yield() }
                            if round % 16 == reader { try await Task.sleep(for: .microseconds(200)) }
                        }
                        return bytes == expected
                    }
                }
                for try await isEqual in group { #expect(isEqual) }
            }
        }
    }
}
