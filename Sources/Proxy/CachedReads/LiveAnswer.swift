// Upstream's answer on its way to the tool that asked first: because it is for that tool only, or large.

import Caching
import CurlTransport
import RateLimiting
import Synchronization

/// Handed from a fetch to the tool that began it, its reader. The reader says when it is done, which it must, whatever
/// becomes of its tool: then what it left unread is given up, and its room goes back.
final class LiveAnswer: Sendable {
    let response: UpstreamResponse
    /// What the fetch takes off upstream and keeps; nil: the body is the response's own.
    let growing: GrowingBody?
    /// Why it is not shared; nil while that is not known.
    let reason: CacheReason?
    let facts: CallFacts
    private let state = Mutex((isRead: false, isFetched: false))

    /// What its fetch holds upstream.
    let place: Gate.Place?

    init(
        _ response: UpstreamResponse, growing: GrowingBody? = nil, reason: CacheReason?, facts: CallFacts,
        place: Gate.Place? = nil
    ) {
        self.place = place
        self.response = response
        self.growing = growing
        self.reason = reason
        self.facts = facts
    }

    var body: RelayedBody {
        growing.map { RelayedBody($0, declaredLength: response.body.declaredLength) } ?? RelayedBody(response.body)
    }

    /// The reader needs it no more: it has all of it, or leaves. Later calls do nothing.
    func done() {
        growing?.leave()
        let isFetched = state.withLock { state in
            state.isRead = true
            return state.isFetched
        }
        if isFetched { response.body.cancel() }
    }

    /// The fetch takes no more of it: what is left is the reader's, or is given up where that is done.
    func fetched() {
        let isRead = state.withLock { state in
            state.isFetched = true
            return state.isRead
        }
        if isRead { response.body.cancel() }
    }
}
