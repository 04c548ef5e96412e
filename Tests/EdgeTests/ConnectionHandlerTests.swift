// The shell of `ConnectionState`, without a socket: what is written when, and who is told.

import HTTPTypes
import NIOCore
import NIOEmbedded
import Testing

@testable import Edge

@Suite struct ConnectionHandlerTests {
    private static let get = "GET /clashdetection/tests HTTP/1.1\r\nHost: localhost\r\n\r\n"
    private static let post = "POST /clashdetection/tests HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n"

    private func rig(holds: Bool = true) throws -> WireRig {
        let service = NotingService()
        service.holds = holds
        return try WireRig(service, heads: KnownHeads())
    }

    @Test("the next request begins when the one before it is finished, not when its answer is out")
    func inOrder() throws {
        let rig = try rig()
        rig.read(Self.get + Self.get)
        #expect(rig.service.held.count == 1)
        rig.service.held[0].respond(.ok, [:], body: [])
        #expect(rig.sentText().hasPrefix("HTTP/1.1 200") && rig.service.held.count == 1)
        rig.service.held[0].leave()
        #expect(rig.service.held.count == 2)
    }

    @Test("an answer that was not completed costs the connection")
    func unfinished() throws {
        let rig = try rig()
        rig.read(Self.get + Self.get)
        rig.service.held[0].begin(.ok, [:], .length(5))
        rig.service.held[0].leave()
        #expect(!rig.channel.isActive && rig.service.held.count == 1)
    }

    @Test("a request is handed over with the body that came in the same read")
    func smallBody() throws {
        let rig = try rig()
        rig.read(Self.post + "body")
        #expect(rig.service.held.first?.requestIsComplete == true)
    }

    @Test("a chunk that is malformed is told to the request it belongs to, and what comes behind is nobody's")
    func malformedBody() throws {
        let rig = try rig()
        rig.read(
            Self.get + "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n" + Self.get)
        rig.service.held[0].respond(.ok, [:], body: [])
        #expect(rig.service.held.count == 1)
        rig.service.held[0].leave()
        #expect(rig.service.held.count == 2 && rig.service.held[1].bodyFailure?.reason == .invalid)
        rig.service.held[1].respond(.badRequest, [:], body: [])
        rig.service.held[1].leave()
        #expect(rig.service.held.count == 2 && rig.sentText().contains("Connection: close"))
    }

    @Test("a head that is not complete in time is refused; one that has not begun is just closed")
    func slowHead() throws {
        let slow = try rig()
        slow.read("GET / HTTP/1.1\r\n")
        slow.pass(.seconds(9))
        #expect(slow.service.notes.isEmpty)
        slow.read("Host: h\r\n")
        slow.pass(.seconds(1))
        #expect(slow.service.notes.count == 1 && slow.sentText().hasSuffix("refused"))
        let silent = try rig()
        silent.pass(.seconds(10))
        #expect(!silent.channel.isActive && silent.service.notes.isEmpty)
    }

    @Test("a body that is slower than min_rate is given up, and its request can still be answered")
    func slowBody() throws {
        let rig = try rig()
        rig.read(Self.post)
        rig.connection.waits(for: .body)
        rig.pass(.seconds(9))
        #expect(rig.service.held[0].bodyFailure == nil)
        rig.pass(.seconds(1))
        #expect(rig.service.held[0].bodyFailure?.reason == .timeout)
        #expect(rig.service.held[0].bodyFailure?.message.contains("listen.min_rate") == true)
        rig.service.held[0].respond(.requestTimeout, [:], body: [])
        rig.service.held[0].leave()
        #expect(rig.sentText().contains(" 408 "))
    }

    @Test("between requests a connection is kept for idle_timeout")
    func idle() throws {
        let rig = try rig(holds: false)
        rig.read(Self.get)
        rig.pass(.seconds(74))
        #expect(rig.channel.isActive)
        rig.read(Self.get)
        rig.pass(.seconds(74))
        #expect(rig.channel.isActive)
        rig.pass(.seconds(1))
        #expect(!rig.channel.isActive)
    }

    @Test("a drain closes what waits, and ends a connection with the answer that is under way")
    func drain() throws {
        let idle = try rig(holds: false)
        idle.tell(.finish)
        #expect(!idle.channel.isActive)
        let busy = try rig()
        busy.read(Self.get + Self.get)
        busy.service.isDraining = true
        busy.tell(.finish)
        busy.service.held[0].respond(.ok, [:], body: [])
        busy.service.held[0].leave()
        #expect(busy.sentText().contains("Connection: close") && !busy.channel.isActive)
        #expect(busy.service.held.count == 1)
    }

    @Test("a drain that is cut short breaks off what runs and closes the rest")
    func cutShort() throws {
        let busy = try rig()
        busy.read(Self.post)
        busy.tell(.cutShort)
        #expect(busy.service.held[0].cut == .shuttingDown && busy.service.held[0].bodyFailure?.reason == .shuttingDown)
        let idle = try rig()
        idle.tell(.cutShort)
        #expect(!idle.channel.isActive)
    }

    @Test("a connection that is accepted while the listener closes is closed")
    func late() throws {
        let service = NotingService()
        service.isDraining = true
        #expect(try !WireRig(service, heads: KnownHeads()).channel.isActive)
    }

    @Test("a tool that leaves in mid-request is told to its flow once")
    func leaves() throws {
        let rig = try rig()
        rig.read(Self.get)
        rig.channel.close(promise: nil)
        #expect(rig.service.held[0].callerHasLeft && rig.service.held[0].callerLeftFirst)
        rig.service.held[0].leave()
        #expect(rig.sent().isEmpty)
    }
}
