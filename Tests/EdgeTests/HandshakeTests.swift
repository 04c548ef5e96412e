// Between the socket and the first request of a TLS connection: what ends a handshake, and who is told.

import NIOCore
import NIOEmbedded
import NIOSSL
import NIOTLS
import TestSupport
import Testing

@testable import Edge

@Suite struct HandshakeTests {
    /// A handshake without TLS in front: events and bytes as TLS would give them.
    private final class Rig {
        let channel = EmbeddedChannel()
        let service = NotingService()
        // Proof of `unsafe`: everything happens on the test's thread.
        nonisolated(unsafe) var completed: [String] = []
        let handshake: HandshakeHandler

        init(guarded: Bool = false) throws {
            let service = service
            // Proof of `unsafe`: set here, and called by the channel's events alone, which the test's thread drives.
            nonisolated(unsafe) var note: (String) -> Void = { _ in }
            handshake = HandshakeHandler(timeout: .seconds(10)) {
                note($0 ?? "none")
            } failed: {
                service.failed($0, peer: "peer")
            }
            if guarded {
                try channel.pipeline.syncOperations.addHandler(
                    PlainRequestGuard(service, peer: "peer", handshake: handshake))
            }
            try channel.pipeline.syncOperations.addHandler(handshake)
            note = { [unowned self] in completed.append($0) }
            channel.connect(to: try SocketAddress(ipAddress: "127.0.0.1", port: 1), promise: nil)
        }

        func event(_ event: any Sendable) { channel.pipeline.fireUserInboundEventTriggered(event) }
    }

    @Test("a handshake that is not complete in time is over, and told once")
    func timeout() throws {
        let rig = try Rig()
        rig.channel.embeddedEventLoop.advanceTime(by: .seconds(9))
        #expect(rig.channel.isActive)
        rig.channel.embeddedEventLoop.advanceTime(by: .seconds(1))
        #expect(!rig.channel.isActive)
        #expect(rig.service.notes == ["peer failed: handshakeTimedOut"])
    }

    @Test("a complete one gives way, and its clock stops", arguments: [nil, "http/1.1"])
    func complete(negotiated: String?) throws {
        let rig = try Rig()
        rig.event(TLSUserEvent.handshakeCompleted(negotiatedProtocol: negotiated))
        #expect(rig.completed == [negotiated ?? "none"])
        rig.channel.embeddedEventLoop.advanceTime(by: .seconds(60))
        #expect(rig.channel.isActive && rig.service.notes.isEmpty)
        #expect((try? rig.channel.pipeline.syncOperations.handler(type: HandshakeHandler.self)) == nil)
    }

    @Test("the end of the process ends it")
    func drain() throws {
        let rig = try Rig()
        rig.event(DrainEvent.finish)
        #expect(!rig.channel.isActive && rig.service.notes.isEmpty)
    }

    @Test("a failure is told, a peer that has left is not")
    func failures() throws {
        let left = try Rig()
        left.channel.pipeline.fireErrorCaught(NIOSSLError.handshakeFailed(.sslError([.eofDuringHandshake])))
        #expect(!left.channel.isActive && left.service.notes.isEmpty)
        let broken = try Rig()
        broken.channel.pipeline.fireErrorCaught(NIOSSLError.noCertificateToValidate)
        #expect(!broken.channel.isActive && broken.service.notes == ["peer failed: handshakeFailed(\"NIOSSLError\")"])
    }

    @Test("a plain request is answered, what follows it is dropped, and the connection ends in two seconds")
    func plain() throws {
        let rig = try Rig(guarded: true)
        try rig.channel.writeInbound(ByteBuffer(string: "GET / HTTP/1.1\r\nHost: h\r\n"))
        var sent = ""
        while let bytes = try rig.channel.readOutbound(as: ByteBuffer.self) { sent += String(buffer: bytes) }
        #expect(sent.hasPrefix("HTTP/1.1 400 ") && sent.hasSuffix("refused"))
        #expect(rig.service.notes.count == 1 && rig.service.notes[0].contains("speaks TLS"))
        _ = try? rig.channel.writeInbound(ByteBuffer(string: "\r\nGET /2 HTTP/1.1\r\n\r\n"))
        rig.channel.embeddedEventLoop.advanceTime(by: .seconds(3))
        #expect(!rig.channel.isActive)
        #expect(rig.service.notes.count == 1)
    }

    @Test("the first bytes tell TLS from a request")
    func firstBytes() {
        #expect(FirstBytes.isTLS(ByteBuffer(bytes: [0x16, 0x03, 0x01])))
        #expect(!FirstBytes.isTLS(ByteBuffer(string: "GET ")) && !FirstBytes.isTLS(ByteBuffer()))
        #expect(FirstBytes.method(ByteBuffer(string: "GET / HTTP/1.1")) == "GET")
        #expect(FirstBytes.method(ByteBuffer(string: "VERSION-CONTROL /")) == "VERSION-CONTROL")
        #expect(FirstBytes.method(ByteBuffer(bytes: [0x16, 0x03])) == nil)
        #expect(FirstBytes.method(ByteBuffer(string: String(repeating: "A", count: 21))) == nil)
    }
}
