// What the configuration says about the cache.

/// Sizes and hard bounds.
package struct CacheLimits: Sendable, Equatable {
    /// Bytes that all stored answers may hold, and the buffers of those being fetched.
    package var maxBytes: Int
    /// Bytes of the largest body that is stored.
    package var maxEntryBytes: Int
    /// How long after its expiry an answer may still be given while it is being refreshed.
    package var staleWhileRevalidate: Duration
    /// How long after its expiry an answer may still be given when upstream cannot be asked.
    package var staleIfError: Duration

    /// The limits that `proxy.conf` ships with, unless said otherwise.
    package init(
        maxBytes: Int = 256 << 20, maxEntryBytes: Int = 16 << 20, staleWhileRevalidate: Duration = .seconds(30),
        staleIfError: Duration = .seconds(3600)
    ) {
        self.maxBytes = maxBytes
        self.maxEntryBytes = maxEntryBytes
        self.staleWhileRevalidate = staleWhileRevalidate
        self.staleIfError = staleIfError
    }

    /// Whether an answer that expired this long ago may be given while it is refreshed (RFC 5861, 3).
    package func allowsWhileRevalidating(_ freshness: Freshness, staleness: Duration) -> Bool {
        // What was never fresh is to be confirmed before each use.
        !freshness.mustRevalidate && freshness.lifetime > .zero
            && staleness <= min(freshness.staleWhileRevalidate ?? staleWhileRevalidate, staleWhileRevalidate)
    }

    /// Whether an answer that expired this long ago may be given in place of an error (RFC 5861, 4).
    package func allowsOnError(_ freshness: Freshness, staleness: Duration) -> Bool {
        !freshness.mustRevalidate && staleness <= min(freshness.staleIfError ?? staleIfError, staleIfError)
    }
}
