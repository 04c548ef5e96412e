// Many exchanges at once, and the end of a transport.

import CurlTransport
import HTTPTypes
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8)))
struct ConcurrencyTests {
    private func echoServer() -> ScriptedOrigin {
        ScriptedOrigin { connection in
            while true {
                let target = try connection.readHead().split(separator: " ")[1]
                try connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(target.utf8.count)\r\n\r\n\(target)")
            }
        }
    }

    @Test("200 exchanges at once each get their own answer", arguments: [200, 16, 1])
    func twoHundred(_ connections: Int) async throws {
        let server = self.echoServer()
        try await withTransport(.init(maxConnections: connections)) { transport in
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for index in 0..<200 {
                    let request = try get(server, "/item/\(index)")
                    group.addTask { try await transport.execute(request).body.text() == request.target }
                }
                for try await isOwn in group { #expect(isOwn) }
            }
            #expect(server.acceptCount <= connections)
        }
    }

    @Test("shutdown without grace ends what runs, whatever its cancellation rule, and refuses what comes")
    func shutdownNow() async throws {
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            connection.readUntilClosed()
        }
        let transport = try CurlTransport(.init(maxConnections: 2))
        let requests = [try get(server), try delete(server), try get(server)]
        let tasks = requests.map { request in Task { try await transport.execute(request).status } }
        try await eventually("two run, one waits") {
            transport.statistics.requestsSent == 2 && transport.statistics.queuedTransfers == 1
        }
        await transport.shutdown(grace: .zero)
        for task in tasks {
            let failure = try await failure(of: task)
            #expect(failure.reason == .shutdown)
        }
        let late = try await failure { _ = try await transport.execute(try get(server)) }
        #expect(late.reason == .shutdown)
        #expect(late.sent == false)
        #expect(transport.statistics.openSockets == 0)
        #expect(transport.statistics.liveTransfers == 0)
    }

    @Test("shutdown lets running exchanges end within its grace, can be called by many, and again")
    func shutdownWithGrace() async throws {
        let answer = Latch()
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            answer.waitBlocking()
            try connection.send(ok)
            connection.readUntilClosed()
        }
        let transport = try CurlTransport(.init())
        let request = try get(server)
        let running = Task { try await transport.execute(request).body.text() }
        try await eventually("the request is out") { server.receivedText.hasSuffix("\r\n\r\n") }
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<3 { group.addTask { await transport.shutdown(grace: .seconds(20)) } }
            answer.open()
        }
        #expect(try await running.value == "ok")
        await transport.shutdown(grace: .seconds(20))
        #expect(transport.statistics.openSockets == 0)
    }

    @Test("a transport that is let go of ends its exchanges and its thread")
    func dropped() async throws {
        let closed = Latch()
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            try connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
            if connection.readUntilClosed() { closed.open() }
        }
        var transport: CurlTransport? = try CurlTransport(.init())
        let response = try await transport?.execute(try get(server))
        transport = nil
        await closed.wait()
        let body = try #require(response?.body)
        let failure = try await failure { _ = try await body.all() }
        #expect(failure.reason == .shutdown)
    }

    @Test("a CA file that cannot be read is told at once")
    func missingCAFile() throws {
        #expect(throws: CurlSetupFailure.self) {
            _ = try CurlTransport(.init(caFile: "/nowhere/ca.pem"))
        }
    }
}
