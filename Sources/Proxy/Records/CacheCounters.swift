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

    /// For `/metrics`, together with what the store holds.
    func samples(_ store: CacheStore.Statistics) -> [MetricSample] {
        var counts = others.withLock { $0 }
        counts[CacheVerdict.Word(result: "hit")] = hits.load(ordering: .relaxed)
        func all(_ results: String...) -> Int {
            counts.reduce(0) { results.contains($1.key.result) ? $0 + $1.value : $0 }
        }
        return counts.map { MetricSample(.cacheRequests, $0.value, $0.key.result, $0.key.reason ?? "") } + [
            MetricSample(.upstreamSaved, all("hit", "stale"), "hit"),
            MetricSample(.upstreamSaved, all("collapsed"), "flight"),
            MetricSample(.cacheEntries, store.entries), MetricSample(.cacheBytes, store.bytes),
            MetricSample(.cacheEvictions, store.evictions), MetricSample(.cachePurged, store.purged),
        ]
    }
}
