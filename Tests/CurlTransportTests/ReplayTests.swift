// libcurl repeats requests on its own and takes stray bytes for answers. These are the two that can delete twice or
// hand one caller's answer to another.

import CurlTransport
import HTTPTypes
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8)))
struct ReplayTests {
    /// Answers the first request of the first connection; kills that connection when it has read the second.
    private func dyingServer() -> ScriptedOrigin {
        ScriptedOrigin { connection in
            try connection.readHead()
            try connection.send(ok)
            try connection.readHead()
            if connection.index == 0 { return connection.reset() }
            try connection.send(ok)
            connection.readUntilClosed()
        }
    }

    @Test("a DELETE is sent once when the connection dies")
    func deleteOnce() async throws {
        let server = self.dyingServer()
        try await withTransport { transport in
            _ = try await transport.execute(try get(server)).body.all()
            let failure = try await failure { _ = try await transport.execute(try delete(server)) }
            #expect(failure.reason == .repeatRefused || failure.reason == .broke)
            #expect(failure.sent)
            #expect(failure.headReceived == false)
        }
        #expect(server.receivedText.split(separator: "DELETE /thing").count == 2)
    }

    @Test("a DELETE is sent once when the server closes without an answer")
    func deleteOnceAfterClose() async throws {
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            try connection.send(ok)
            try connection.readHead()
        }
        try await withTransport { transport in
            _ = try await transport.execute(try get(server)).body.all()
            let failure = try await failure { _ = try await transport.execute(try delete(server)) }
            #expect(failure.reason == .repeatRefused)
            #expect(failure.sent)
            try await eventually("the refused second connection is idle or gone") {
                transport.statistics.liveTransfers == 0
            }
        }
        #expect(server.receivedText.split(separator: "DELETE /thing").count == 2)
    }

    @Test("a repeatable GET survives a dead connection")
    func getTwice() async throws {
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            try connection.send(ok)
            if connection.index == 0 {
                try connection.readHead()
                return
            }
            connection.readUntilClosed()
        }
        try await withTransport { transport in
            _ = try await transport.execute(try get(server)).body.all()
            let response = try await transport.execute(try get(server))
            #expect(try await response.body.text() == "ok")
        }
        #expect(server.acceptCount == 2)
    }

    @Test("a connection the server closed while idle is not used: the DELETE goes out once and succeeds")
    func closedWhileIdle() async throws {
        let closed = Latch()
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            try connection.send(ok)
            if connection.index == 0 {
                connection.closeWrite()
                closed.open()
            }
            connection.readUntilClosed()
        }
        try await withTransport { transport in
            _ = try await transport.execute(try get(server)).body.all()
            await closed.wait()
            let response = try await transport.execute(try delete(server))
            #expect(try await response.body.text() == "ok")
            try await eventually("the discarded connection is counted") {
                transport.statistics.connectionsDiscarded == 1 && transport.statistics.requestsSent == 2
            }
        }
        #expect(server.acceptCount == 2)
    }

    @Test("bytes that arrive late on an idle connection are nobody's answer")
    func lateBytes() async throws {
        let firstIsRead = Latch()
        let poisoned = Latch()
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            if connection.index == 0 {
                try connection.send(ok)
                firstIsRead.waitBlocking()
                try connection.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON")
                poisoned.open()
            } else {
                try connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nclean")
            }
            connection.readUntilClosed()
        }
        try await withTransport { transport in
            let body = try await transport.execute(try get(server)).body
            #expect(try await body.text() == "ok")
            firstIsRead.open()
            await poisoned.wait()
            let next = try await transport.execute(try get(server)).body
            #expect(try await next.text() == "clean")
        }
        #expect(server.acceptCount == 2)
    }

    @Test("bytes that come with an answer but beyond its end are nobody's answer")
    func excessBytes() async throws {
        let server = ScriptedOrigin { connection in
            while true {
                try connection.readHead()
                let more = connection.index == 0 ? "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON" : ""
                try connection.send(ok + more)
            }
        }
        try await withTransport { transport in
            for _ in 0..<3 {
                let body = try await transport.execute(try get(server)).body
                #expect(try await body.text() == "ok")
            }
        }
    }
}
