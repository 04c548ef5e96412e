// The Cache-Status header: what the cache did with a request, in RFC 9211's words. Hits are written straight into the
// bytes of the answer, for that is the hot path.

import Ground

/// Why a stale answer was served; the `detail` of Cache-Status, and a label of log and metrics.
package enum StaleReason: String, Sendable, CaseIterable {
    /// Upstream limits the rate just now.
    case rateLimited = "rate-limited"
    /// There is no upstream token to be had.
    case tokenUnavailable = "token-unavailable"
    /// Upstream answered 5xx.
    case upstreamError = "upstream-error"
    /// Upstream took too long.
    case upstreamTimeout = "upstream-timeout"
    /// Upstream could not be reached.
    case upstreamUnreachable = "upstream-unreachable"
    /// It is being refreshed in the background.
    case revalidating
}

/// One answer's Cache-Status (RFC 9211), as the cache `clash-proxy`.
package enum CacheStatus: Sendable, Equatable {
    /// Why the request went upstream (RFC 9211, 2.2).
    package enum Forward: String, Sendable, CaseIterable {
        /// Nothing is stored under its key.
        case uriMiss = "uri-miss"
        /// Something is stored, but not for what Vary names.
        case varyMiss = "vary-miss"
        /// What is stored is stale.
        case stale
        /// What is stored is fresh, but the tool asked for more.
        case request
        /// Its method is not answered from a cache.
        case method
        /// The cache was not to be used.
        case bypass
        /// Only a part is stored.
        case partial
        /// Nothing that fits is stored, and it is not said why.
        case miss
    }

    /// How an answer came about that is more than a stored one.
    package enum Making: String, Sendable, CaseIterable {
        /// Cut out of fetches of the largest page.
        case walk
        /// Its tool waited for a change.
        case wait
    }

    /// Answered from the cache and fresh for `ttl` more seconds.
    case hit(ttl: Int)
    /// Answered without a call of its own, fresh for `ttl` more seconds: a page of a walk cut out of what is stored, or the end of
    /// a wait for a change.
    case made(ttl: Int, by: Making)
    /// Answered from the cache although stale: `ttl` is negative, the seconds since it became so.
    case stale(ttl: Int, detail: StaleReason)
    /// Went upstream. `stored`: the answer was stored. `collapsed`: it shared another request's fetch. `status`: what
    /// upstream answered, where it differs from what the tool gets. `detail`: a token such as a `CacheReason`.
    case forwarded(Forward, stored: Bool, collapsed: Bool, status: Int?, detail: String?)

    /// The value, for example `clash-proxy; hit; ttl=12`.
    package var headerValue: String {
        var bytes: [UInt8] = []
        write(into: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Appends the value. A hit costs two copies and no allocation but what `bytes` needs to grow.
    package func write(into bytes: inout [UInt8]) {
        switch self {
        case .hit(let ttl):
            bytes.append("clash-proxy; hit; ttl=")
            bytes.append(decimal: ttl)
        case .made(let ttl, let making):
            bytes.append("clash-proxy; hit; ttl=")
            bytes.append(decimal: ttl)
            bytes.append("; detail=")
            bytes.append(contentsOf: making.rawValue.utf8)
        case .stale(let ttl, let detail):
            bytes.append("clash-proxy; hit; ttl=")
            bytes.append(decimal: ttl)
            bytes.append("; detail=")
            bytes.append(contentsOf: detail.rawValue.utf8)
        case .forwarded(let forward, let stored, let collapsed, let status, let detail):
            bytes.append("clash-proxy; fwd=")
            bytes.append(contentsOf: forward.rawValue.utf8)
            if let status {
                bytes.append("; fwd-status=")
                bytes.append(decimal: status)
            }
            if stored { bytes.append("; stored") }
            if collapsed { bytes.append("; collapsed") }
            if let detail {
                bytes.append("; detail=")
                bytes.append(structured: detail)
            }
        }
    }
}

extension [UInt8] {
    fileprivate mutating func append(_ text: StaticString) {
        append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    fileprivate mutating func append(decimal number: Int) {
        // Sign and 19 digits.
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { digits in
            var start = digits.count
            var rest = number.magnitude
            repeat {
                start -= 1
                digits[start] = UInt8(truncatingIfNeeded: rest % 10) + 0x30
                rest /= 10
            } while rest > 0
            if number < 0 {
                start -= 1
                digits[start] = UInt8(ascii: "-")
            }
            append(contentsOf: UnsafeBufferPointer(rebasing: digits[start...]))
        }
    }

    /// As a token where it is one, else as a string (RFC 8941, 3.3.3 and 3.3.4); what a string cannot hold becomes `?`.
    fileprivate mutating func append(structured text: String) {
        let isToken = text.utf8.allSatisfy { FieldSyntax.isTokenByte($0) || $0 == 0x3A || $0 == 0x2F }
        if isToken, let first = text.utf8.first, ASCII.folded(first) &- 0x61 < 26 || first == 0x2A {
            append(contentsOf: text.utf8)
            return
        }
        append(FieldSyntax.quote)
        for byte in text.utf8 {
            if byte == FieldSyntax.quote || byte == FieldSyntax.backslash { append(FieldSyntax.backslash) }
            append(0x20...0x7E ~= byte ? byte : UInt8(ascii: "?"))
        }
        append(FieldSyntax.quote)
    }
}
