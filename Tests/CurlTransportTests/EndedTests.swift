// When an exchange needs its connection no more, and whether there can be a connection at all.

import CurlTransport
import HTTPTypes
import Synchronization
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8)))
struct EndedTests {
    /// Counts how often it was told.
    private final class Counter: Sendable {
        private let told = Atomic(0)
        var count: Int { told.load(ordering: .acquiring) }
        func tell() { told.add(1, ordering: .acquiringAndReleasing) }
    }

    private func watched(_ request: UpstreamRequest) -> (UpstreamRequest, Counter) {
        let counter = Counter()
        var request = request
        request.ended = { counter.tell() }
        return (request, counter)
    }

    private func answer(_ bytes: Int) -> ScriptedOrigin {
        ScriptedOrigin { connection in
            while true {
                try connection.readHead()
                try connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(bytes)\r\n\r\n")
                try connection.send([UInt8](repeating: 0x78, count: bytes))
            }
        }
    }

    @Test("an answer that was taken off has ended, although nobody has read it, and ends once")
    func unread() async throws {
        let server = answer(100_000)
        try await withTransport { transport in
            let (request, counter) = watched(try get(server))
            let response = try await transport.execute(request)
            try await eventually("it has ended") { counter.count == 1 }
            #expect(try await response.body.all().count == 100_000)
            response.body.cancel()
            #expect(try await transport.execute(try get(server)).body.all().count == 100_000)
            #expect(counter.count == 1)
        }
    }

    @Test("an answer that is larger than what is held ends when its reader has taken it, or leaves")
    func large() async throws {
        let server = answer(8_000_000)
        try await withTransport { transport in
            for leaves in [false, true] {
                let (request, counter) = watched(try get(server))
                let response = try await transport.execute(request)
                _ = try await response.body.next()
                #expect(counter.count == 0)
                if leaves { response.body.cancel() } else { _ = try await response.body.all() }
                try await eventually("it has ended") { counter.count == 1 }
            }
        }
    }

    @Test("an exchange that fails, is cancelled, or never begins has ended before its caller hears of that")
    func failures() async throws {
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            connection.readUntilClosed()
        }
        let nobody = UpstreamRequest(origin: try origin("http://127.77.0.1:9"), target: "/")
        var wrong = nobody
        wrong.target = "no slash"
        try await withTransport { transport in
            for request in [nobody, wrong] {
                let (request, counter) = watched(request)
                _ = try await failure { _ = try await transport.execute(request) }
                #expect(counter.count == 1)
            }
            let (hanging, counter) = watched(try get(server))
            let task = Task { try await transport.execute(hanging) }
            try await eventually("it was sent") { server.receivedText.hasSuffix("\r\n\r\n") }
            task.cancel()
            _ = try await failure(of: task)
            #expect(counter.count == 1)
            await transport.shutdown(grace: .zero)
            let (late, never) = watched(nobody)
            _ = try await failure { _ = try await transport.execute(late) }
            #expect(never.count == 1)
        }
    }

    @Test("with as many exchanges as connections, whoever starts when another has ended never waits for a connection")
    func neverQueues() async throws {
        let server = answer(10)
        try await withTransport(.init(maxConnections: 1)) { transport in
            for _ in 0..<200 {
                let (request, counter) = watched(try get(server))
                let response = try await transport.execute(request)
                while counter.count == 0 { await Task.yield() }
                #expect(transport.statistics.queuedTransfers == 0)
                _ = try await response.body.all()
            }
            #expect(server.acceptCount == 1)
        }
    }

    // MARK: Connecting only

    @Test("a look makes a connection of its own, sends nothing, and closes it")
    func look() async throws {
        let server = answer(10)
        try await withTransport { transport in
            _ = try await transport.execute(try get(server)).body.all()
            let received = server.receivedText
            for number in 2...3 {
                try await transport.connect(to: try origin(server.url))
                try await eventually("accepted") { server.acceptCount == number }
            }
            #expect(server.receivedText == received)
            try await eventually("closed") { transport.statistics.openSockets == 1 }
            _ = try await transport.execute(try get(server)).body.all()
            #expect(server.acceptCount == 3, "the idle one is still good")
        }
    }

    @Test("a look at a server that refuses, or that hangs, tells which")
    func noConnection() async throws {
        let silent = SilentOrigin()
        try await withTransport(.init(connectTimeout: .milliseconds(200))) { transport in
            let refused = try await failure { try await transport.connect(to: try origin("http://127.77.0.1:9")) }
            #expect(refused.reason == .unreachable && !refused.sent)
            let hung = try await failure { try await transport.connect(to: try origin(silent.url)) }
            #expect(hung.reason == .timeoutConnect && !hung.sent)
        }
    }
}
