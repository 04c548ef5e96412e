// What the cache did, in the words of log, counters and `Cache-Status`: they never contradict each other.

import Caching
import Testing

@testable import Proxy

@Suite struct CacheVerdictTests {
    private static let miss = Forwarding(why: .uriMiss)

    @Test("log, metric and Cache-Status come from one verdict")
    func words() {
        let expected: [(CacheVerdict, String?, String)] = [
            (.hit(ttl: 12), "hit", "clash-proxy; hit; ttl=12"),
            (.stale(.rateLimited, ttl: -40), "stale:rate-limited", "clash-proxy; hit; ttl=-40; detail=rate-limited"),
            (.stale(.upstreamError, ttl: 3), "stale:upstream-error", "clash-proxy; hit; ttl=3"),
            (.forwarded(Self.miss, .stored, isRefreshed: false), "stored", "clash-proxy; fwd=uri-miss; stored"),
            (
                .forwarded(Forwarding(why: .stale), .stored, isRefreshed: true), "stored",
                "clash-proxy; fwd=stale; fwd-status=304; stored"
            ),
            (
                .forwarded(Self.miss, .collapsed, isRefreshed: false), "collapsed",
                "clash-proxy; fwd=uri-miss; collapsed"
            ),
            (.forwarded(Self.miss, .streamed, isRefreshed: false), "streamed", "clash-proxy; fwd=uri-miss"),
            (
                .forwarded(Self.miss, .notStored(.setCookie), isRefreshed: false), "not-stored:set-cookie",
                "clash-proxy; fwd=uri-miss; detail=set-cookie"
            ),
            (
                .forwarded(Forwarding(why: .request, detail: .requestMaxAge), .stored, isRefreshed: false), "stored",
                "clash-proxy; fwd=request; stored; detail=request-max-age"
            ),
            (.passed(isRead: true), nil, "clash-proxy; fwd=bypass"),
            (.passed(isRead: false), nil, "clash-proxy; fwd=method"),
            (.settled, nil, "clash-proxy; fwd=method; detail=settled"),
        ]
        for (verdict, word, status) in expected {
            #expect(verdict.word?.text == word && verdict.status.headerValue == status, "\(verdict)")
        }
    }

    @Test("counters have a series for each word, with the reason as a label of its own")
    func counters() {
        let counters = CacheCounters()
        let store = CacheStore(limits: CacheLimits()).statistics
        counters.count(.hit(ttl: 1))
        counters.count(.hit(ttl: 2))
        counters.count(.stale(.revalidating, ttl: -1))
        counters.count(.passed(isRead: true))
        let lines = MetricsFormat.prometheus.text(counters.samples(store)).split(separator: "\n").filter {
            $0.contains("requests_total{")
        }
        #expect(
            lines == [
                "clash_proxy_cache_requests_total{result=\"hit\"} 2",
                "clash_proxy_cache_requests_total{result=\"stale\",reason=\"revalidating\"} 1",
            ])
    }
}
