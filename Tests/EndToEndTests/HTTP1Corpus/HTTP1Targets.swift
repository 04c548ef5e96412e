// RFC 9112 section 3.2: targets and Host.

extension HTTP1Corpus {
    static let targets = forms + paths + queries

    private static func asked(_ target: String) -> String { head("GET \(target) HTTP/1.1") }
    private static func served(_ target: String) -> HTTP1Case.Outcome { .served("GET \(target) HTTP/1.1") }

    private static let forms: [HTTP1Case] = [
        .init("3.2.1 origin-form", asked(path), got),
        .init("3.2.1 a query", asked(path + "?a=b&c=%20"), served(path + "?a=b&c=%20")),
        .init("3.2.1 an empty query", asked(path + "?"), served(path + "?")),
        .init("3.2.1 no slash", asked("clashdetection/tests"), invalid),
        .init("3.2.1 a query alone", asked("?a=b"), invalid),
        .init("3.2.1 a fragment", asked(path + "#x"), declined),
        .init("3.2.1 an empty fragment", asked(path + "#"), declined),
        .init("3.2.2 absolute-form for this host", asked("http://localhost\(path)"), got),
        .init("3.2.2 absolute-form with a port", asked("http://localhost:8080\(path)"), got),
        .init("3.2.2 absolute-form with an address", asked("http://127.0.0.1\(path)"), got),
        .init("3.2.2 absolute-form with an IPv6 address", asked("http://[::1]:80\(path)"), got),
        .init("3.2.2 absolute-form with https", asked("https://localhost\(path)"), got),
        .init("3.2.2 schemes have no case", asked("HTTP://LOCALHOST\(path)"), got),
        .init(
            "3.2.2 absolute-form wins over Host", "GET http://localhost\(path) HTTP/1.1\r\nHost: evil.example\r\n\r\n",
            got),
        .init("3.2.2 absolute-form without Host", "GET http://localhost\(path) HTTP/1.1\r\n\r\n", invalid),
        .init(
            "3.2.2 absolute-form with two Hosts", head("GET http://localhost\(path) HTTP/1.1", "Host: localhost"),
            invalid),
        .init(
            "3.2.2 absolute-form with a malformed Host",
            "GET http://localhost\(path) HTTP/1.1\r\nHost: a b\r\n\r\n", invalid),
        .init("3.2.2 absolute-form for another host", asked("http://evil.example\(path)"), declined),
        .init("3.2.2 another host with Host of ours", asked("http://evil.example:80\(path)"), declined),
        .init("3.2.2 userinfo", asked("http://localhost@evil.example\(path)"), invalid),
        .init("3.2.2 userinfo before this host", asked("http://user:pw@localhost\(path)"), invalid),
        .init("3.2.2 an empty authority", asked("http://\(path)"), invalid),
        .init("3.2.2 a scheme and nothing else", asked("http://"), invalid),
        .init("3.2.2 one slash", asked("http:/localhost\(path)"), invalid),
        .init("3.2.2 a backslash", asked("http:\\\\localhost\(path)"), invalid),
        .init("3.2.2 another scheme", asked("ftp://localhost\(path)"), invalid),
        .init("3.2.2 javascript", asked("javascript:alert(1)"), invalid),
        .init("3.2.2 a port that is none", asked("http://localhost:99999\(path)"), invalid),
        .init("3.2.2 a port with letters", asked("http://localhost:8x\(path)"), invalid),
        .init("3.2.2 a host in percent-encoding", asked("http://%6cocalhost\(path)"), invalid),
        .init("3.2.2 half an IPv6 address", asked("http://[::1\(path)"), invalid),
        .init("3.2.3 authority-form", asked("localhost:80"), invalid),
        .init("3.2.3 authority-form of another host", asked("evil.example:443"), invalid),
        .init("3.2.4 OPTIONS *", head("OPTIONS * HTTP/1.1"), .ownOptions),
        .init("3.2.4 GET *", head("GET * HTTP/1.1"), invalid),
        .init("3.2.4 POST *", head("POST * HTTP/1.1", "Content-Length: 0"), invalid),
        .init("3.2.4 OPTIONS ** ", head("OPTIONS ** HTTP/1.1"), invalid),
        .init("3.2.4 OPTIONS *?", head("OPTIONS *? HTTP/1.1"), invalid),
        .init(
            "3.2.4 OPTIONS * of another host", "OPTIONS * HTTP/1.1\r\nHost: evil.example\r\n\r\n",
            .declined(403, "OriginNotAllowed")),
    ]

    private static let paths: [HTTP1Case] =
        [
            "/clashdetection/../accesscontrol", "/clashdetection/..", "/clashdetection/./tests", "/clashdetection/.",
            "/clashdetection/%2e%2e/accesscontrol", "/clashdetection/%2E./x", "/clashdetection/.%2e",
            "/clashdetection/%2e",
            "/clashdetection/..;x/y", "/clashdetection/.;x", "/../clashdetection/tests", "/x/../clashdetection/tests",
            "/clashdetection/..%2ftests", "/clashdetection/a%2Fb", "/clashdetection/a%2fb", "/clashdetection/a%5Cb",
            "/clashdetection/a%5cb", "/clashdetection/a\\..\\b", "/clashdetection/a%00", "/clashdetection/a%0d%0aX:1",
            "/clashdetection/%", "/clashdetection/%2", "/clashdetection/%zz", "/clashdetection/%2g",
            "/clashdetection/%C0%AE%C0%AE/x", "/clashdetection/%252e%252e/x%", "/clashdetection/%u002e",
        ].map { HTTP1Case("3.2.1 the path \($0)", asked($0), declined) }
        + (Array(0x01...0x1f) + [0x7f]).filter { $0 != 0x0a }.map { (byte: UInt8) -> HTTP1Case in
            HTTP1Case(
                "3.2.1 \(hex(byte)) in the path",
                bytes("GET /clashdetection/a", byte, after: "b HTTP/1.1\r\nHost: localhost\r\n\r\n"), invalid)
        }
        + [
            .init(
                "3.2.1 NUL in the path",
                bytes("GET /clashdetection/a", 0, after: "b HTTP/1.1\r\nHost: localhost\r\n\r\n"), invalid),
            .init("3.2.1 the path //", asked("//clashdetection/tests"), .declined(404, "OperationNotFound")),
            .init("3.2.1 the path /", asked("/"), .declined(404, "OperationNotFound")),
            .init("3.2.1 a prefix that only begins so", asked("/clashdetectionx"), .declined(404, "OperationNotFound")),
            .init(
                "3.2.1 a host in the path", asked("//evil.example/clashdetection"), .declined(404, "OperationNotFound")),
        ]
        + ([0x80, 0xC3, 0xE2, 0xFF] as [UInt8]).map { byte -> HTTP1Case in
            HTTP1Case(
                "3.2.1 \(hex(byte)) in the path",
                bytes("GET /clashdetection/a", byte, after: "b HTTP/1.1\r\nHost: localhost\r\n\r\n"), invalid)
        }

    private static let queries: [HTTP1Case] = [
        .init("3 a target of 8192 bytes", asked(long(8_192)), served(long(8_192))),
        .init("3 a target of 8193 bytes", asked(long(8_193)), .refused(414, "RequestTooLarge")),
        .init("3 a target of 9000 bytes", asked(long(9_000)), .refused(414, "RequestTooLarge")),
        .init(
            "3 a target without end", "GET /" + String(repeating: "a", count: 20_000), .refused(414, "RequestTooLarge")),
        .init("3.2.1 a bad escape in the query", asked(path + "?a=%zz"), served(path + "?a=%zz")),
        .init("3.2.1 dots in the query", asked(path + "?a=/../x"), served(path + "?a=/../x")),
        .init("3.2.1 a backslash in the query", asked(path + "?a=\\"), served(path + "?a=\\")),
        .init("3.2.1 bytes beyond ASCII in the query", asked(path + "?a=ä"), invalid),
    ]

    private static func long(_ count: Int) -> String {
        path + "?" + String(repeating: "a", count: count - path.utf8.count - 1)
    }

    static let hosts: [HTTP1Case] =
        [
            .init("3.2 no Host", "\(getLine)\r\n\r\n", invalid),
            .init("3.2 an empty Host", "\(getLine)\r\nHost:\r\n\r\n", invalid),
            .init("3.2 a Host of blanks", "\(getLine)\r\nHost:   \r\n\r\n", invalid),
            .init("3.2 two Hosts", get("Host: localhost"), invalid),
            .init("3.2 two Hosts that differ", get("Host: evil.example"), invalid),
            .init("3.2 two Hosts, one in capitals", get("HOST: localhost"), invalid),
            .init("3.2 HTTP/1.0 without Host", "GET \(path) HTTP/1.0\r\n\r\n", .servedLast(getLine)),
            .init("3.2 HTTP/1.0 with two Hosts", "GET \(path) HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", invalid),
            .init("3.2 Host in capitals", "\(getLine)\r\nHOST: LOCALHOST\r\n\r\n", got),
            .init("3.2 a port", "\(getLine)\r\nHost: localhost:8080\r\n\r\n", got),
            .init("3.2 an empty port", "\(getLine)\r\nHost: localhost:\r\n\r\n", got),
            .init("3.2 an IPv6 address", "\(getLine)\r\nHost: [::1]:8080\r\n\r\n", got),
            .init("3.2 blanks around it", "\(getLine)\r\nHost: \t localhost \t \r\n\r\n", got),
            .init("3.2 another host", "\(getLine)\r\nHost: evil.example\r\n\r\n", .declined(403, "OriginNotAllowed")),
        ]
        + [
            "localhost, evil.example", "localhost evil.example", "localhost/x", "localhost?x", "localhost#x",
            "a@localhost",
            "http://localhost", "localhost:99999", "localhost:8x", "localhost:-1", "localhost:80:80", "[::1", "::1",
            "[]", "[::1]x",
            "[::1]:x", "[v1.x]", "local\"host", "local<host", "local\\host", "local%68ost", "local\u{7f}host",
            "lo\u{e4}calhost", "*",
            ":80", "localhost;x", "(localhost)", "local\thost", "[fe80::1%25eth0]",
        ].map { HTTP1Case("3.2 the Host \($0.debugDescription)", "\(getLine)\r\nHost: \($0)\r\n\r\n", invalid) }
}
