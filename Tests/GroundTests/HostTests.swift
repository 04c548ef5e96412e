// What is accepted as a server, because a bearer token goes there, and what counts as this machine.

import Ground
import Testing

@Suite("Hosts")
struct HostTests {
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
        let origin = try #require(Origin(url: text))
        #expect(origin.url == url)
        #expect(origin.host == host)
        #expect(origin.port == port)
        #expect("\(origin.scheme.rawValue)://\(origin.authority)" == url)
        #expect(origin == Origin(scheme: origin.scheme, host: host, port: port))
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
        #expect(Origin(url: text) == nil)
    }

    @Test("spelling does not make two origins of one")
    func equality() {
        #expect(Origin(url: "https://A:443/") == Origin(url: "HTTPS://a"))
        #expect(Origin(url: "https://a") != Origin(url: "http://a:443"))
    }

    @Test(
        "a URL is split where its authority ends",
        arguments: [
            ("https://a.example", "https://a.example", ""), ("https://a.example/", "https://a.example", "/"),
            ("HTTP://A:81/b?c#d", "http://a:81", "/b?c#d"), ("https://a?b/c", "https://a", "?b/c"),
            ("https://[::1]:9?x", "https://[::1]:9", "?x"),
        ])
    func split(_ url: String, _ origin: String, _ rest: String) throws {
        let parts = try #require(Origin.split(url))
        #expect(parts.origin.url == origin && parts.rest == rest)
    }

    @Test(
        "a URL without an origin of its own is not split",
        arguments: [
            "", "/a", "a.example/b", "https:a", "https:///b", "ftp://a/b", "https://u@a/b", "https://a@b",
            "https://a#b",
            "x/https://a",
        ])
    func notSplit(_ url: String) {
        #expect(Origin.split(url) == nil)
    }

    @Test(
        "only unmistakable spellings are loopback",
        arguments: [
            "localhost", "LocalHost", "127.0.0.1", "127.255.0.9", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1",
            "::FFFF:7f00:1",
        ])
    func loopback(_ host: String) {
        #expect(HostName.isLoopback(host))
    }

    @Test(
        "everything else is not",
        arguments: [
            "", "localhost.", "localhost.evil.example", "127.0.0.1.evil.example", "127.1", "0127.0.0.1", "128.0.0.1",
            "0.0.0.0", "::", "::2", "::127.0.0.1", "::ffff:128.0.0.1", "[::1]", "1::1", " 127.0.0.1", "2130706433",
        ])
    func notLoopback(_ host: String) {
        #expect(!HostName.isLoopback(host))
    }

    @Test("an origin knows whether it is this machine")
    func loopbackOrigins() {
        #expect(Origin(url: "http://[::1]:80")?.isLoopback == true)
        #expect(Origin(url: "https://127.0.0.1.evil.example")?.isLoopback == false)
    }

    @Test("addresses are read and written in their usual text")
    func addresses() {
        #expect(HostName.addressBytes("10.0.0.255") == [10, 0, 0, 255])
        #expect(HostName.addressBytes("::1").map { HostName.text(of: $0) } == "::1")
        #expect(HostName.addressBytes("2001:DB8:0::1").map { HostName.text(of: $0) } == "2001:db8::1")
        #expect(HostName.text(of: [127, 0, 0, 1]) == "127.0.0.1")
        for text in ["", "10.0.0", "10.0.0.256", "a", "[::1]", "::g"] { #expect(HostName.addressBytes(text) == nil) }
    }
}
