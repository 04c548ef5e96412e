// What is accepted as a server, because a bearer token goes there.

import Testing

@testable import CurlTransport

@Suite struct OriginTests {
    @Test(
        "an origin is scheme, host and port; the default port is left out",
        arguments: [
            ("https://api.bentley.com", "https://api.bentley.com", "api.bentley.com", 443),
            ("HTTPS://API.Bentley.com:443/", "https://api.bentley.com", "api.bentley.com", 443),
            ("http://localhost:8080", "http://localhost:8080", "localhost", 8080),
            ("http://127.1.2.3", "http://127.1.2.3", "127.1.2.3", 80),
            ("https://[::1]:8443", "https://[::1]:8443", "::1", 8443),
            ("https://[2001:DB8::1]", "https://[2001:db8::1]", "2001:db8::1", 443),
            ("http://127.0.0.1.evil.example", "http://127.0.0.1.evil.example", "127.0.0.1.evil.example", 80),
        ])
    func accepted(_ text: String, _ url: String, _ host: String, _ port: Int) throws {
        let origin = try #require(UpstreamOrigin(url: text))
        #expect(origin.url == url)
        #expect(origin.host == host)
        #expect(origin.port == port)
    }

    @Test(
        "anything more or less is refused",
        arguments: [
            "", "api.bentley.com", "ftp://a", "https:/a", "https://", "https:///", "https://a/b", "https://a?b",
            "https://a#b", "https://user@a", "https://user:pw@a", "https://a:0", "https://a:65536", "https://a:",
            "https://a:+1", "https://a:8 0", "https://a b", "https://a\r\nb", "https://[::1", "https://[]",
            "https://[::1]x", "https://[::g]", "https://a,b", "https://\u{E9}", "https://a//", "file:///etc/passwd",
        ])
    func refused(_ text: String) {
        #expect(UpstreamOrigin(url: text) == nil)
    }

    @Test("spelling does not make two origins of one")
    func equality() {
        #expect(UpstreamOrigin(url: "https://A:443/") == UpstreamOrigin(url: "HTTPS://a"))
        #expect(UpstreamOrigin(url: "https://a") != UpstreamOrigin(url: "http://a:443"))
    }
}
