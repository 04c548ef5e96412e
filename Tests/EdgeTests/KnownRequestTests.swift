// A request whose head is known is treated as if it were not, only sooner.

import NIOCore
import NIOEmbedded
import TestSupport
import Testing

@testable import Edge

@Suite struct KnownRequestTests {
    private static let get = "GET /clashdetection/tests HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: k\r\n\r\n"

    @Test("the second of two equal heads is known, on any connection of the listener, whoever sends it")
    func second() throws {
        let (service, heads) = (NotingService(), KnownHeads<KnownRequest>())
        for peer in ["one", "two"] {
            let rig = try WireRig(service, peer: peer, heads: heads)
            rig.read(Self.get)
            rig.read(Self.get)
            #expect(String(decoding: rig.sent(), as: UTF8.self).split(separator: "HTTP/1.1 200 OK").count == 2)
        }
        #expect(service.known == 3 && service.notes.count == 4)
        #expect(service.notes.map { $0.prefix(4) } == ["one ", "one ", "two ", "two "], "each has its own peer")
    }

    @Test("the request right behind, in the same read, is the next one, known or not")
    func behind() throws {
        let (service, heads) = (NotingService(), KnownHeads<KnownRequest>())
        let rig = try WireRig(service, heads: heads)
        rig.read(Self.get)
        let post = "POST /clashdetection/tests HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"
        rig.read(Self.get + Self.get + post + Self.get + "BAD\r\n\r\n")
        #expect(service.notes.map { $0.split(separator: " ")[1] } == ["GET", "GET", "GET", "POST", "GET", "refused"])
        #expect(service.known == 3)
    }

    @Test("a body that looks like a known head is a body")
    func body() throws {
        let (service, heads) = (NotingService(), KnownHeads<KnownRequest>())
        let rig = try WireRig(service, heads: heads)
        rig.read(Self.get)
        rig.read("POST /clashdetection/tests HTTP/1.1\r\nHost: h\r\nContent-Length: \(Self.get.utf8.count)\r\n\r\n")
        rig.read(Self.get)
        #expect(service.notes.count == 2 && service.known == 0)
    }

    @Test("a head that names no host is answered by where its own connection was accepted")
    func withoutHost() throws {
        let (service, heads) = (NotingService(), KnownHeads<KnownRequest>())
        for port in [1, 2] {
            let local = try SocketAddress(ipAddress: "127.0.0.1", port: port)
            let rig = try WireRig(service, heads: heads, local: local)
            rig.read("GET /clashdetection/tests HTTP/1.0\r\nA: b\r\n\r\n")
        }
        #expect(service.known == 0)
        #expect(service.notes.enumerated().allSatisfy { $1.contains(" 127.0.0.1:\($0 + 1) ") })
    }

    @Test("each request has the correlation id that it brought, and none that another one brought")
    func ids() throws {
        let (service, heads) = (NotingService(), KnownHeads<KnownRequest>())
        let rig = try WireRig(service, heads: heads)
        for id in ["a", "b.2", "c d", "", "e\r\nx-correlation-id: f", "g"] {
            rig.read("GET /clashdetection/tests HTTP/1.1\r\nHost: h\r\nx-correlation-id: \(id)\r\n\r\n")
        }
        let ids = service.notes.map {
            $0.split(separator: " ").first { $0.hasPrefix("id=") }.map { String($0.dropFirst(3)) }
        }
        #expect(ids == ["a", "b.2", "none", "none", "none", "g"])
        #expect(service.notes.allSatisfy { !$0.contains("x-correlation-id") })
        #expect(service.known == 2)
    }

    /// Heads of all sorts, good ones most of them.
    private static let seeds = [
        get,
        "GET /clashdetection/tests?a=%20&b HTTP/1.1\r\nHost: localhost:8080\r\nAccept: */*\r\nx-correlation-id: abc\r\n\r\n",
        "HEAD /clashdetection/tests HTTP/1.1\r\nHost: h\r\nX-Correlation-ID:q.1\r\nUser-Agent: x\r\n\r\n",
        "GET http://h/clashdetection/tests HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
        "GET /clashdetection/tests HTTP/1.1\r\nHost: h\r\nA: b \t\r\nConnection: close\r\n\r\n",
        "GET /clashdetection/tests HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\nname: \u{FC}\r\n\r\n",
        "GET /x HTTP/1.2\r\nHost: h\r\n\r\n", "GET /x HTTP/1.0\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
        "GET /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
    ].map { Array($0.utf8) }

    private static let pieces = [
        "\r\n", "\n", "\r", " ", "\t", ":", "x-correlation-id: z\r\n", "X-CORRELATION-ID: \r\n", "Host: i\r\n",
        "\r\n\r\n",
        "Connection: close\r\n", "Content-Length: 1\r\n", "\u{0}", "ü", "GET ", "HTTP/1.1", "a", "9",
    ].map { Array($0.utf8) }

    private func mutated(_ bytes: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 0...2, using: &random) where !bytes.isEmpty {
            let index = Int.random(in: bytes.indices, using: &random)
            switch Int.random(in: 0..<5, using: &random) {
            case 0: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 1: bytes.remove(at: index)
            case 2: bytes.insert(contentsOf: Self.pieces.randomElement(using: &random) ?? [], at: index)
            case 3:
                // Where a line begins: another line.
                let starts = bytes.indices.filter { $0 > 0 && bytes[$0 - 1] == 0x0A }
                let place = starts.randomElement(using: &random) ?? index
                bytes.insert(contentsOf: Self.pieces.randomElement(using: &random) ?? [], at: place)
            default:
                let end = Int.random(in: index..<bytes.count, using: &random)
                bytes.removeSubrange(index..<min(end, index + 8))
            }
        }
        return bytes
    }

    @Test(
        "whatever arrives is treated alike by a listener that has seen it all and by one that has seen nothing",
        arguments: 1...8)
    func alike(seed: Int) throws {
        var random = SeededGenerator(seed: UInt64(seed))
        let warm = KnownHeads<KnownRequest>()
        let experienced = NotingService()
        for round in 0..<600 {
            let before = experienced.notes.count
            let novice = NotingService()
            let (new, old) = (try WireRig(novice, heads: KnownHeads()), try WireRig(experienced, heads: warm))
            var bytes: [UInt8] = []
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                bytes += mutated(Self.seeds.randomElement(using: &random) ?? [], &random)
            }
            while !bytes.isEmpty {
                let whole = Bool.random(using: &random)
                let count = whole ? bytes.count : Int.random(in: 1...bytes.count, using: &random)
                for rig in [old, new] { rig.read(Array(bytes.prefix(count))) }
                bytes.removeFirst(count)
            }
            #expect(Array(experienced.notes[before...]) == novice.notes, "round \(round)")
            #expect(old.sent() == new.sent() && old.channel.isActive == new.channel.isActive, "round \(round)")
            for rig in [old, new] { _ = try? rig.channel.finish(acceptAlreadyClosed: true) }
        }
        #expect(experienced.known > 100)
    }
}
