// The same for header compression (RFC 7541) and for requests (RFC 9113 section 8).

import TestSupport

// MARK: Header compression

extension FrameCase {
    /// The pseudo-header fields by the static table: GET, http, /, and a literal authority.
    private static let table: [UInt8] =
        [0x82, 0x86, 0x04] + RawFrame.text(Array("/nowhere".utf8)) + [0x01]
        + RawFrame.text(Array("localhost".utf8))

    private static func block(_ name: String, _ outcomes: String, _ bytes: [UInt8]) -> FrameCase {
        FrameCase(name, outcomes, frames: headers(bytes))
    }

    static let compression: [FrameCase] = [
        block("fields out of the static table", "404", table),
        block("an empty block", "reset 1", []),
        block("index 0", "goaway 9", table + [0x80]),
        block("an index behind both tables", "goaway 9", table + [0xBE]),
        block("an index of many bytes", "goaway 9", table + [0xFF, 0xFF, 0xFF, 0xFF, 0x0F]),
        block("an index that overflows", "goaway 9", table + [0xFF] + Array(repeating: 0xFF, count: 12)),
        block("a name behind both tables", "goaway 9", table + [0x7F, 0x40, 0x01, 0x61]),
        block("a name behind both tables, not indexed", "goaway 9", table + [0x0F, 0x40, 0x01, 0x61]),
        block("an index that is cut", "goaway 9", table + [0xFF, 0x80]),
        block("a name that is cut", "goaway 9", table + [0x00, 0x05, 0x61]),
        block("a value that is cut", "goaway 9", table + [0x00, 0x01, 0x61, 0x09, 0x61]),
        block("a literal without value", "goaway 9", table + [0x00, 0x01, 0x61]),
        block("a length that overflows", "goaway 9", table + [0x00, 0x7F] + Array(repeating: 0xFF, count: 12)),
        block("an empty name", "goaway 9 | reset 1", table + [0x00, 0x00, 0x01, 0x61]),
        block("an empty value", "404", table + [0x00, 0x01, 0x61, 0x00]),
        block("a literal that is never indexed", "404", table + [0x10, 0x01, 0x61, 0x01, 0x62]),
        block("a literal that is indexed, then its index", "404", table + [0x40, 0x01, 0x61, 0x01, 0x62, 0xBE]),
        block(
            "Huffman code", "403",
            Array(table.prefix(12)) + [
                0x01, 0x8C, 0xF1, 0xE3, 0xC2, 0xE5, 0xF2, 0x3A, 0x6B, 0xA0, 0xAB, 0x90, 0xF4, 0xFF,
            ]),
        block(
            "Huffman code with the end symbol", "goaway 9", table + [0x00, 0x01, 0x61, 0x84, 0xFF, 0xFF, 0xFF, 0xFF]),
        block("Huffman code with a byte of padding", "goaway 9", table + [0x00, 0x01, 0x61, 0x82, 0x1F, 0xFF]),
        block("Huffman code padded with zeros", "goaway 9", table + [0x00, 0x01, 0x61, 0x81, 0x18]),
        block("a table of the size that we allow", "404", [0x3F, 0xE1, 0x1F] + table),
        block("a table of one byte more", "goaway 9", [0x3F, 0xE2, 0x1F] + table),
        block("a table of no size", "404", [0x20] + table),
        block("a table resized twice", "404", [0x20, 0x3F, 0xE1, 0x1F] + table),
        block("a table resized three times", "goaway 9", [0x20, 0x20, 0x20] + table),
        block("a table resized behind a field", "goaway 9", table + [0x20]),
        FrameCase(
            "a field of an earlier request", "404", on: 3,
            frames: headers(table + [0x40, 0x01, 0x61, 0x01, 0x62]), headers(table + [0xBE], stream: 3)),
        FrameCase(
            "a field that was pushed out of the table", "goaway 9", on: 0,
            frames: headers([0x20] + table + [0x40, 0x01, 0x61, 0x01, 0x62]), headers(table + [0xBE], stream: 3)),
        FrameCase(
            "a field larger than the table", "404", on: 3,
            frames: headers(table + [0x40, 0x01, 0x61] + RawFrame.text(Array(repeating: 0x62, count: 4_096))),
            headers(table, stream: 3)),
        FrameCase(
            "a bomb: one large field by its index, a thousand times", "goaway 9 | 431", on: 1,
            frames: headers(
                table + [0x40, 0x01, 0x61] + RawFrame.text(Array(repeating: 0x62, count: 4_000))
                    + Array(repeating: 0xBE, count: 1_000))),
    ]
}

// MARK: Requests

extension FrameCase {
    static let fields: [FrameCase] = [
        .init("a capital letter in a name", "reset 1", head: with(("X-A", "1"))),
        .init("a blank in a name", "reset 1", head: with(("x a", "1"))),
        .init("a colon in a name", "reset 1", head: with(("a:b", "1"))),
        .init("NUL in a name", "reset 1", head: with(("a\0b", "1"))),
        .init("DEL in a name", "reset 1", head: with(("a\u{7F}", "1"))),
        .init("a name beyond ASCII", "reset 1", head: with(("ä", "1"))),
        .init("every mark that a token may have", "404", head: with(("!#$%&'*+-.^_`|~09az", "1"))),
        .init("NUL in a value", "reset 1", head: with(("a", "x\0y"))),
        .init("CR in a value", "reset 1", head: with(("a", "x\ry"))),
        .init("LF in a value", "reset 1", head: with(("a", "x\ny"))),
        .init("CR LF and a field in a value", "reset 1", head: with(("a", "x\r\nx-evil: 1"))),
        .init("a blank in front of a value", "reset 1", head: with(("a", " x"))),
        .init("a blank behind a value", "reset 1", head: with(("a", "x "))),
        .init("a tab in front of a value", "reset 1", head: with(("a", "\tx"))),
        .init("a blank alone", "reset 1", head: with(("a", " "))),
        .init("a tab in a value", "404", head: with(("a", "x\ty"))),
        .init("a control in a value", "400", head: with(("a", "x\u{1}y"))),
        .init("UTF-8 in a value", "404", head: with(("a", "Käfer"))),
        .init(
            "no UTF-8 in a value", "400",
            frames: headers(RawFrame.block(get) + [0] + RawFrame.text([0x61]) + RawFrame.text([0xE4, 0x62]))),
        .init("connection", "reset 1", head: with(("connection", "close"))),
        .init("keep-alive", "reset 1", head: with(("keep-alive", "5"))),
        .init("proxy-connection", "reset 1", head: with(("proxy-connection", "close"))),
        .init("transfer-encoding", "reset 1", head: with(("transfer-encoding", "chunked"))),
        .init("upgrade", "reset 1", head: with(("upgrade", "websocket"))),
        .init("te with gzip", "reset 1", head: with(("te", "gzip"))),
        .init("te with trailers and gzip", "reset 1", head: with(("te", "trailers, gzip"))),
        .init("te with trailers", "404", head: with(("te", "trailers"))),
        .init("a cookie in crumbs", "404", head: with(("cookie", "a=1"), ("cookie", "b=2"))),
        .init(
            "fields over 32 KiB", "431", frames: headers(RawFrame.block(get), flags: 1),
            continuation(RawFrame.block([("a", String(repeating: "x", count: 16_000))]), flags: 0),
            continuation(RawFrame.block([("b", String(repeating: "x", count: 16_000))]), flags: 0),
            continuation(RawFrame.block([("c", String(repeating: "x", count: 2_000))]))),
        .init(
            "fields of 20 KiB in the first flight", "404", frames: headers(RawFrame.block(get), flags: 1),
            continuation(RawFrame.block([("a", String(repeating: "x", count: 16_000))]), flags: 0),
            continuation(RawFrame.block([("b", String(repeating: "x", count: 4_000))]))),
        .init(
            "fields of 300 KiB", "goaway 1 | goaway 9", on: 0,
            headers(RawFrame.block(get), flags: 1).bytes()
                + (0..<20).flatMap { _ in
                    continuation(RawFrame.block([("a", String(repeating: "x", count: 16_000))]), flags: 0).bytes()
                } + continuation([]).bytes()),
    ]

    static let pseudoFields: [FrameCase] = [
        .init("no :method", "reset 1", head: changed(":method", nil)),
        .init("no :scheme", "reset 1", head: changed(":scheme", nil)),
        .init("no :path", "reset 1", head: changed(":path", nil)),
        .init("no :authority and no host", "400", head: changed(":authority", nil)),
        .init("host in the place of :authority", "404", head: changed(":authority", nil) + [("host", "localhost")]),
        .init(":method twice", "reset 1", head: [(":method", "GET")] + get),
        .init(":scheme twice", "reset 1", head: [(":scheme", "http")] + get),
        .init(":path twice", "reset 1", head: [(":path", "/nowhere")] + get),
        .init(":authority twice", "reset 1", head: [(":authority", "localhost")] + get),
        .init("an unknown pseudo-header field", "reset 1", head: [(":foo", "1")] + get),
        .init(
            "a pseudo-header field with a capital letter", "reset 1", head: changed(":path", nil) + [(":Path", "/x")]),
        .init("a colon alone", "reset 1", head: [(":", "1")] + get),
        .init(":status in a request", "reset 1", head: [(":status", "200")] + get),
        .init(
            "a pseudo-header field behind others", "reset 1",
            head: changed(":path", nil) + [("a", "1"), (":path", "/nowhere")]),
        .init("an empty :method", "reset 1", head: changed(":method", "")),
        .init("a blank in :method", "400", head: changed(":method", "GE T")),
        .init("CR LF in :method", "reset 1", head: changed(":method", "GET /x HTTP/1.1\r\nA: b")),
        .init("a method in small letters", "501", head: changed(":method", "get")),
        .init("a method that is not served", "501", head: changed(":method", "BREW")),
        .init("TRACE", "405", head: changed(":method", "TRACE")),
        .init("HEAD", "404", head: changed(":method", "HEAD")),
        .init("CONNECT", "405", head: [(":method", "CONNECT"), (":authority", "localhost:443")]),
        .init("CONNECT with :path", "405", head: changed(":method", "CONNECT")),
        .init("extended CONNECT", "reset 1", head: changed(":method", "CONNECT") + [(":protocol", "websocket")]),
        .init("an empty :path", "reset 1", head: changed(":path", "")),
        .init("a :path without a slash", "reset 1", head: changed(":path", "nowhere")),
        .init("an absolute :path", "reset 1", head: changed(":path", "http://localhost/nowhere")),
        .init("a blank in :path", "400", head: changed(":path", "/no where")),
        .init("a blank behind :path", "reset 1", head: changed(":path", "/nowhere ")),
        .init("CR LF in :path", "reset 1", head: changed(":path", "/x HTTP/1.1\r\nHost: evil\r\n\r\n")),
        .init("a fragment in :path", "400", head: changed(":path", "/nowhere#x")),
        .init("a star for GET", "reset 1", head: changed(":path", "*")),
        .init("a star for OPTIONS", "204", head: HTTP2Client.head("OPTIONS", "*")),
        .init("a :path of 8 KiB and more", "414", head: changed(":path", "/" + String(repeating: "x", count: 8_192))),
        .init("a :path beyond ASCII", "400", head: changed(":path", "/käfer")),
        .init("an empty :scheme", "400", head: changed(":scheme", "")),
        .init("a strange :scheme", "400", head: changed(":scheme", "ftp")),
        .init("https behind somebody who took it off", "404", head: changed(":scheme", "https")),
        .init("an empty :authority", "400", head: changed(":authority", "")),
        .init("a user in :authority", "400", head: changed(":authority", "me@localhost")),
        .init("a strange port in :authority", "400", head: changed(":authority", "localhost:99999")),
        .init("a path in :authority", "400", head: changed(":authority", "localhost/x")),
        .init("another host in :authority", "403", head: changed(":authority", "evil.example")),
        .init("another X-Original-URL", "400", head: with(("x-original-url", "/admin"))),
        .init("host and :authority alike", "404", head: with(("host", "localhost"))),
        .init("host and :authority alike but for their letters", "404", head: with(("host", "LOCALHOST"))),
        .init("host and :authority that differ", "reset 1", head: with(("host", "127.0.0.1"))),
        .init("host twice", "reset 1", head: with(("host", "localhost"), ("host", "localhost"))),
    ]

    static let bodies: [FrameCase] = [
        .init("a length and no body", "reset 1", head: with(("content-length", "5"))),
        .init("no length and no body", "404", head: with(("content-length", "0"))),
        .init("a length that is none", "400", frames: open(post + [("content-length", "+2")]), data("{}", flags: 1)),
        .init("an empty length", "400", frames: open(post + [("content-length", "")]), data("{}", flags: 1)),
        .init(
            "two lengths", "400",
            frames: open(post + [("content-length", "2"), ("content-length", "2")]), data("{}", flags: 1)),
        .init(
            "a body shorter than its length", "400",
            frames: open(post + [("content-length", "3")]), data("{}", flags: 1)),
        .init(
            "a body longer than its length", "400",
            frames: open(post + [("content-length", "1")]), data("{}", flags: 1)),
        .init(
            "a body longer than its length, without an end", "400",
            frames: open(post + [("content-length", "1")]), data("{}")),
        .init(
            "a body whose trailers end it early", "400",
            frames: open(post + [("content-length", "3")]), data("{}"), headers(RawFrame.block([("a", "b")]))),
        .init("a HEAD with a body", "404", frames: open(changed(":method", "HEAD")), data("x", flags: 1)),
        .init(
            "trailers", "400", frames: open(post + [("content-length", "9")]), data("{}"),
            headers(RawFrame.block([("x-sum", "1")]))),
        .init(
            "trailers that do not end the stream", "reset 1 | goaway 1",
            frames: open(), data("{}"), headers(RawFrame.block([("a", "b")]), flags: RawFrame.endHeaders)),
        .init(
            "a pseudo-header field in trailers", "reset 1",
            frames: open(), data("{}"), headers(RawFrame.block([(":path", "/x")]))),
        .init(
            "a capital letter in trailers", "reset 1", frames: open(), data("{}"), headers(RawFrame.block([("A", "b")]))
        ),
        .init(
            "connection in trailers", "reset 1",
            frames: open(), data("{}"), headers(RawFrame.block([("connection", "close")]))),
        .init("NUL in trailers", "reset 1", frames: open(), data("{}"), headers(RawFrame.block([("a", "\0")]))),
    ]

    static let all = connections + frames + compression + fields + pseudoFields + bodies
}
