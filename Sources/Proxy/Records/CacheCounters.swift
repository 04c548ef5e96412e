// How often the cache did what, by the words of the access log. A bounded number of series: the words are enums.

import Caching
import Synchronization

/// Counts since the start. Usable from every thread.
final class CacheCounters: Sendable {
    private let hits = Atomic<Int>(0)
    private let others = Mutex<[String: Int]>([:])

    /// - Parameter verdict: as in `ExchangeRecord.cache`.
    func count(_ verdict: String) {
        if verdict == "hit" {
            hits.add(1, ordering: .relaxed)
        } else {
            others.withLock { $0[verdict, default: 0] += 1 }
        }
    }

    /// Prometheus text.
    func exposition(_ store: CacheStore.Statistics) -> String {
        var text = "# HELP clash_proxy_cache_requests_total Reads by what the cache did with them.\n"
        text += "# TYPE clash_proxy_cache_requests_total counter\n"
        var counts = others.withLock { $0 }
        counts["hit"] = hits.load(ordering: .relaxed)
        for (verdict, count) in counts.sorted(by: { $0.key < $1.key }) {
            let parts = verdict.split(separator: ":", maxSplits: 1)
            let reason = parts.count > 1 ? ",reason=\"\(parts[1])\"" : ""
            text += "clash_proxy_cache_requests_total{result=\"\(parts[0])\"\(reason)} \(count)\n"
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
