// A header block and the request that it is, and an answer's lines as a block.

import HTTPTypes
import NIOCore
import NIOHPACK
import NIOHTTP1
import Testing

@testable import Edge

@Suite struct StreamHeadTests {
    private static let get: HPACKHeaders = [
        ":method": "GET", ":scheme": "http", ":authority": "localhost:8080", ":path": "/a?b=%2F",
    ]

    private static func decoded(_ block: HPACKHeaders, isWhole: Bool = true) throws -> HTTPRequestHead {
        try StreamHead(block, maxBytes: 1_000).asHTTP1(isWhole: isWhole)
    }

    @Test("a request is the one that HTTP/1.1 would have brought")
    func plain() throws {
        var block = Self.get
        block.add(name: "accept", value: "a/b")
        block.add(name: "te", value: "trailers")
        let head = try RequestHead(Self.decoded(block))
        #expect(head.method == .get && head.target == "/a?b=%2F" && head.authorityText == "localhost:8080")
        #expect(head.framing == .none && !head.isHTTP10 && !head.isAbsoluteForm)
        #expect(head.fields.lines == ["host: localhost:8080", "accept: a/b", "te: trailers"])
    }

    @Test("a body is framed by its length, or has none that is known")
    func framing() throws {
        var block = Self.get
        block.replaceOrAdd(name: ":method", value: "POST")
        #expect(try RequestHead(Self.decoded(block, isWhole: false)).framing == .chunked)
        #expect(try RequestHead(Self.decoded(block, isWhole: true)).framing == .none)
        block.add(name: "content-length", value: "7")
        #expect(try RequestHead(Self.decoded(block, isWhole: false)).framing == .length(7))
        #expect(throws: StreamHeadError.self) { try Self.decoded(block, isWhole: true) }
    }

    @Test("crumbs of a cookie are one field")
    func crumbs() throws {
        var block = Self.get
        for crumb in ["a=1", "b=2", "c=3"] { block.add(name: "cookie", value: crumb) }
        #expect(try Self.decoded(block).headers["cookie"] == ["a=1; b=2; c=3"])
    }

    @Test("Host stands in for :authority, and may repeat it")
    func host() throws {
        var block = Self.get
        block.add(name: "host", value: "LOCALHOST:8080")
        #expect(try Self.decoded(block).headers["host"] == ["localhost:8080"])
        block.remove(name: ":authority")
        #expect(try Self.decoded(block).headers["host"] == ["LOCALHOST:8080"])
    }

    @Test("fields are counted as HTTP/1.1 writes them")
    func size() throws {
        var block = Self.get
        block.add(name: "a", value: String(repeating: "x", count: 995))
        #expect(throws: Never.self) { try Self.decoded(block) }
        block.add(name: "b", value: "")
        #expect(throws: StreamHeadError.refused(.headersTooLarge)) { try Self.decoded(block) }
    }

    @Test("an answer's names are in small letters, its values as they are, and what is text in Latin-1 stays text")
    func answer() {
        var lines = ByteBuffer(string: "Content-Type: a/b\r\nX-Empty: \r\nX-U: Käfer\r\n")
        lines.writeBytes(Array("X-L: K".utf8) + [0xE4] + Array("fer\r\n".utf8))
        let block = AnswerBlock.make(.ok, lines: lines)
        #expect(
            block.map { "\($0.name)=\($0.value)" }
                == [":status=200", "content-type=a/b", "x-empty=", "x-u=Käfer", "x-l=Käfer"])
    }

    @Test(
        "the preface is told from HTTP/1.1 by the first byte that differs",
        arguments: [
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", true), ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nmore", true), ("PRI", nil),
            ("P", nil),
            ("POST", false), ("G", false), ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r", nil), ("PRI * HTTP/2.0\r\n\r\nXX", false),
        ] as [(String, Bool?)])
    func preface(bytes: String, isHTTP2: Bool?) {
        #expect(PrefaceHandler.speaksHTTP2(ByteBuffer(string: bytes)) == isHTTP2)
    }
}
