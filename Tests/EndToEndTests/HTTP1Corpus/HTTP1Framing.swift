// RFC 9112 section 6: where a message ends.

extension HTTP1Corpus {
    static let lengths: [HTTP1Case] =
        [
            .init("6.2 a length", post("Content-Length: 2", body: "{}"), posted("{}")),
            .init("6.2 no body", post("Content-Length: 0"), posted("")),
            .init("6.2 neither length nor coding", post(), posted("")),
            .init("6.2 blanks around the length", post("Content-Length: \t 2 \t", body: "{}"), posted("{}")),
            .init("6.2 no blank before the length", post("Content-Length:2", body: "{}"), posted("{}")),
            .init("6.2 zeros before the length", post("Content-Length: 0002", body: "{}"), posted("{}")),
            .init("6.2 the name in capitals", post("CONTENT-LENGTH: 2", body: "{}"), posted("{}")),
            .init("6.2 a GET with a body", get("Content-Length: 2") + "{}", .served(getLine, body: "{}")),
            .init("6.2 a GET with an empty body", get("Content-Length: 0"), got),
            .init(
                "6.3 a HEAD with a body", head("HEAD \(path) HTTP/1.1", "Content-Length: 2") + "{}",
                .served("HEAD \(path) HTTP/1.1")),
            .init("6.3 the same length twice", post("Content-Length: 5", "Content-Length: 5", body: "hello"), invalid),
            .init("6.3 two lengths", post("Content-Length: 5", "Content-Length: 6", body: "hello"), invalid),
            .init("6.3 a length and none", post("Content-Length: 5", "Content-Length:", body: "hello"), invalid),
            .init(
                "6.3 two spellings of one length", post("Content-Length: 5", "Content-Length: 05", body: "hello"),
                invalid),
            .init("6.2 a name with an underscore is no length", post("Content_Length: 5"), posted("")),
            .init("6.2 a blank before the colon", post("Content-Length : 5", body: "hello"), invalid),
            .init("6.2 more than max_body_bytes", post("Content-Length: 99999999"), .refused(413, "RequestTooLarge")),
            .init(
                "6.2 the largest number", post("Content-Length: 9223372036854775807"), .refused(413, "RequestTooLarge")),
            .init("8 a body that breaks off", post("Content-Length: 10", body: "hello"), .cut),
        ]
        + [
            "5, 5", "5,5", "5, 6", "5,", ",5", "+5", "-5", "-0", "-1", "0x5", "5x", "5 5", "5;", "5.0", "5e0", "\"5\"",
            "five", "",
            " ", "\u{ff15}", "5\u{b}", "\u{c}5", "99999999999999999999999", "18446744073709551616",
            "18446744073709551621",
            "9223372036854775808", "0000000000000000000000000000000000000000005x", "1_0", "1'0", "½",
        ].map {
            HTTP1Case("6.2 the length \($0.debugDescription)", post("Content-Length: \($0)", body: "hello"), invalid)
        }

    static let codings: [HTTP1Case] =
        [
            .init("6.1 chunked", chunked("2\r\n{}\r\n0\r\n\r\n"), posted("{}")),
            .init(
                "6.1 codings have no case", post("Transfer-Encoding: Chunked", body: "2\r\n{}\r\n0\r\n\r\n"),
                posted("{}")),
            .init(
                "6.1 the name in capitals", post("TRANSFER-ENCODING: chunked", body: "2\r\n{}\r\n0\r\n\r\n"),
                posted("{}")),
            .init(
                "6.1 blanks around it", post("Transfer-Encoding: \t chunked \t", body: "2\r\n{}\r\n0\r\n\r\n"),
                posted("{}")),
            .init(
                "6.1 no blank before it", post("Transfer-Encoding:chunked", body: "2\r\n{}\r\n0\r\n\r\n"), posted("{}")),
            .init(
                "6.1 a GET with chunks", get("Transfer-Encoding: chunked") + "2\r\n{}\r\n0\r\n\r\n",
                .served(getLine, body: "{}")),
            .init(
                "6.3 a length before chunked",
                post("Content-Length: 5", "Transfer-Encoding: chunked", body: "0\r\n\r\n"), invalid),
            .init(
                "6.3 a length behind chunked",
                post("Transfer-Encoding: chunked", "Content-Length: 5", body: "0\r\n\r\n"), invalid),
            .init(
                "6.3 a length of zero and chunked",
                post("Content-Length: 0", "Transfer-Encoding: chunked", body: "0\r\n\r\n"),
                invalid),
            .init(
                "6.3 a broken length and chunked",
                post("Content-Length: x", "Transfer-Encoding: chunked", body: "0\r\n\r\n"), invalid),
            .init(
                "6.3 a length and an unknown coding", post("Content-Length: 2", "Transfer-Encoding: x", body: "{}"),
                invalid),
            .init(
                "6.1 chunked twice",
                post("Transfer-Encoding: chunked", "Transfer-Encoding: chunked", body: "0\r\n\r\n"), invalid),
            .init(
                "6.1 chunked, then identity",
                post("Transfer-Encoding: chunked", "Transfer-Encoding: identity", body: "0\r\n\r\n"), invalid),
            .init(
                "6.1 identity, then chunked",
                post("Transfer-Encoding: identity", "Transfer-Encoding: chunked", body: "0\r\n\r\n"), invalid),
            .init(
                "6.1 nothing, then chunked",
                post("Transfer-Encoding:", "Transfer-Encoding: chunked", body: "0\r\n\r\n"), invalid),
            .init("6.1 a blank before the colon", post("Transfer-Encoding : chunked", body: "0\r\n\r\n"), invalid),
            .init("6.1 a name with an underscore is no coding", post("Transfer_Encoding: chunked"), posted("")),
            .init(
                "6.1 chunked in HTTP/1.0", head("POST \(path) HTTP/1.0", "Transfer-Encoding: chunked") + "0\r\n\r\n",
                invalid),
            .init(
                "6.1 HTTP/1.0 and both",
                head("POST \(path) HTTP/1.0", "Content-Length: 5", "Transfer-Encoding: chunked") + "0\r\n\r\n",
                invalid),
            .init(
                "6.3 a HEAD with chunks", head("HEAD \(path) HTTP/1.1", "Transfer-Encoding: chunked") + "0\r\n\r\n",
                .served("HEAD \(path) HTTP/1.1")),
            .init("6.1 a GET with an unknown coding", get("Transfer-Encoding: gzip"), invalid),
        ]
        + [
            "identity", "gzip", "deflate", "compress", "x-chunked", "xchunked", "chunkedx", "chunke", "gzip, chunked",
            "chunked, gzip", "chunked, chunked", "identity, chunked", "chunked, identity", "chunked,", ", chunked",
            "chunked;q=1",
            "chunked; x=y", "\"chunked\"", "'chunked'", "chunked chunked", "ch\tunked", "\u{b}chunked", "chunked\u{b}",
            "\u{c}chunked",
            "chunked\0", "\u{1}chunked", "", " ", "trailers", "cow", "chunk\u{e9}d", "chunKed, identity",
            "tchunked\u{7f}",
        ].map {
            HTTP1Case(
                "6.1 the coding \($0.debugDescription)", post("Transfer-Encoding: \($0)", body: "0\r\n\r\n"), invalid)
        }
}
