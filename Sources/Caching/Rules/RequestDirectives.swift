// What a tool asks of caches on its way. Read for every request, so a request without such headers costs one pass over
// its field names.

import Ground
import HTTPTypes

/// The tool's Cache-Control (RFC 9111, 5.2.1), and `Pragma: no-cache` where there is no Cache-Control (5.4).
///
/// `max-stale`, and `stale-if-error` in a request, are left out on purpose: RFC 9111 lets a cache ignore them, and how
/// stale an answer may get is the operator's promise to all tools, which no tool can stretch. They can only ask for more
/// freshness, never for less.
package struct RequestDirectives: Sendable, Equatable {
    /// No stored answer may be used without asking upstream.
    package var noCache = false
    /// Nothing of this request or its answer may be stored.
    package var noStore = false
    /// Upstream must not be asked; 504 if nothing usable is stored.
    package var onlyIfCached = false
    /// The oldest answer that the tool takes, 0 to 2^31 seconds; the smallest if said more than once, zero where the
    /// number cannot be read.
    package var maxAge: Duration?
    /// How much longer the answer must stay fresh, 0 to 2^31 seconds; the largest if said more than once, nil where the
    /// number cannot be read.
    package var minFresh: Duration?

    /// Of a request that asks nothing of caches.
    package static let none = RequestDirectives()

    private init() {}

    /// Of a request with these fields.
    package init(_ fields: HTTPFields) {
        var hasCacheControl = false
        var hasPragma = false
        for field in fields {
            let name = field.name.canonicalName
            switch name.utf8.count {
            case 13 where name == "cache-control": hasCacheControl = true
            case 6 where name == "pragma": hasPragma = true
            default: continue
            }
        }
        if hasCacheControl {
            readCacheControl(fields)
        } else if hasPragma {
            noCache = Self.pragmaSaysNoCache(fields)
        }
    }

    private mutating func readCacheControl(_ fields: HTTPFields) {
        // A broken line is no reason to ask more of upstream than what it says.
        _ = CacheControlScanner.scan(fields) { directive, seconds in
            switch directive {
            case .noCache: noCache = true
            case .noStore: noStore = true
            case .onlyIfCached: onlyIfCached = true
            case .maxAge:
                let asked = Duration.seconds(seconds ?? 0)
                maxAge = maxAge.map { min($0, asked) } ?? asked
            case .minFresh:
                guard let seconds else { return }
                let asked = Duration.seconds(seconds)
                minFresh = minFresh.map { max($0, asked) } ?? asked
            default: break
            }
        }
    }

    /// Pragma has the grammar of Cache-Control.
    private static func pragmaSaysNoCache(_ fields: HTTPFields) -> Bool {
        for field in fields where field.name.canonicalName == "pragma" {
            let says = field.withUnsafeBytesOfValue { value in
                let bytes = value.span
                var scanner = CacheControlScanner()
                while let element = scanner.next(in: bytes) {
                    if bytes.spells("no-cache", in: element.name) { return true }
                }
                return false
            }
            if says { return true }
        }
        return false
    }
}
