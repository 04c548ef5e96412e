// Leaving early, in every phase: nothing stays behind, and what was sent under `untilSent` is finished.

import CurlTransport
import HTTPTypes
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8)))
struct CancellationTests {
    private func nothingIsLeft(_ transport: CurlTransport) async throws {
        try await eventually("no transfer and no socket is left") {
            let statistics = transport.statistics
            return statistics.liveTransfers == 0 && statistics.queuedTransfers == 0 && statistics.openSockets == 0
        }
    }

    /// Starts an exchange, waits until `reached`, cancels, expects the failure.
    private func cancelling(
        _ request: UpstreamRequest, in transport: CurlTransport, once reached: () throws -> Bool
    ) async throws -> TransferFailure {
        let task = Task { try await transport.execute(request).body.all() }
        try await eventually("the phase is reached", reached)
        task.cancel()
        return try await failure(of: task)
    }

    @Test("a task that is already cancelled sends nothing")
    func beforeStart() async throws {
        let server = ScriptedOrigin { _ in }
        try await withTransport { transport in
            let gate = Latch()
            for request in [try get(server), try delete(server)] {
                let task = Task {
                    await gate.wait()
                    return try await transport.execute(request).body.all()
                }
                task.cancel()
                gate.open()
                let failure = try await failure(of: task)
                #expect(failure.reason == .cancelled)
                #expect(failure.sent == false)
            }
            try await self.nothingIsLeft(transport)
        }
        #expect(server.acceptCount == 0)
    }

    @Test("while connecting: ended, not sent, under both rules")
    func whileConnecting() async throws {
        let silent = SilentOrigin()
        try await withTransport(.init(connectTimeout: .seconds(60))) { transport in
            for rule in [UpstreamRequest.Cancellation.always, .untilSent] {
                let request = UpstreamRequest(origin: try origin(silent.url), target: "/", cancellation: rule)
                let failure = try await self.cancelling(request, in: transport) {
                    transport.statistics.openSockets == 1
                }
                #expect(failure.reason == .cancelled)
                #expect(failure.sent == false)
                try await self.nothingIsLeft(transport)
            }
        }
    }

    @Test("while a name is looked up: ended at once")
    func whileResolving() async throws {
        try await withTransport(.init(connectTimeout: .seconds(60))) { transport in
            let request = UpstreamRequest(origin: try origin("http://nobody.invalid"), target: "/")
            let task = Task { try await transport.execute(request).body.all() }
            task.cancel()
            let failure = try await failure(of: task)
            // The look-up may have failed before.
            #expect(failure.reason == .cancelled || failure.reason == .nameNotResolved)
            try await self.nothingIsLeft(transport)
        }
    }

    @Test("while it waits for its turn: ended, not sent, and the next one gets the place")
    func whileQueued() async throws {
        let answer = Latch()
        let server = ScriptedOrigin { connection in
            while true {
                try connection.readHead()
                answer.waitBlocking()
                try connection.send(ok)
            }
        }
        try await withTransport(.init(maxConnections: 1)) { transport in
            let first = try get(server, "/first")
            let held = Task { try await transport.execute(first) }
            try await eventually("the place is taken") { transport.statistics.liveTransfers == 1 }
            let queued = try get(server, "/queued")
            let failure = try await self.cancelling(queued, in: transport) { transport.statistics.queuedTransfers == 1 }
            #expect(failure.reason == .cancelled)
            #expect(failure.sent == false)
            answer.open()
            _ = try await held.value.body.all()
            let next = try await transport.execute(try get(server, "/next")).body
            #expect(try await next.text() == "ok")
        }
        #expect(server.receivedText.contains("/queued") == false)
    }

    @Test("while the request body is sent")
    func whileSending() async throws {
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            Latch().waitBlocking(seconds: 20)
        }
        try await withTransport { transport in
            var request = try get(server)
            request.method = .put
            request.body = .bytes([UInt8](repeating: 0, count: 64 << 20))
            let failure = try await self.cancelling(request, in: transport) { !server.receivedText.isEmpty }
            #expect(failure.reason == .cancelled)
            #expect(failure.sent)
            try await self.nothingIsLeft(transport)
        }
    }

    @Test("while waiting for the head")
    func whileWaiting() async throws {
        let closed = Latch()
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            if connection.readUntilClosed() { closed.open() }
        }
        try await withTransport { transport in
            let failure = try await self.cancelling(try get(server), in: transport) {
                server.receivedText.hasSuffix("\r\n\r\n")
            }
            #expect(failure.reason == .cancelled)
            #expect(failure.sent)
            await closed.wait()
            try await self.nothingIsLeft(transport)
        }
    }

    @Test("while receiving: a waiting reader is told, the server sees the connection close")
    func whileReceiving() async throws {
        let closed = Latch()
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            try connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
            if connection.readUntilClosed() { closed.open() }
        }
        try await withTransport { transport in
            let reading = Latch()
            let request = try get(server)
            let task = Task {
                let body = try await transport.execute(request).body
                _ = try await body.next()
                reading.open()
                return try await body.all()
            }
            await reading.wait()
            task.cancel()
            let failure = try await failure(of: task)
            #expect(failure.reason == .cancelled)
            #expect(failure.headReceived)
            await closed.wait()
            try await self.nothingIsLeft(transport)
        }
    }

    @Test("while paused: leaving or dropping the body closes the connection", arguments: [true, false])
    func whilePaused(_ explicitly: Bool) async throws {
        let closed = Latch()
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            try connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
            defer { closed.open() }
            while true { try connection.send([UInt8](repeating: 1, count: 1 << 20)) }
        }
        try await withTransport { transport in
            var response: UpstreamResponse? = try await transport.execute(try get(server))
            try await eventually("the transfer is paused") { response != nil && transport.statistics.pauses > 0 }
            if explicitly {
                response?.body.cancel()
                let body = try #require(response?.body)
                let failure = try await failure { _ = try await body.all() }
                #expect(failure.reason == .cancelled)
            } else {
                response = nil
            }
            await closed.wait()
            try await self.nothingIsLeft(transport)
        }
    }

    @Test("a cancellation after the send is ignored under untilSent: the call is finished")
    func untilSent() async throws {
        let answer = Latch()
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            answer.waitBlocking()
            try connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
            try connection.send("ok")
            connection.readUntilClosed()
        }
        try await withTransport { transport in
            let request = try delete(server)
            let task = Task { try await transport.execute(request).body.all() }
            try await eventually("the request is out") { server.receivedText.hasSuffix("\r\n\r\n") }
            task.cancel()
            answer.open()
            #expect(try await task.value == Array("ok".utf8))
        }
    }

    @Test("a storm of cancellations at random moments leaves nothing behind")
    func storm() async throws {
        let server = ScriptedOrigin { connection in
            while true {
                try connection.readHead()
                try connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                try connection.send([UInt8](repeating: 1, count: 100_000))
            }
        }
        try await withTransport(.init(maxConnections: 8)) { transport in
            let request = try get(server)
            let tasks = (0..<300).map { index in
                Task {
                    if index % 3 == 0 { await Task.yield() }
                    return try await transport.execute(request).body.all().count
                }
            }
            for (index, task) in tasks.enumerated() where index % 2 == 0 {
                if index % 8 == 0 { try await Task.sleep(for: .microseconds(300)) }
                task.cancel()
            }
            for (index, task) in tasks.enumerated() {
                switch await task.result {
                case .success(let count): #expect(count == 100_000)
                case .failure(let error):
                    #expect((error as? TransferFailure)?.reason == .cancelled)
                    #expect(index % 2 == 0)
                }
            }
            try await eventually("nothing runs, idle connections aside") {
                let statistics = transport.statistics
                return statistics.liveTransfers == 0 && statistics.queuedTransfers == 0 && statistics.openSockets <= 8
            }
        }
    }
}
