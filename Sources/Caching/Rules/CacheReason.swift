// The one list of reasons that headers, log and metrics share, so that what a tool reads can be counted and searched.

/// Why an answer was not stored, or a stored one not used. The raw values are stable and form RFC 9211 tokens.
package enum CacheReason: String, Sendable, CaseIterable {
    // What the answer is.
    /// Upstream forbids storing it.
    case noStore = "no-store"
    /// Upstream says it is for one user only.
    case isPrivate = "private"
    /// It sets a cookie.
    case setCookie = "set-cookie"
    /// What it depends on cannot be told from the request: `Vary: *`, or a `Vary` that cannot be read.
    case varyAny = "vary-any"
    /// It depends on a field that upstream was not sent: `Vary` names one that a shared fetch leaves out.
    case varyNotSent = "vary-not-sent"
    /// Its status is not 200.
    case notOK = "status"
    /// It is a part of something.
    case partial = "partial-content"
    /// It is larger than one entry may be.
    case tooLarge = "too-large"
    /// Nothing says how long it would be fresh, or it is stale at once and has no validator.
    case noFreshness = "no-freshness"
    /// The request carried `Authorization` and the answer does not permit shared caches to store it (RFC 9111, 3.5).
    case needsPermission = "authorization"
    /// Its body did not arrive whole.
    case incomplete = "incomplete"

    // What happened meanwhile.
    /// Something was written since the fetch began, or since the entry was stored.
    case invalidated = "invalidated"
    /// It names an object that was deleted.
    case deletedID = "deleted-id"
    /// What is stored was fetched later.
    case superseded = "superseded"
    /// It is a later page without a count, and no first page is known to which it could belong.
    case noFirstPage = "no-first-page"
    /// The first page of its list has changed.
    case listChanged = "list-changed"

    /// This process does not hear what the others of its fleet do, so nothing stored was used.
    case fleetCut = "fleet-cut"

    // What the tool asked.
    /// `Cache-Control: no-store`.
    case requestNoStore = "request-no-store"
    /// `Cache-Control: no-cache` or `Pragma: no-cache`.
    case requestNoCache = "request-no-cache"
    /// The stored answer is older than the tool's `max-age`.
    case requestMaxAge = "request-max-age"
    /// The stored answer is not fresh for as long as the tool's `min-fresh` demands.
    case requestMinFresh = "request-min-fresh"

    // What the cache is like.
    /// Answers under this key were found uncacheable a short while ago.
    case rememberedUncacheable = "uncacheable"
    /// There is no room.
    case noRoom = "memory"
}
