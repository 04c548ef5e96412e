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

    /// Prometheus text.
    func exposition(_ store: CacheStore.Statistics) -> String {
        var text = "# HELP clash_proxy_cache_requests_total Reads by what the cache did with them.\n"
        text += "# TYPE clash_proxy_cache_requests_total counter\n"
        var counts = others.withLock { $0 }
        counts[CacheVerdict.Word(result: "hit")] = hits.load(ordering: .relaxed)
        for (word, count) in counts.sorted(by: { $0.key.text < $1.key.text }) {
            let reason = word.reason.map { ",reason=\"\($0)\"" } ?? ""
            text += "clash_proxy_cache_requests_total{result=\"\(word.result)\"\(reason)} \(count)\n"
        }
        for (name, kind, help, value) in [
            ("entries", "gauge", "Stored answers.", store.entries),
            ("bytes", "gauge", "Bytes held, buffers of running fetches included.", store.bytes),
            ("evictions_total", "counter", "Answers pushed out for want of room.", store.evictions),
            ("purged_total", "counter", "Answers dropped because of a write or a purge.", store.purged),
        ] {
            text += "# HELP clash_proxy_cache_\(name) \(help)\n# TYPE clash_proxy_cache_\(name) \(kind)\n"
            text += "clash_proxy_cache_\(name) \(value)\n"
        }
        return text
    }
}
