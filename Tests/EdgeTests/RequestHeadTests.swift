// What a request head must be before anybody decides anything by it.

import HTTPTypes
import NIOCore
import NIOHTTP1
import Testing

@testable import Edge

@Suite struct RequestHeadTests {
    private static let host = ("Host", "localhost")

    @Test("a plain head keeps its target and fields as they came")
    func plain() throws {
        let head = try head(.GET, "/a?$top=1&x=%20", [("hOsT", "LocalHost:80"), ("X-A", ""), ("x-a", "b")])
        #expect(head.target == "/a?$top=1&x=%20" && head.method == .get)
        #expect(head.fields.lines == ["hOsT: LocalHost:80", "X-A: ", "x-a: b"])
        #expect(head.authorityText == "LocalHost:80" && head.authority == Authority("localhost:80"))
        #expect(head.keepsAlive && !head.isAbsoluteForm && !head.expectsContinue && head.framing == .none)
    }

    @Test("absolute form gives the authority, and a target in origin form")
    func absolute() throws {
        for (uri, target) in [
            ("http://127.0.0.1:8080/a?b", "/a?b"), ("HTTP://127.0.0.1:8080", "/"), ("http://127.0.0.1:8080?q", "/?q"),
        ] {
            let head = try head(.GET, uri, [("Host", "other.example")])
            #expect(head.target == target && head.isAbsoluteForm && head.authorityText == "127.0.0.1:8080", "\(uri)")
        }
        let secure = try head(.GET, "https://x.example/a", [Self.host])
        #expect(secure.authority?.host == "x.example")
    }

    @Test(
        "methods, targets and hosts that cannot be served are 400",
        arguments: [
            decoded(.GET, "*"), decoded(.POST, "*"), decoded(.GET, "a/b"), decoded(.GET, ""),
            decoded(.GET, "http:///a"), decoded(.GET, "ftp://h/a"), decoded(.GET, "http://u@h/a"),
            decoded(.GET, "/", []), decoded(.GET, "/", [host, host]), decoded(.GET, "/", [("Host", "")]),
            decoded(.GET, "/", [("Host", "a b")]), decoded(.GET, "/", [("Host", "a,b")]),
            decoded(.GET, "/", version: .http1_0, [("Host", "a/b")]),
        ])
    func refused(decoded: HTTPRequestHead) {
        let failure = failure { () throws(WireFailure) in try RequestHead(decoded) }
        #expect(failure?.reason == .invalid, "\(decoded)")
    }

    @Test("what HTTP knows and this proxy does not serve has statuses of its own")
    func notServed() throws {
        func reason(_ method: HTTPMethod, _ version: HTTPVersion = .http1_1, _ uri: String = "/") -> WireFailure.Reason?
        {
            failure { () throws(WireFailure) in try RequestHead(decoded(method, uri, version: version)) }?.reason
        }
        #expect(reason(.CONNECT, .http1_1, "h:443") == .methodNotAllowed && reason(.TRACE) == .methodNotAllowed)
        for method: HTTPMethod in [.MSEARCH, .PROPFIND, .PURGE, .RAW(value: "FOO"), .RAW(value: "get")] {
            #expect(reason(method) == .methodNotImplemented, "\(method)")
        }
        for version in [HTTPVersion(major: 0, minor: 9), HTTPVersion(major: 3, minor: 0)] {
            #expect(reason(.GET, version) == .versionNotSupported)
        }
        let star = try head(.OPTIONS, "*")
        #expect(star.isAboutServer)
    }

    @Test("HTTP/1.0 needs no Host, closes unless asked, and expects nothing")
    func http10() throws {
        let bare = try RequestHead(decoded(.GET, "/", version: .http1_0, []))
        #expect(bare.authority == nil && bare.isHTTP10 && !bare.keepsAlive)
        let kept = try RequestHead(
            decoded(.GET, "/", version: .http1_0, [("Connection", "Keep-Alive"), ("Expect", "100-continue")]))
        #expect(kept.keepsAlive && !kept.expectsContinue)
    }

    @Test("Connection decides whether a connection is kept", arguments: ["close", "CLOSE", "a, close", "upgrade"])
    func closes(value: String) throws {
        #expect(try head(.GET, "/", [Self.host, ("Connection", value)]).keepsAlive == false)
    }

    @Test("the framing of a body is unambiguous or refused")
    func framing() throws {
        func framing(_ headers: [(String, String)], version: HTTPVersion = .http1_1) -> RequestFraming? {
            try? RequestHead(decoded(.POST, "/", version: version, [Self.host] + headers)).framing
        }
        #expect(framing([]) == RequestFraming.none)
        #expect(framing([("Content-Length", "0")]) == RequestFraming.none)
        #expect(framing([("Content-Length", "0012")]) == .length(12))
        #expect(framing([("Transfer-Encoding", "Chunked")]) == .chunked)
        for value in ["", "+1", "-1", "1 ", "1,1", "0x1", "1e3", "99999999999999999999"] {
            let given = framing([("Content-Length", value)])
            #expect(value == "1 " ? given == .length(1) : given == nil, "\(value)")
        }
        #expect(framing([("Content-Length", "1"), ("Content-Length", "1")]) == nil)
        #expect(framing([("Content-Length", "1"), ("Transfer-Encoding", "chunked")]) == nil)
        #expect(framing([("Transfer-Encoding", "chunked")], version: .http1_0) == nil)
        for value in ["gzip", "gzip, chunked", "chunked, chunked", "identity", "chunked;q=1", ""] {
            #expect(framing([("Transfer-Encoding", value)]) == nil, "\(value)")
        }
        #expect(framing([("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "chunked")]) == nil)
        #expect(RequestFraming.none.declaredLength == 0 && RequestFraming.chunked.declaredLength == nil)
    }

    @Test("header values with control characters are refused, any other is kept byte for byte")
    func values() throws {
        for value in ["a\u{0}b", "a\rb", "a\nb", "a\u{1}b"] {
            let failure = failure { () throws(WireFailure) in try head(.GET, "/", [Self.host, ("X-A", value)]) }
            #expect(failure?.reason == .invalid)
            #expect(failure?.message.contains("X-A") == true && failure?.message.contains(value) == false)
        }
        let good = try? head(.GET, "/", [Self.host, ("X-A", "tab\tund Grüße \t")])
        #expect(good?.fields.lines.last == "X-A: tab\tund Grüße")
        let lines: [[UInt8]] = [
            Array("GET / HTTP/1.1\r\nHost: h\r\nX-A: \t".utf8), [0x50, 0xFC], Array(" \r\nX-B:\r\nX-C:".utf8),
            [0xEF, 0xBF, 0xBD],
            Array("\r\n\r\n".utf8),
        ]
        let raw = try RequestHead(
            decoded(.GET, "/", [("Host", "h"), ("X-A", "P\u{FFFD}"), ("X-B", ""), ("X-C", "\u{FFFD}")]),
            bytes: ByteBuffer(bytes: lines.joined()))
        let values = raw.fields.map { field in field.withUnsafeBytesOfValue { Array($0) } }
        #expect(values == [[0x68], [0x50, 0xFC], [], [0xEF, 0xBF, 0xBD]])
    }

    @Test("a target of 8192 bytes is the longest")
    func length() throws {
        let longest = "/" + String(repeating: "a", count: 8_191)
        #expect(try head(.GET, longest).target == longest)
        #expect(failure { () throws(WireFailure) in try head(.GET, longest + "a") }?.reason == .targetTooLong)
    }
}
