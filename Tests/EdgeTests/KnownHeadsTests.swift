// The table of known heads: found by all bytes but the value of the correlation id, bounded, and nothing else.

import NIOCore
import TestSupport
import Testing

@testable import Edge

@Suite struct KnownHeadsTests {
    private static let head = "GET /a?b=1 HTTP/1.1\r\nHost: h\r\nX-Api-Key: k\r\n\r\n"

    private func scan(_ text: String) -> RawHead? { Array(text.utf8).withUnsafeBytes { RawHead.scan($0) } }

    @Test("a head ends at its empty line, whatever comes behind it")
    func length() {
        #expect(scan(Self.head)?.length == Self.head.utf8.count)
        #expect(scan(Self.head + "GET / HTTP/1.1\r\n\r\n")?.length == Self.head.utf8.count)
        #expect(scan(Self.head)?.id.isEmpty == true)
        let bytes = Array(Self.head.utf8)
        for count in bytes.indices {
            let raw = bytes.prefix(count).withUnsafeBytes { RawHead.scan($0) }
            #expect(raw == nil, "\(count) bytes are no whole head")
        }
    }

    @Test(
        "the value of one plain correlation id is cut out",
        arguments: [
            "x-correlation-id: a", "X-Correlation-ID:a-b_c.9",
            "x-CORRELATION-id: " + String(repeating: "z", count: 128),
        ])
    func id(line: String) throws {
        let text = "GET / HTTP/1.1\r\nHost: h\r\n\(line)\r\nA: b\r\n\r\n"
        let raw = try #require(scan(text))
        #expect(line.hasSuffix(String(decoding: Array(text.utf8)[raw.id], as: UTF8.self)) && !raw.id.isEmpty)
    }

    @Test(
        "what could be taken in more than one way is not known",
        arguments: [
            "x-correlation-id:", "x-correlation-id: ", "x-correlation-id:  a", "x-correlation-id:\ta",
            "x-correlation-id: a ",
            "x-correlation-id: a b", "x-correlation-id: ü", "x-correlation-id: a\r\nX-Correlation-Id: a",
            "x-correlation-id: " + String(repeating: "z", count: 129), "x-correlation-id: a\nB: c", "A: b\n",
        ])
    func ambiguous(line: String) {
        #expect(scan("GET / HTTP/1.1\r\nHost: h\r\n\(line)\r\n\r\n") == nil)
    }

    @Test("what is no read, or too long, is not looked at")
    func others() {
        #expect(scan("POST / HTTP/1.1\r\nHost: h\r\n\r\n") == nil)
        #expect(scan("\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n") == nil)
        #expect(scan("GET /\(String(repeating: "a", count: RawHead.maxBytes)) HTTP/1.1\r\n\r\n") == nil)
    }

    @Test("a head is found by all of its bytes, and no other by any change of one byte")
    func exact() {
        let heads = KnownHeads<Int>()
        let bytes = Array("GET /a HTTP/1.1\r\nHost: h\r\nx-correlation-id: abc\r\nAccept: x\r\n\r\n".utf8)
        heads.remember(7, for: bytes)
        #expect(heads.find(bytes) == 7)
        let id = bytes.withUnsafeBytes { RawHead.scan($0)?.id } ?? 0..<0
        for index in bytes.indices {
            for change in [0x01, 0x20, 0x80] as [UInt8] {
                var other = bytes
                other[index] ^= change
                let isID = id.contains(index) && OfferedID.isAcceptable(other[index])
                #expect(heads.find(other) == (isID ? 7 : nil), "byte \(index) changed by \(change)")
            }
        }
    }

    @Test("the id may be shorter or longer, in the same place of the same line only")
    func idsDiffer() {
        let heads = KnownHeads<Int>()
        func bytes(_ line: String, after: String = "Host: h\r\n") -> [UInt8] {
            Array("GET / HTTP/1.1\r\n\(after)\(line)A: b\r\n\r\n".utf8)
        }
        heads.remember(1, for: bytes("x-correlation-id: one\r\n"))
        heads.remember(2, for: bytes(""))
        #expect(heads.find(bytes("x-correlation-id: another\r\n")) == 1)
        #expect(heads.find(bytes("x-correlation-id: o\r\n")) == 1)
        #expect(heads.find(bytes("")) == 2)
        #expect(heads.find(bytes("X-correlation-id: one\r\n")) == nil, "the name is compared byte for byte")
        #expect(heads.find(bytes("x-correlation-id:one\r\n")) == nil)
        #expect(heads.find(bytes("x-correlation-id: one\r\n", after: "Host: h\r\nC: d\r\n")) == nil)
    }

    @Test("a head that begins another is another")
    func prefixes() {
        let heads = KnownHeads<Int>()
        let (short, long) = ("GET / HTTP/1.1\r\nA: b\r\n\r\n", "GET / HTTP/1.1\r\nA: b\r\nC: d\r\n\r\n")
        heads.remember(1, for: Array(short.utf8))
        #expect(heads.find(Array(long.utf8)) == nil)
        heads.remember(2, for: Array(long.utf8))
        #expect(heads.find(Array(short.utf8)) == 1 && heads.find(Array(long.utf8)) == 2)
    }

    @Test("the newest value counts, and what is held stays within both bounds")
    func bounds() {
        let heads = KnownHeads<Int>(maxEntries: 16, maxBytes: 2_000)
        func bytes(_ number: Int) -> [UInt8] { Array("GET /\(number) HTTP/1.1\r\nHost: h\r\n\r\n".utf8) }
        heads.remember(1, for: bytes(0))
        heads.remember(2, for: bytes(0))
        #expect(heads.find(bytes(0)) == 2 && heads.byteCount == bytes(0).count)
        for number in 1..<1_000 {
            heads.remember(number, for: bytes(number))
            #expect(heads.find(bytes(number)) == number)
            #expect(heads.byteCount <= min(2_000, 16 * bytes(999).count))
        }
        heads.remember(3, for: Array("GET /\(String(repeating: "a", count: 2_001)) HTTP/1.1\r\n\r\n".utf8))
        #expect(heads.byteCount <= 2_000)
    }

    @Test("the hash depends on the seed, on every byte and on where the pieces are cut")
    func hash() {
        func hash(_ pieces: [[UInt8]], seed: UInt64 = 1) -> UInt64 {
            var hash = WordHash(seed: seed)
            for piece in pieces { piece.withUnsafeBytes { hash.combine($0) } }
            return hash.value
        }
        let bytes = Array("GET / HTTP/1.1".utf8)
        #expect(hash([bytes]) != hash([bytes], seed: 2) && hash([bytes]) == hash([bytes]))
        #expect(hash([bytes, []]) != hash([[], bytes]) && hash([bytes + [0]]) != hash([bytes]))
        for index in bytes.indices {
            var other = bytes
            other[index] ^= 1
            #expect(hash([bytes]) != hash([other]))
        }
    }
}

extension KnownHeads {
    fileprivate func find(_ bytes: [UInt8]) -> Value? {
        bytes.withUnsafeBytes { bytes in RawHead.scan(bytes).flatMap { find(bytes, $0) } }
    }

    fileprivate func remember(_ value: Value, for bytes: [UInt8]) {
        bytes.withUnsafeBytes { bytes in
            if let raw = RawHead.scan(bytes) { remember(value, for: bytes, raw) }
        }
    }
}
