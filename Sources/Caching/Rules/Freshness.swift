// How long a stored answer may be used, as its head said when it arrived. Whoever stores it adds the time that it has
// been here.

/// What RFC 9111 makes of an answer's head: how long it is fresh and what holds afterwards.
package struct Freshness: Sendable, Equatable {
    /// From its making at upstream to its becoming stale; 0 to 2^31 seconds (RFC 9111, 4.2.1). It is fresh while
    /// `initialAge` and the time since it was received are together less than this.
    package var lifetime: Duration
    /// The age it had on arrival, `corrected_initial_age` of RFC 9111, 4.2.3. Never negative. A clock of ours that is
    /// ahead of upstream's adds to it, one that is behind takes nothing away.
    package var initialAge: Duration
    /// Whether upstream's own words decided the lifetime, not the heuristic.
    package var isExplicit: Bool
    /// It must never be served stale, whatever the two bounds below say (RFC 9111, 4.2.4).
    package var mustRevalidate: Bool
    /// How long after its lifetime upstream lets it be used while it is refreshed (RFC 5861, 3); nil if unsaid.
    package var staleWhileRevalidate: Duration?
    /// How long after its lifetime upstream lets it be used when upstream fails (RFC 5861, 4); nil if unsaid.
    package var staleIfError: Duration?

    /// A freshness of these parts.
    package init(
        lifetime: Duration,
        initialAge: Duration = .zero,
        isExplicit: Bool = false,
        mustRevalidate: Bool = false,
        staleWhileRevalidate: Duration? = nil,
        staleIfError: Duration? = nil
    ) {
        self.lifetime = lifetime
        self.initialAge = initialAge
        self.isExplicit = isExplicit
        self.mustRevalidate = mustRevalidate
        self.staleWhileRevalidate = staleWhileRevalidate
        self.staleIfError = staleIfError
    }
}
