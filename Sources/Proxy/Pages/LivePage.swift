// Upstream's answer on its way, when it can not be shared: too large, or for one tool only.

import Caching
import CurlTransport
import RateLimiting

/// Handed from the fetch to the tool that began it. Whoever lets go of it ends the transfer.
final class LivePage: Sendable {
    let response: UpstreamResponse
    /// What was already taken from the body.
    let prefix: [UInt8]
    /// Why it is not shared.
    let reason: CacheReason
    let facts: CallFacts
    private let permit: HeldPermit

    init(_ response: UpstreamResponse, prefix: [UInt8], reason: CacheReason, facts: CallFacts, permit: HeldPermit) {
        self.response = response
        self.prefix = prefix
        self.reason = reason
        self.facts = facts
        self.permit = permit
    }
}

/// A permit that can be shared: it goes back when the last who holds this lets go.
final class HeldPermit: Sendable {
    private let permit: Permit

    init(_ permit: consuming Permit) { self.permit = permit }
}
