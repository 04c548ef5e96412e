// RFC 9112 section 7.1: chunked bodies.

extension HTTP1Corpus {
    static let chunks = goodChunks + badSizes + badChunks + extensions

    private static let goodChunks: [HTTP1Case] = [
        .init("7.1 no chunk but the last", chunked("0\r\n\r\n"), posted("")),
        .init("7.1 several chunks", chunked("1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"), posted("{}")),
        .init("7.1 zeros before a size", chunked("0002\r\n{}\r\n000\r\n\r\n"), posted("{}")),
        .init("7.1 digits in lower case", chunked("a\r\n\"12345678\"\r\n0\r\n\r\n"), posted("\"12345678\"")),
        .init("7.1 digits in upper case", chunked("A\r\n\"12345678\"\r\n0\r\n\r\n"), posted("\"12345678\"")),
        .init("7.1 line ends in the data", chunked("7\r\n[\r\n\r\n0]\r\n0\r\n\r\n"), posted("[\r\n\r\n0]")),
        .init(
            "7.1 what looks like the last chunk in the data", chunked("8\r\n\"0\r\n\r\n1\"\r\n0\r\n\r\n"),
            posted("\"0\r\n\r\n1\"")),
    ]

    private static let badSizes: [HTTP1Case] =
        [
            "", " 2", "\t2", "+2", "-2", "-1", "0x2", "x2", "zz", "g", "2g", "2_", "2.", "2,", "2-", "2 x", "2x",
            "\"2\"", "\u{ff12}",
            "10000000000000000", "fffffffffffffffff", "ffffffffffffffff", "8000000000000000", "00000000000000002",
            "2\0", "2\u{b}",
            "\u{1}2", "2\r", "2\n", "½",
        ].map { HTTP1Case("7.1 the size \($0.debugDescription)", chunked("\($0)\r\n{}\r\n0\r\n\r\n"), invalid) }

    private static let badChunks: [HTTP1Case] = [
        .init("7.1 LF alone behind a size", chunked("2\n{}\r\n0\r\n\r\n"), invalid),
        .init("7.1 CR alone behind a size", chunked("2\r{}\r\n0\r\n\r\n"), invalid),
        .init("7.1 LF alone behind the data", chunked("2\r\n{}\n0\r\n\r\n"), invalid),
        .init("7.1 CR alone behind the data", chunked("2\r\n{}\r0\r\n\r\n"), invalid),
        .init("7.1 nothing behind the data", chunked("2\r\n{}0\r\n\r\n"), invalid),
        .init("7.1 more data than told", chunked("2\r\n{}x\r\n0\r\n\r\n"), invalid),
        .init("7.1 less data than told", chunked("3\r\n{}\r\n0\r\n\r\n"), invalid),
        .init("7.1 other bytes where the line ends", chunked("2\r\n{}xx0\r\n\r\n"), invalid),
        .init("7.1 LF alone behind the last size", chunked("2\r\n{}\r\n0\n\r\n"), invalid),
        .init("7.1 LF alone behind the last chunk", chunked("2\r\n{}\r\n0\r\n\n"), invalid),
        .init("7.1 LF LF at the end", chunked("2\r\n{}\r\n0\n\n"), invalid),
        .init("7.1 CR CR LF at the end", chunked("2\r\n{}\r\n0\r\n\r\r\n"), invalid),
        .init("7.1 a blank line between chunks", chunked("1\r\n{\r\n\r\n1\r\n}\r\n0\r\n\r\n"), invalid),
        .init("7.1 no chunk at all", chunked("\r\n\r\n"), invalid),
        .init("7.1 a body that is not chunked", chunked("{}\r\n\r\n"), invalid),
        .init("8 chunks that break off in a size", chunked("2"), .cut),
        .init("8 chunks that break off in the data", chunked("5\r\n{}"), .cut),
        .init("8 chunks that break off behind the data", chunked("2\r\n{}\r\n"), .cut),
        .init("8 chunks that break off in the last line", chunked("2\r\n{}\r\n0\r\n"), .cut),
    ]

    private static let extensions: [HTTP1Case] =
        [
            "2;a", "2;a=b", "2;a=\"b c;d\"", "2;a;b=c;d", "0002;a=b", "2;a=\"\\\"\"",
        ].map { HTTP1Case("7.1.1 the size \($0)", chunked("\($0)\r\n{}\r\n0\r\n\r\n"), posted("{}")) }
        + [
            .init("7.1.1 an extension of the last chunk", chunked("2\r\n{}\r\n0;a=b\r\n\r\n"), posted("{}")),
            .init("7.1.1 LF in an extension", chunked("2;a\nb\r\n{}\r\n0\r\n\r\n"), invalid),
            .init("7.1.1 LF ends an extension", chunked("2;a\n{}\r\n0\r\n\r\n"), invalid),
            .init("7.1.1 LF right behind the semicolon", chunked("2;\n{}\r\n0\r\n\r\n"), invalid),
            .init("7.1.1 CR in an extension", chunked("2;a\rb\r\n{}\r\n0\r\n\r\n"), invalid),
            .init("7.1.1 CR LF in a quoted extension", chunked("2;a=\"\r\n\"\r\n{}\r\n0\r\n\r\n"), invalid),
            .init("7.1.1 NUL in an extension", chunked("2;a\0b\r\n{}\r\n0\r\n\r\n"), invalid),
            .init("7.1.1 a control in an extension", chunked("2;a\u{1}b\r\n{}\r\n0\r\n\r\n"), invalid),
            .init("7.1.1 LF in an extension of the last chunk", chunked("2\r\n{}\r\n0;a\n\r\n\r\n"), invalid),
            .init(
                "7.1.1 extensions of 17 KiB",
                chunked("2;" + String(repeating: "a", count: 17 << 10) + "\r\n{}\r\n0\r\n\r\n"), invalid),
            .init(
                "7.1.1 extensions of 17 KiB in all chunks",
                chunked(String(repeating: "1;aaaaaaaaaaaaaaa\r\n \r\n", count: 1_100) + "0\r\n\r\n"), invalid),
        ]

    static let trailers: [HTTP1Case] =
        [
            .init("7.1.2 a trailer field is dropped", chunked("2\r\n{}\r\n0\r\nX-T: 1\r\n\r\n"), posted("{}")),
            .init("7.1.2 two trailer fields", chunked("2\r\n{}\r\n0\r\nX-T: 1\r\nX-U: 2\r\n\r\n"), posted("{}")),
            .init("7.1.2 an empty trailer field", chunked("2\r\n{}\r\n0\r\nX-T:\r\n\r\n"), posted("{}")),
            .init(
                "7.1.2 trailers of 64 KiB",
                chunked("2\r\n{}\r\n0\r\n" + String(repeating: "X-T: 12\r\n", count: 8_000) + "\r\n"),
                .refused(431, "RequestTooLarge")),
            .init("8 trailers that break off", chunked("2\r\n{}\r\n0\r\nX-T: 1\r\n"), .cut),
        ]
        + [
            "no colon", ": 1", "X-T : 1", "X T: 1", " X-T: 1", "X-T: 1\r\n folded", "X-T: a\rb", "X-T: a\u{0}b",
            "X-T: a\u{1}b",
            "X(T: 1", "X-T: 1\nX-U: 2", "X-T: 1\n", "Content-Length: 5", "Transfer-Encoding: chunked",
        ].map {
            HTTP1Case("7.1.2 the trailer \($0.debugDescription)", chunked("2\r\n{}\r\n0\r\n\($0)\r\n\r\n"), invalid)
        }
        + [
            "Host: evil.example", "Authorization: Bearer x", "X-Api-Key: x",
            "Connection: close", "Trailer: X-T",
        ].map {
            HTTP1Case("7.1.2 the trailer \($0) means nothing", chunked("2\r\n{}\r\n0\r\n\($0)\r\n\r\n"), posted("{}"))
        }
}
