// RFC 9112 section 9: what becomes of a connection.

extension HTTP1Corpus {
    private static let last = HTTP1Case.Outcome.servedLast(getLine)

    static let connections: [HTTP1Case] =
        [
            .init("9.6 close", get("Connection: close"), last),
            .init("9.6 close has no case", get("Connection: CLOSE"), last),
            .init("9.6 close among others", get("Connection: x, close"), last),
            .init("9.6 close among empty elements", get("Connection: ,, close ,"), last),
            .init("9.6 close in a second line", get("Connection: keep-alive", "Connection: close"), last),
            .init("9.6 close wins over keep-alive", get("Connection: keep-alive, close"), last),
            .init("9.6 a word that only begins so", get("Connection: closed"), got),
            .init("9.3 keep-alive", get("Connection: keep-alive"), got),
            .init("9.3 an empty Connection", get("Connection:"), got),
            .init("9.3 Keep-Alive alone", get("Keep-Alive: timeout=5, max=1000"), got),
            .init("9.3 Proxy-Connection says nothing", get("Proxy-Connection: close"), got),
            .init("9.3 HTTP/1.0", head("GET \(path) HTTP/1.0"), last),
            .init("9.3 HTTP/1.0 with keep-alive", head("GET \(path) HTTP/1.0", "Connection: keep-alive"), got),
            .init(
                "9.3 HTTP/1.0 with Keep-Alive in capitals", head("GET \(path) HTTP/1.0", "Connection: Keep-Alive"), got),
            .init("9.3 HTTP/1.0 with both", head("GET \(path) HTTP/1.0", "Connection: keep-alive, close"), last),
            .init(
                "9.8 an upgrade to HTTP/2",
                get("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"), last),
            .init(
                "9.8 an upgrade to WebSocket",
                get("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"), last),
            .init("9.8 Upgrade that Connection does not name", get("Upgrade: websocket"), got),
            .init(
                "9.3 a close behind a body", post("Connection: close", "Content-Length: 2", body: "{}"),
                .servedLast(postLine, body: "{}")),
            .init(
                "9110 10.1.1 100-continue with its body", post("Expect: 100-continue", "Content-Length: 2", body: "{}"),
                posted("{}")),
            .init(
                "9110 10.1.1 100-continue in HTTP/1.0",
                head("POST \(path) HTTP/1.0", "Expect: 100-continue", "Content-Length: 2") + "{}",
                .servedLast(postLine, body: "{}")),
            .init("8 a head that breaks off", "\(getLine)\r\nHost: local", .cut),
            .init("8 a head that breaks off before its empty line", "\(getLine)\r\nHost: localhost\r\n", .cut),
            .init("8 a request line that breaks off", "GET /clash", .cut),
            .init("8 empty lines and no more", "\r\n\r\n", .cut),
        ]
}
