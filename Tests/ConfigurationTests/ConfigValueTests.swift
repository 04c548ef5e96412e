// Single values: what their text may be, and that text read is text written.

import Testing

@testable import Configuration

@Suite("Configuration values")
struct ConfigValueTests {
    @Test(
        "durations",
        arguments: [
            ("250ms", Duration.milliseconds(250)), ("30s", .seconds(30)), ("5m", .seconds(300)), ("1h", .seconds(3600)),
            ("0s", .zero), ("90s", .seconds(90)), ("0ms", .zero),
        ])
    func durations(text: String, duration: Duration) throws {
        #expect(try Quantity.parseDuration(text) == duration)
        #expect(try Quantity.parseDuration(Quantity.duration(duration)) == duration)
    }

    @Test(
        "what is no duration",
        arguments: [
            "", "30", "s", "1.5s", "-1s", "+1s", "1 s", "1m30s", "1S", "1d", "٣s", "99999999999999999999s",
            "9223372036854775807h",
        ])
    func noDurations(text: String) {
        #expect(throws: ValueProblem.self) { try Quantity.parseDuration(text) }
    }

    @Test(
        "sizes",
        arguments: [
            ("1024B", 1024, "1KiB"), ("64MiB", 64 << 20, "64MiB"), ("1500B", 1500, "1500B"), ("1GiB", 1 << 30, "1GiB"),
        ])
    func sizes(text: String, bytes: Int, written: String) throws {
        #expect(try Quantity.parseBytes(text) == bytes)
        #expect(Quantity.bytes(bytes) == written)
    }

    @Test("what is no size", arguments: ["", "64", "64MB", "64M", "64 MiB", "1.5GiB", "9223372036854775807GiB"])
    func noSizes(text: String) {
        #expect(throws: ValueProblem.self) { try Quantity.parseBytes(text) }
    }

    @Test(
        "what is no window",
        arguments: ["", "5000", "5000/", "/1m", "0/1m", "5000/0s", "5000/25h", "-1/1m", "1/1m/1m", "5000 / 1m"])
    func noWindows(text: String) {
        #expect(throws: ValueProblem.self) {
            try Quantity.parseWindow(text, .milliseconds(1)...Duration.seconds(86_400))
        }
    }

    @Test(
        "listen addresses",
        arguments: [
            ("127.0.0.1:8080", ListenAddress.tcp(host: "127.0.0.1", port: 8080)),
            ("LocalHost:0", .tcp(host: "localhost", port: 0)),
            ("[::1]:65535", .tcp(host: "::1", port: 65535)),
            ("proxy_1.internal:80", .tcp(host: "proxy_1.internal", port: 80)),
            ("unix:/run/clash proxy.sock", .unix(path: "/run/clash proxy.sock")),
        ])
    func addresses(text: String, address: ListenAddress) throws {
        #expect(try ListenAddress(parsing: text) == address)
        #expect(try ListenAddress(parsing: address.description) == address)
    }

    @Test(
        "what is no listen address",
        arguments: [
            "", "8080", ":8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:+80", "127.0.0.1:65536", "::1:80", "[::1]",
            "[::1]80",
            "[127.0.0.1]:80", "256.0.0.1:80", "127.1:80", "a..b:80", "a b:80", "http://a:80", "unix:", "*:80",
            "unix:/" + String(repeating: "x", count: 107),
        ])
    func noAddresses(text: String) {
        #expect(throws: ValueProblem.self) { try ListenAddress(parsing: text) }
    }

    @Test(
        "URLs",
        arguments: [
            ("https://api.bentley.com", "https://api.bentley.com"),
            ("HTTPS://API.Bentley.com:443/", "https://api.bentley.com"),
            ("http://[::1]:8080/a/b/", "http://[::1]:8080/a/b"), ("http://h:443", "http://h:443"),
            ("https://h/%20", "https://h/%20"),
        ])
    func urls(text: String, written: String) throws {
        let url = try BaseURL(parsing: text)
        #expect(url.description == written)
        #expect(try BaseURL(parsing: written) == url)
    }

    @Test(
        "what is no URL",
        arguments: [
            "", "api.bentley.com", "//h", "ftp://h", "https://", "https:///p", "https://u@h", "https://u:p@h",
            "https://h?q",
            "https://h/#f", "https://h:0", "https://h:99999", "https://h:", "https://h /", "https://h/a b",
            "https://h/../x",
            "https://::1", "https://h\\x", "https://[::1", "https://h/\"",
        ])
    func noURLs(text: String) {
        #expect(throws: ValueProblem.self) { try BaseURL(parsing: text) }
    }

    @Test("link prefixes with and without a replacement")
    func linkPrefixes() throws {
        let text = "https://dev.example.com/apis/x/ => /clash-detection"
        let prefix = try ConfigFormat<LinkPrefix>.linkPrefix.read(.string(text))
        #expect(prefix.prefix.path == "/apis/x")
        #expect(prefix.replacement == "/clash-detection")
        for wrong in ["https://h =>", "https://h => x", "https://h => /x/", "https://h => /a => /b", "=> /a"] {
            #expect(throws: ValueProblems.self) { try ConfigFormat<LinkPrefix>.linkPrefix.read(.string(wrong)) }
        }
    }

    @Test("what is no path prefix", arguments: ["", "/", "x", "/x/", "//x", "/x/../y", "/x?y", "/x%2fy", "/x y", "/é"])
    func noPathPrefixes(text: String) {
        #expect(throws: ValueProblems.self) { try ConfigFormat<String>.pathPrefix.read(.string(text)) }
    }

    @Test(
        "what is no browser origin",
        arguments: ["*", "null", "", "https://h/", "https://h/p", "h", "https://u@h", "1a://h", "://h"])
    func noOrigins(text: String) {
        #expect(throws: ValueProblems.self) { try ConfigFormat<String>.origin.read(.string(text)) }
    }

    @Test("key hashes are read in either case and written in lower case")
    func keyHashes() throws {
        let hash = try #require(KeyHash(hex: String(repeating: "0F", count: 32)))
        #expect(hash.bytes == [UInt8](repeating: 15, count: 32))
        #expect(hash.hex == String(repeating: "0f", count: 32))
        #expect(KeyHash(hex: String(repeating: "0", count: 63)) == nil)
        #expect(KeyHash(hex: String(repeating: "g", count: 64)) == nil)
        #expect(KeyHash([1, 2, 3]) == nil)
    }

    @Test(
        "the nearest known word is suggested, and nothing when none is near",
        arguments: [
            ("adress", "address"), ("max-connections", "max_connections"), ("MAX_CONNECTIONS", "max_connections"),
            ("idel_timeout", "idle_timeout"), ("zebra", nil), ("", nil),
        ])
    func suggestions(word: String, expected: String?) {
        #expect(Suggestion.nearest(to: word, among: ["address", "max_connections", "idle_timeout"]) == expected)
    }
}
