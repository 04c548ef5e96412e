// RFC 9112 sections 2 and 3: messages and their first line.

extension HTTP1Corpus {
    static let startLines = messages + methods + versions + spaces

    private static let messages: [HTTP1Case] = [
        .init("2.2 an empty line before a request", "\r\n" + get(), got),
        .init("2.2 several empty lines before a request", "\r\n\r\n\r\n\r\n" + get(), got),
        .init("2.2 an empty line that ends with LF alone", "\n" + get(), got),
        .init("2.2 LF alone ends all lines", "\(getLine)\nHost: localhost\n\n", invalid),
        .init("2.2 LF alone ends the request line", "\(getLine)\nHost: localhost\r\n\r\n", invalid),
        .init("2.2 LF alone ends a field", "\(getLine)\r\nHost: localhost\nX-A: 1\r\n\r\n", invalid),
        .init("2.2 LF alone ends the head", "\(getLine)\r\nHost: localhost\r\nX-A: 1\r\n\n", invalid),
        .init("2.2 CR alone ends the request line", "\(getLine)\rHost: localhost\r\n\r\n", invalid),
        .init("2.2 CR alone ends a field", "\(getLine)\r\nHost: localhost\rX-A: 1\r\n\r\n", invalid),
        .init("2.2 CR CR LF", "\(getLine)\r\r\nHost: localhost\r\n\r\n", invalid),
        .init("2.2 CR LF CR before a field", "\(getLine)\r\nHost: localhost\r\n\rX-A: 1\r\n\r\n", invalid),
        .init("2.2 a blank before the first field", "\(getLine)\r\n Host: localhost\r\n\r\n", invalid),
        .init("2.2 a tab before the first field", "\(getLine)\r\n\tHost: localhost\r\n\r\n", invalid),
        .init("2.2 a blank line of blanks", "\(getLine)\r\nHost: localhost\r\n \r\n\r\n", invalid),
        .init("2.2 no HTTP at all", "hello\r\n\r\n", invalid),
        .init("2.2 one byte that no request begins with", "\u{1}", invalid),
        .init("2.2 zeros", "\0\0\0\0\r\n\r\n", invalid),
        .init("2.2 an answer", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", invalid),
        .init("2.2 a field and no request line", "Host: localhost\r\n\r\n", invalid),
        .init("2.2 the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", invalid),
        .init("2.2 SSH", "SSH-2.0-OpenSSH_9.2\r\n\r\n", invalid),
        .init("2.2 SMTP", "EHLO localhost\r\n\r\n", invalid),
        .init("2.2 Redis", "*1\r\n$4\r\nPING\r\n\r\n", invalid),
        .init("2.2 a PROXY preamble", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + get(), invalid),
        .init("2.2 bytes beyond ASCII", [0xC3, 0xA4] + Array((" / HTTP/1.1\r\n\r\n").utf8), invalid),
        .init("2.2 a byte-order mark", [0xEF, 0xBB, 0xBF] + Array(get().utf8), invalid),
    ]

    private static let methods: [HTTP1Case] =
        [
            .init("3.1 methods are case-sensitive", head("get \(path) HTTP/1.1"), notImplemented),
            .init("3.1 Get", head("Get \(path) HTTP/1.1"), notImplemented),
            .init("3.1 an unknown method", head("FOO \(path) HTTP/1.1"), notImplemented),
            .init("3.1 PROPFIND", head("PROPFIND \(path) HTTP/1.1"), notImplemented),
            .init("3.1 QUERY", head("QUERY \(path) HTTP/1.1"), notImplemented),
            .init("3.1 LINK", head("LINK \(path) HTTP/1.1"), notImplemented),
            .init("3.1 M-SEARCH", head("M-SEARCH \(path) HTTP/1.1"), notImplemented),
            .init("3.1 all characters of tokens", head("!#$%&'*+-.^_`|~09AZaz \(path) HTTP/1.1"), notImplemented),
            .init("3.1 a long method", head(String(repeating: "A", count: 300) + " \(path) HTTP/1.1"), notImplemented),
            .init(
                "3.1 a method longer than any line", head(String(repeating: "A", count: 9_000) + " \(path) HTTP/1.1"),
                .refused(414, "RequestTooLarge")),
            .init("3.1 GET with a letter more", head("GETS \(path) HTTP/1.1"), notImplemented),
            .init("3.1 GET with a letter less", head("GE \(path) HTTP/1.1"), notImplemented),
            .init("9110 9.3.8 TRACE", head("TRACE \(path) HTTP/1.1"), notAllowed),
            .init("9110 9.3.6 CONNECT with an authority", head("CONNECT localhost:80 HTTP/1.1"), notAllowed),
            .init("9110 9.3.6 CONNECT with a path", head("CONNECT \(path) HTTP/1.1"), notAllowed),
            .init("9110 9.3.6 CONNECT to another host", head("CONNECT evil.example:443 HTTP/1.1"), notAllowed),
            .init("3.1 no method", head(" \(path) HTTP/1.1"), invalid),
            .init("3.1 HEAD", head("HEAD \(path) HTTP/1.1"), .served("HEAD \(path) HTTP/1.1")),
            .init("3.1 OPTIONS", head("OPTIONS \(path) HTTP/1.1"), .served("OPTIONS \(path) HTTP/1.1")),
            .init(
                "3.1 PUT", head("PUT \(path) HTTP/1.1", "Content-Length: 2") + "{}",
                .served("PUT \(path) HTTP/1.1", body: "{}")),
            .init(
                "3.1 PATCH", head("PATCH \(path) HTTP/1.1", "Content-Length: 2") + "{}",
                .served("PATCH \(path) HTTP/1.1", body: "{}")),
        ]
        + Array("\"(),/:;<=>?@[\\]{}".utf8).map { byte -> HTTP1Case in
            HTTP1Case(
                "3.1 \(hex(byte)) in a method",
                bytes("G", byte, after: "T \(path) HTTP/1.1\r\nHost: localhost\r\n\r\n"), invalid)
        }
        + ([0x00, 0x01, 0x08, 0x0B, 0x0C, 0x1B, 0x7F, 0x80, 0xA0, 0xFF] as [UInt8]).map { byte -> HTTP1Case in
            HTTP1Case(
                "3.1 \(hex(byte)) in a method",
                bytes("G", byte, after: "T \(path) HTTP/1.1\r\nHost: localhost\r\n\r\n"), invalid)
        }

    private static let notImplemented = HTTP1Case.Outcome.refused(501, "MethodNotImplemented")
    private static let notAllowed = HTTP1Case.Outcome.refused(405, "MethodNotAllowed")

    private static let versions: [HTTP1Case] =
        [
            .init("2.3 HTTP/1.0", head("GET \(path) HTTP/1.0"), .servedLast(getLine)),
            .init("2.3 HTTP/1.2 is treated as 1.1", head("GET \(path) HTTP/1.2"), got),
            .init("2.3 HTTP/1.9", head("GET \(path) HTTP/1.9"), got),
            .init("2.3 HTTP/2.0 in a request line", head("GET \(path) HTTP/2.0"), invalid),
            .init("2.3 HTTP/0.9 without a version", "GET \(path)\r\n\r\n", invalid),
            .init("2.3 no version, but a blank for it", "GET \(path) \r\nHost: localhost\r\n\r\n", invalid),
        ]
        + ["HTTP/0.9", "HTTP/0.0", "HTTP/3.0", "HTTP/9.9"].map {
            HTTP1Case("2.3 \($0)", head("GET \(path) \($0)"), .refused(505, "VersionNotSupported"))
        }
        + [
            "http/1.1", "Http/1.1", "HTTP/1", "HTTP/1.", "HTTP/.1", "HTTP/11", "HTTP/11.1", "HTTP/1.11", "HTTP/01.1",
            "HTTP/1.01", "HTTP/1,1", "HTTP/-1.1", "HTTP/+1.1", "HTTP/1.-1", "HTTP/1.1x", "HTTP/1.x", "HTTP/x.1",
            "HTTP 1.1",
            "HTTP//1.1", "HTTP/1.1.1", "HTTPS/1.1", "HTP/1.1", "XHTTP/1.1", "ICY/1.1", "RTSP/1.0", "1.1", "HTTP",
            "HTTP/",
            "HTTP/1.1\u{b}", "HTTP/1.1\u{0}", "\u{1}HTTP/1.1", "HTTP/\u{ff11}.1",
        ].map { HTTP1Case("2.3 the version \($0.debugDescription)", head("GET \(path) \($0)"), invalid) }

    private static let spaces: [HTTP1Case] = [
        .init("3 a blank before the request line", " " + get(), invalid),
        .init("3 a tab before the request line", "\t" + get(), invalid),
        .init("3 two blanks behind the method", head("GET  \(path) HTTP/1.1"), invalid),
        .init("3 two blanks before the version", head("GET \(path)  HTTP/1.1"), invalid),
        .init("3 a blank behind the version", head("GET \(path) HTTP/1.1 "), invalid),
        .init("3 a tab behind the version", head("GET \(path) HTTP/1.1\t"), invalid),
        .init("3 a word behind the version", head("GET \(path) HTTP/1.1 x"), invalid),
        .init("3 a tab behind the method", head("GET\t\(path) HTTP/1.1"), invalid),
        .init("3 a tab before the version", head("GET \(path)\tHTTP/1.1"), invalid),
        .init("3 VT behind the method", head("GET\u{b}\(path) HTTP/1.1"), invalid),
        .init("3 FF before the version", head("GET \(path)\u{c}HTTP/1.1"), invalid),
        .init("3 CR before the version", head("GET \(path)\rHTTP/1.1"), invalid),
        .init("3 a blank in the target", head("GET /clashdetection/a b HTTP/1.1"), invalid),
        .init("3 a second version in the target", head("GET \(path) HTTP/1.0 HTTP/1.1"), invalid),
        .init("3 no target", head("GET  HTTP/1.1"), invalid),
        .init("3 no target and no blank for it", head("GET HTTP/1.1"), invalid),
        .init("3 blanks for a target", head("GET    HTTP/1.1"), invalid),
        .init("3 two blanks before a star", head("OPTIONS  * HTTP/1.1"), invalid),
    ]
}
