// How often the cache did what, by the words of the access log. A bounded number of series: the words are enums.

import Caching
import Synchronization

/// Counts since the start. Usable from every thread.
final class CacheCounters: Sendable {
    private let hits = Atomic<Int>(0)
    private let others = Mutex<[CacheVerdict.Word: Int]>([:])

    /// Counts a request with which the cache had to do.
    func count(_ verdict: CacheVerdict) {
        if case .hit = verdict {
            hits.add(1, ordering: .relaxed)
        } else if let word = verdict.word {
            others.withLock { $0[word, default: 0] += 1 }
        }
    }

    /// Answers that cost no call of their own: out of the cache, and other requests' answers.
    var saved: (hits: Int, flights: Int, walks: Int, waits: Int) {
        let counts = others.withLock { $0 }
        func all(_ result: String) -> Int { counts.reduce(0) { $1.key.result == result ? $0 + $1.value : $0 } }
        return (hits.load(ordering: .relaxed) + all("stale"), all("collapsed"), all("walk"), all("wait"))
    }

    /// For `/metrics`, together with what the store holds.
    func samples(_ store: CacheStore.Statistics) -> [MetricSample] {
        var counts = others.withLock { $0 }
        counts[CacheVerdict.Word(result: "hit")] = hits.load(ordering: .relaxed)
        let saved = saved
        return counts.map { MetricSample(.cacheRequests, $0.value, $0.key.result, $0.key.reason ?? "") } + [
            MetricSample(.upstreamSaved, saved.hits, "hit"), MetricSample(.upstreamSaved, saved.flights, "flight"),
            MetricSample(.upstreamSaved, saved.walks, "walk"), MetricSample(.upstreamSaved, saved.waits, "wait"),
            MetricSample(.cacheEntries, store.entries), MetricSample(.cacheBytes, store.bytes),
            MetricSample(.cacheEvictions, store.evictions), MetricSample(.cachePurged, store.purged),
        ]
    }
}
