// Upstream's Cache-Control (RFC 9111, 5.2.2; RFC 5861) added up. Of directives said twice the stricter holds.

import HTTPTypes

struct ResponseDirectives {
    private(set) var noStore = false
    /// With or without field names: those are not told apart, the stricter reading holds.
    private(set) var noCache = false
    /// With or without field names, likewise.
    private(set) var isPrivate = false
    private(set) var isPublic = false
    private(set) var mustRevalidate = false
    private(set) var proxyRevalidate = false
    private(set) var mustUnderstand = false
    /// Seconds; the smallest if said more than once, 0 where the number cannot be read (RFC 9111, 4.2.1).
    private(set) var maxAge: Int64?
    private(set) var sharedMaxAge: Int64?
    private(set) var staleWhileRevalidate: Int64?
    private(set) var staleIfError: Int64?
    /// Some line broke the grammar, so what upstream wants is not certain.
    private(set) var isMalformed = false

    init(_ fields: HTTPFields) {
        let isWellFormed = CacheControlScanner.scan(fields) { apply($0, seconds: $1) }
        isMalformed = !isWellFormed
    }

    private mutating func apply(_ directive: CacheDirective, seconds: Int64?) {
        switch directive {
        case .noStore: noStore = true
        case .noCache: noCache = true
        case .isPrivate: isPrivate = true
        case .isPublic: isPublic = true
        case .mustRevalidate: mustRevalidate = true
        case .proxyRevalidate: proxyRevalidate = true
        case .mustUnderstand: mustUnderstand = true
        case .maxAge: Self.lower(&maxAge, to: seconds)
        case .sharedMaxAge: Self.lower(&sharedMaxAge, to: seconds)
        case .staleWhileRevalidate: Self.lower(&staleWhileRevalidate, to: seconds)
        case .staleIfError: Self.lower(&staleIfError, to: seconds)
        case .minFresh, .onlyIfCached: break
        }
    }

    private static func lower(_ bound: inout Int64?, to seconds: Int64?) {
        let seconds = seconds ?? 0
        bound = bound.map { min($0, seconds) } ?? seconds
    }

    /// A cache that understands the status ignores `no-store` beside `must-understand` (RFC 9111, 5.2.2.3); only 200 is
    /// ever stored here, and that is understood.
    var forbidsStoring: Bool { noStore && (isMalformed || !mustUnderstand) }

    /// RFC 9111, 3.5: what lets a shared cache store the answer to a request with Authorization.
    var permitsSharing: Bool { !isMalformed && (isPublic || mustRevalidate || sharedMaxAge != nil) }

    /// RFC 9111, 4.2.4: what forbids serving it stale. `s-maxage` means `proxy-revalidate` too (5.2.2.10).
    var forbidsStale: Bool { noCache || mustRevalidate || proxyRevalidate || sharedMaxAge != nil || isMalformed }
}
