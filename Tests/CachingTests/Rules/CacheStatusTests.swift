// Cache-Status byte for byte (RFC 9211).

import Testing

@testable import Caching

@Suite("Cache-Status")
struct CacheStatusTests {
    static let rows: [(CacheStatus, String)] = [
        (.hit(ttl: 12), "clash-proxy; hit; ttl=12"),
        (.hit(ttl: 0), "clash-proxy; hit; ttl=0"),
        (.hit(ttl: 3600), "clash-proxy; hit; ttl=3600"),
        (.hit(ttl: .max), "clash-proxy; hit; ttl=9223372036854775807"),
        (.stale(ttl: -40, detail: .rateLimited), "clash-proxy; hit; ttl=-40; detail=rate-limited"),
        (.stale(ttl: .min, detail: .revalidating), "clash-proxy; hit; ttl=-9223372036854775808; detail=revalidating"),
        (.stale(ttl: -1, detail: .tokenUnavailable), "clash-proxy; hit; ttl=-1; detail=token-unavailable"),
        (
            .forwarded(.uriMiss, stored: true, collapsed: false, status: nil, detail: nil),
            "clash-proxy; fwd=uri-miss; stored"
        ),
        (
            .forwarded(.uriMiss, stored: false, collapsed: true, status: nil, detail: nil),
            "clash-proxy; fwd=uri-miss; collapsed"
        ),
        (
            .forwarded(.uriMiss, stored: false, collapsed: false, status: nil, detail: "no-store"),
            "clash-proxy; fwd=uri-miss; detail=no-store"
        ),
        (
            .forwarded(.stale, stored: true, collapsed: false, status: 304, detail: nil),
            "clash-proxy; fwd=stale; fwd-status=304; stored"
        ),
        (
            .forwarded(.varyMiss, stored: true, collapsed: true, status: 200, detail: "x"),
            "clash-proxy; fwd=vary-miss; fwd-status=200; stored; collapsed; detail=x"
        ),
        (.forwarded(.method, stored: false, collapsed: false, status: nil, detail: nil), "clash-proxy; fwd=method"),
        (
            .forwarded(.bypass, stored: false, collapsed: false, status: nil, detail: "a \"b\"\\ ä\r\n"),
            #"clash-proxy; fwd=bypass; detail="a \"b\"\\ ????""#
        ),
        (
            .forwarded(.miss, stored: false, collapsed: false, status: nil, detail: "1st"),
            #"clash-proxy; fwd=miss; detail="1st""#
        ),
        (
            .forwarded(.miss, stored: false, collapsed: false, status: nil, detail: ""),
            #"clash-proxy; fwd=miss; detail="""#
        ),
    ]

    @Test("each case reads as RFC 9211 writes it", arguments: rows)
    func value(status: CacheStatus, expected: String) { #expect(status.headerValue == expected) }

    @Test("writing appends to what is there", arguments: rows)
    func appending(status: CacheStatus, expected: String) {
        var bytes = Array("Cache-Status: ".utf8)
        status.write(into: &bytes)
        #expect(String(decoding: bytes, as: UTF8.self) == "Cache-Status: " + expected)
    }

    @Test("every reason stands as a token", arguments: CacheReason.allCases)
    func reasons(reason: CacheReason) {
        let status = CacheStatus.forwarded(
            .uriMiss, stored: false, collapsed: false, status: nil, detail: reason.rawValue)
        #expect(status.headerValue == "clash-proxy; fwd=uri-miss; detail=\(reason.rawValue)")
    }
}
