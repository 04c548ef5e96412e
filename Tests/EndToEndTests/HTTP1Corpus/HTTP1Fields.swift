// RFC 9112 section 5: field lines.

extension HTTP1Corpus {
    static let fields = fieldSyntax + nameBytes + valueBytes + sizes + meanings

    private static let fieldSyntax: [HTTP1Case] = [
        .init("5.1 no colon", get("no colon"), invalid),
        .init("5.1 no name", get(": 1"), invalid),
        .init("5.1 a colon alone", get(":"), invalid),
        .init("5.1 a blank before the colon", get("X-A : 1"), invalid),
        .init("5.1 a tab before the colon", get("X-A\t: 1"), invalid),
        .init("5.1 a blank in the name", get("X A: 1"), invalid),
        .init("5.1 no blank behind the colon", get("X-A:1"), got),
        .init("5.1 blanks and tabs around the value", get("X-A: \t 1 \t "), got),
        .init("5.1 an empty value", get("X-A:"), got),
        .init("5.1 a value of blanks", get("X-A:   "), got),
        .init("5.1 a colon in the value", get("X-A: a:b"), got),
        .init("5.1 a value that begins with a colon", get("X-A::1"), got),
        .init("5.1 all characters of tokens", get("!#$%&'*+-.^_`|~09AZaz: 1"), got),
        .init("5.1 a digit first", get("1: 1"), got),
        .init("5.2 a folded line", get("X-A: 1", " folded"), invalid),
        .init("5.2 a line folded with a tab", get("X-A: 1", "\tfolded"), invalid),
        .init("5.2 a line folded to nothing", get("X-A: 1", " "), invalid),
        .init("5.2 a folded Host", "\(getLine)\r\nHost:\r\n localhost\r\n\r\n", invalid),
        .init("5.2 a folded framing", chunkedFolded, invalid),
        .init("5 a request line among the fields", get("GET / HTTP/1.1"), invalid),
        .init("5 a status line among the fields", get("HTTP/1.1 200 OK"), invalid),
    ]

    private static let chunkedFolded = post("Transfer-Encoding:", " chunked", body: "0\r\n\r\n")

    private static let nameBytes: [HTTP1Case] =
        (Array("\"(),/;<=>?@[\\]{}".utf8) + [0x00, 0x01, 0x07, 0x08, 0x0B, 0x0C, 0x1B, 0x7F, 0x80, 0xA0, 0xC3, 0xFF])
        .map { byte -> HTTP1Case in
            HTTP1Case(
                "5.1 \(hex(byte)) in a name",
                bytes("\(getLine)\r\nHost: localhost\r\nX", byte, after: "A: 1\r\n\r\n"), invalid)
        }

    private static let valueBytes: [HTTP1Case] =
        (Array(0x00...0x1f) + [0x7f]).filter { ![0x09, 0x0a, 0x0d].contains($0) }.map { (byte: UInt8) -> HTTP1Case in
            HTTP1Case(
                "5.5 \(hex(byte)) in a value",
                bytes("\(getLine)\r\nHost: localhost\r\nX-A: a", byte, after: "b\r\n\r\n"), invalid)
        } + [
            .init("5.5 CR in a value", get("X-A: a\rb"), invalid),
            .init("5.5 CR at the end of a value", get("X-A: a\r"), invalid),
            .init("5.5 CR at the start of a value", get("X-A: \ra"), invalid),
            .init("5.5 LF in a value", get("X-A: a\nb: c"), invalid),
            .init("5.5 NUL at the end of a value", get("X-A: a\0"), invalid),
            .init("5.5 a tab in a value", get("X-A: a\tb"), got),
        ]
        + ([0x80, 0x85, 0xA0, 0xC3, 0xFF] as [UInt8]).map { byte -> HTTP1Case in
            HTTP1Case(
                "5.5 \(hex(byte)) in a value",
                bytes("\(getLine)\r\nHost: localhost\r\nX-A: a", byte, after: "b\r\n\r\n"), got)
        }

    private static let sizes: [HTTP1Case] = [
        .init("5.4 a value of 16 KiB", get("X-A: " + String(repeating: "a", count: 16 << 10)), got),
        .init("5.4 a value of 64 KiB", get("X-A: " + String(repeating: "a", count: 64 << 10)), tooLarge),
        .init("5.4 a value without end", "\(getLine)\r\nX-A: " + String(repeating: "a", count: 64 << 10), tooLarge),
        .init("5.4 a name of 64 KiB", get(String(repeating: "a", count: 64 << 10) + ": 1"), tooLarge),
        .init("5.4 fields of 64 KiB", get(String(repeating: "X-A: 1\r\n", count: 8 << 10) + "X-B: 1"), tooLarge),
        .init("5.4 100 fields", get(String(repeating: "X-A: 1\r\n", count: 100) + "X-B: 1"), got),
    ]

    private static let tooLarge = HTTP1Case.Outcome.refused(431, "RequestTooLarge")

    /// Fields that would make a request another one behind our back.
    private static let meanings: [HTTP1Case] =
        [
            "X-HTTP-Method-Override: DELETE", "x-http-method: DELETE", "X-Method-Override: DELETE",
            "X-Original-URL: /x",
            "X-Rewrite-URL: /x", "X_HTTP_Method_Override: DELETE",
        ].map { HTTP1Case("DESIGN: \($0)", post("Content-Length: 0", $0), declined) }
        + [
            .init("9110 10.1.1 an expectation that nobody knows", get("Expect: 200-ok"), got),
            .init("9110 10.1.1 100-continue without a body", get("Expect: 100-continue"), got),
            .init("9110 7.6.1 Connection names a field that matters", get("Connection: Host"), got),
            .init("9110 7.6.1 Connection names itself", get("Connection: connection"), got),
            .init(
                "9110 7.6.1 Connection names Authorization",
                get("Connection: Authorization", "Authorization: Bearer x"), got),
            .init("9110 7.6.2 Max-Forwards", get("Max-Forwards: 0"), got),
            .init("9110 14.2 a Range", get("Range: bytes=0-1"), got),
            .init("9110 12.5.3 no coding", get("Accept-Encoding: identity;q=0, *;q=0"), got),
        ]
}
