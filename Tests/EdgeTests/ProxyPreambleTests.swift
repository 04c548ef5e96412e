// The PROXY protocol as bytes: what is read of a preamble, cut anywhere, and of what only resembles one.

import Ground
import NIOCore
import NIOEmbedded
import Synchronization
import TestSupport
import Testing

@testable import Edge

@Suite struct ProxyPreambleTests {
    private static let signature = Array("\r\n\r\n\0\r\nQUIT\n".utf8)
    private static let v6: [UInt8] = [0x20, 0x01, 0x0d, 0xb8] + Array(repeating: 0, count: 11)

    private static func block(_ command: UInt8, _ family: UInt8, _ content: [UInt8], length: Int? = nil) -> [UInt8] {
        let length = length ?? content.count
        return signature + [command, family, UInt8(length >> 8), UInt8(length & 0xff)] + content
    }

    private static let addresses4: [UInt8] = [203, 0, 113, 9, 192, 0, 2, 1, 0xDC, 0x04, 0x01, 0xBB]
    private static let addresses6: [UInt8] = v6 + [1] + v6 + [2] + [0, 1, 0, 2]
    private static let mapped: [UInt8] =
        Array(repeating: 0, count: 10) + [0xff, 0xff, 203, 0, 113, 9] + v6 + [2] + [0, 1, 0, 2]

    /// Whole preambles, and whom they name.
    private static let good: [([UInt8], String?)] = [
        (Array("PROXY TCP4 203.0.113.9 192.0.2.1 56324 443\r\n".utf8), "203.0.113.9"),
        (Array("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n".utf8), "255.255.255.255"),
        (Array("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n".utf8), "0.0.0.0"),
        (Array("PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n".utf8), "2001:db8::1"),
        (
            Array(
                "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"
                    .utf8), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
        ),
        (Array("PROXY TCP6 ::ffff:203.0.113.9 ::1 1 2\r\n".utf8), "203.0.113.9"),
        (Array("PROXY UNKNOWN\r\n".utf8), nil),
        (Array("PROXY UNKNOWN ffff:ffff::1 anything at all 65535\r\n".utf8), nil),
        (block(0x21, 0x11, addresses4), "203.0.113.9"), (block(0x21, 0x21, addresses6), "2001:db8::1"),
        (block(0x21, 0x21, mapped), "203.0.113.9"),
        // Whatever stands behind the addresses is skipped.
        (block(0x21, 0x11, addresses4 + [0x03, 0, 4, 1, 2, 3, 4]), "203.0.113.9"),
        (block(0x21, 0x11, addresses4 + [0xEA, 0xff, 0xff]), "203.0.113.9"),
        (block(0x21, 0x11, addresses4 + Array(repeating: 0x50, count: 4_096 - 28)), "203.0.113.9"),
        // LOCAL, whatever it says besides; unspecified; unix sockets.
        (block(0x20, 0x00, []), nil), (block(0x20, 0x11, addresses4), nil), (block(0x20, 0xff, [1, 2, 3]), nil),
        (block(0x21, 0x00, []), nil), (block(0x21, 0x00, [1, 2, 3]), nil),
        (block(0x21, 0x31, Array(repeating: 0x61, count: 216)), nil),
    ]

    @Test("a preamble is read whole, and every part of it is too little")
    func cuts() throws {
        for (bytes, name) in Self.good {
            let source = try name.map { try #require(IPAddress($0)) }
            for rest in ["", "GET / HTTP/1.1\r\n", "PROXY TCP4", "\r\n\r\n\0"] {
                let step = ProxyPreamble.read(bytes + rest.utf8)
                #expect(step == .complete(length: bytes.count, source: source), "\(name ?? "nobody") \(step)")
            }
            for count in 0..<bytes.count {
                #expect(ProxyPreamble.read(bytes.prefix(count)) == .more, "\(name ?? "nobody") at \(count)")
                // And of others it is known after at most twelve bytes what they begin.
                let isBegun = ProxyPreamble.isBegun(by: bytes.prefix(count))
                #expect(isBegun == (count >= (bytes[0] == 0x50 ? 6 : 12) ? true : nil))
            }
        }
    }

    @Test(
        "a broken line is broken",
        arguments: [
            "PROXY \r\n", "PROXY\r\n", "PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n", "PROXY TCP4\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
            "PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
            "PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n", "PROXY TCP4 1.2.3.4 x 1 2\r\n", "PROXY TCP4 ::1 ::1 1 2\r\n",
            "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n", "PROXY TCP6 [::1] [::1] 1 2\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4  2\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1 \r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", "PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n",
            "PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
            "PROXY unknown\r\n", "PROXY UNKNOWNX\r\n", "PROXY UNKNOWN\n", "proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
            "PROXX TCP4 1.2.3.4 1.2.3.4 1 2\r\n", " PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n", "\nPROXY UNKNOWN\r\n",
            "GET / HTTP/1.1\r\n", "POST / HTTP/1.1\r\n", "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}", "\0",
            "\r\nGET / HTTP/1.1\r\n",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ])
    func brokenLines(text: String) {
        guard case .broken = ProxyPreamble.read(Array(text.utf8)) else {
            Issue.record("\(ProxyPreamble.read(Array(text.utf8)))")
            return
        }
    }

    @Test("a broken block is broken, and what is too long is not waited for")
    func brokenBlocks() {
        let broken = [
            Self.block(0x11, 0x11, Self.addresses4), Self.block(0x22, 0x11, Self.addresses4),
            Self.block(0x2f, 0x11, Self.addresses4), Self.block(0x31, 0x11, Self.addresses4),
            Self.block(0x21, 0x12, Self.addresses4), Self.block(0x21, 0x22, Self.addresses6),
            Self.block(0x21, 0x32, Array(repeating: 1, count: 216)), Self.block(0x21, 0x41, Self.addresses4),
            Self.block(0x21, 0x01, Self.addresses4), Self.block(0x21, 0x10, Self.addresses4),
            Self.block(0x21, 0x11, Array(Self.addresses4.dropLast())), Self.block(0x21, 0x11, []),
            Self.block(0x21, 0x21, Self.addresses4), Self.block(0x21, 0x31, Array(repeating: 1, count: 215)),
        ]
        for bytes in broken { #expect(ProxyPreamble.read(bytes) == .broken(.malformed), "\(bytes)") }
        for length in [4_081, 65_535] {
            #expect(ProxyPreamble.read(Self.block(0x21, 0x11, [], length: length)) == .broken(.tooLong))
            #expect(ProxyPreamble.read(Self.block(0x20, 0x00, [], length: length)) == .broken(.tooLong))
        }
        let line = Array("PROXY UNKNOWN ".utf8) + Array(repeating: 0x78, count: 93)
        #expect(ProxyPreamble.read(line) == .broken(.tooLong))
        #expect(ProxyPreamble.read(line.dropLast()) == .more)
        #expect(ProxyPreamble.read(line.prefix(105) + [0x0D, 0x0A]) == .complete(length: 107, source: nil))
        #expect(ProxyPreamble.read(line.prefix(106) + [0x0D, 0x0A]) == .broken(.tooLong))
    }

    @Test("whatever comes, what is read of more bytes never contradicts what was read of fewer")
    func fuzz() {
        var generator = SeededGenerator(seed: 25)
        for round in 0..<4_000 {
            var bytes = Self.good[round % Self.good.count].0
            if bytes.count > 400 { bytes = Array(bytes.prefix(300)) }
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                let index = Int.random(in: 0..<bytes.count, using: &generator)
                bytes[index] = UInt8.random(in: .min ... .max, using: &generator)
            }
            var settled: ProxyPreamble.Step?
            for count in 0...bytes.count {
                let step = ProxyPreamble.read(bytes.prefix(count))
                if let settled { #expect(step == settled, "\(bytes) at \(count)") }
                if step != .more { settled = step }
                if case .complete(let length, _) = step { #expect(length <= count) }
            }
        }
    }
}

@Suite struct PreambleHandlerTests {
    private final class Told: Sendable {
        let problems = Mutex([String]())
        let sources = Mutex([IPAddress?]())
    }

    /// A connection of 10.1.2.3, which is trusted, or of somebody who is not.
    private struct PreambleRig {
        let channel = EmbeddedChannel()
        let told = Told()

        init(peer: String) throws {
            let told = told
            let rules = PreambleRules(proxies: [NetworkRange(bytes: [10, 0, 0, 0], prefixLength: 8)]) { problem, peer in
                told.problems.withLock { $0.append("\(peer): \(problem)") }
            }
            if rules.expect(from: peer) {
                try channel.pipeline.syncOperations.addHandler(
                    PreambleHandler(rules, peer: peer, timeout: .seconds(10)) { source in
                        told.sources.withLock { $0.append(source) }
                    })
            } else {
                try channel.pipeline.syncOperations.addHandler(PreambleGuard(rules, peer: peer))
            }
            channel.connect(to: try SocketAddress(ipAddress: "127.0.0.1", port: 1), promise: nil)
        }

        func read(_ text: String) { _ = try? channel.writeInbound(ByteBuffer(string: text)) }

        func passed() -> String {
            var text = ""
            while let buffer = try? channel.readInbound(as: ByteBuffer.self) { text += String(buffer: buffer) }
            return text
        }

        var isSettled: Bool {
            (try? channel.pipeline.syncOperations.handler(type: PreambleHandler.self)) == nil
                && (try? channel.pipeline.syncOperations.handler(type: PreambleGuard.self)) == nil
        }
    }

    private let line = "PROXY TCP4 203.0.113.9 192.0.2.1 1 2\r\n"

    @Test("a preamble of a trusted proxy is taken off, cut anywhere, and nothing else is")
    func trusted() throws {
        for cut in 0...line.utf8.count {
            let rig = try PreambleRig(peer: "10.1.2.3")
            rig.read(String(decoding: line.utf8.prefix(cut), as: UTF8.self))
            #expect(rig.passed().isEmpty && rig.isSettled == (cut == line.utf8.count))
            rig.read(String(decoding: line.utf8.dropFirst(cut), as: UTF8.self) + "GET /")
            #expect(rig.passed() == "GET /" && rig.isSettled)
            rig.read(" HTTP/1.1")
            #expect(rig.passed() == " HTTP/1.1")
            #expect(rig.told.sources.withLock { $0 } == [IPAddress("203.0.113.9")])
            #expect(rig.told.problems.withLock { $0 }.isEmpty)
            rig.channel.embeddedEventLoop.advanceTime(by: .seconds(11))
            #expect(rig.channel.isActive)
        }
    }

    @Test("one that names nobody leaves the connection its own address, and its word about others counts no more")
    func nobody() throws {
        let rig = try PreambleRig(peer: "10.1.2.3")
        rig.read("PROXY UNKNOWN\r\nGET /")
        #expect(rig.passed() == "GET /" && rig.isSettled)
        #expect(rig.told.sources.withLock { $0 } == [nil])
        let peer = Peer(address: "10.1.2.3")
        #expect(peer.maySpeakForOthers && peer.introduced(as: IPAddress("203.0.113.9")).maySpeakForOthers)
        #expect(peer.introduced(as: IPAddress("203.0.113.9")).address == "203.0.113.9")
        #expect(peer.introduced(as: nil).address == "10.1.2.3" && !peer.introduced(as: nil).maySpeakForOthers)
        #expect(!peer.introduced(as: nil).secured(nil).maySpeakForOthers)
    }

    @Test(
        "a broken or missing preamble of a trusted proxy ends the connection, and nothing of it passes",
        arguments: ["GET / HTTP/1.1\r\n\r\n", "PROXY TCP9\r\n", "\r\n\r\n\0\r\nQUIT\nX"])
    func broken(bytes: String) throws {
        let rig = try PreambleRig(peer: "10.1.2.3")
        rig.read(bytes)
        #expect(!rig.channel.isActive && rig.passed().isEmpty)
        #expect(rig.told.problems.withLock { $0 }.first?.hasPrefix("10.1.2.3: ") == true)
        rig.read("GET / HTTP/1.1\r\n\r\n")
        #expect(rig.passed().isEmpty && rig.told.problems.withLock { $0 }.count == 1)
        #expect(rig.told.sources.withLock { $0 }.isEmpty)
    }

    @Test("a preamble that does not come is not waited for", arguments: ["", "PROXY TCP4", "\r\n\r\n"])
    func late(bytes: String) throws {
        let rig = try PreambleRig(peer: "10.1.2.3")
        rig.read(bytes)
        rig.channel.embeddedEventLoop.advanceTime(by: .seconds(9))
        #expect(rig.channel.isActive)
        rig.channel.embeddedEventLoop.advanceTime(by: .seconds(1))
        #expect(!rig.channel.isActive && rig.told.problems.withLock { $0 }.isEmpty)
    }

    @Test("who drains waits for no preamble")
    func drain() throws {
        for event in [DrainEvent.finish, .cutShort] {
            let rig = try PreambleRig(peer: "10.1.2.3")
            rig.channel.pipeline.fireUserInboundEventTriggered(event)
            #expect(!rig.channel.isActive)
        }
    }

    @Test("of others nothing is held back, but a preamble ends the connection", arguments: ["192.0.2.1", "unix"])
    func others(peer: String) throws {
        for text in ["GET / HTTP/1.1", "P", "POST /", "PROX", "PRI *", "\r\n\r\nGET /", "\u{16}\u{3}\u{1}"] {
            let rig = try PreambleRig(peer: peer)
            for character in text.unicodeScalars { rig.read(String(character)) }
            #expect(rig.passed() == text && rig.channel.isActive)
        }
        for preamble in [line, "\r\n\r\n\0\r\nQUIT\n\u{21}\u{11}\0\0"] {
            let whole = try PreambleRig(peer: peer)
            whole.read(preamble + "GET / HTTP/1.1\r\n\r\n")
            #expect(!whole.channel.isActive && whole.passed().isEmpty)
            let pieces = try PreambleRig(peer: peer)
            for character in preamble.unicodeScalars { pieces.read(String(character)) }
            #expect(!pieces.channel.isActive)
            #expect(pieces.told.problems.withLock { $0 }.first?.contains("not in listen.trusted_proxies") == true)
        }
    }
}
