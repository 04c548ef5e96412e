// Upstream's answer on its way to the tool that asked first: because it is for that tool only, or large.

import Caching
import CurlTransport
import RateLimiting
import Synchronization

/// Handed from the fetch to the tool that began it. Whoever lets go of it ends the transfer, unless the fetch keeps it.
final class LivePage: Sendable {
    let response: UpstreamResponse
    /// What the fetch takes off upstream and keeps; nil: the body is the response's own.
    let growing: GrowingBody?
    /// Why it is not shared; nil while that is not known.
    let reason: CacheReason?
    let facts: CallFacts
    private let permit: HeldPermit

    init(
        _ response: UpstreamResponse, growing: GrowingBody? = nil, reason: CacheReason?, facts: CallFacts,
        permit: HeldPermit
    ) {
        self.response = response
        self.growing = growing
        self.reason = reason
        self.facts = facts
        self.permit = permit
    }

    var body: RelayedBody {
        growing.map { RelayedBody($0, declaredLength: response.body.declaredLength) } ?? RelayedBody(response.body)
    }
}

/// A turn that is handed on with what it is for: it goes back when the last who holds this lets go, or with its taker.
final class HeldPermit: Sendable {
    private let permit: Mutex<Gate.Permit?>

    init(_ permit: consuming Gate.Permit) { self.permit = Mutex(permit) }

    /// The turn itself, for the first who asks.
    func take() -> Gate.Permit? { permit.withLock { $0.take() } }
}
