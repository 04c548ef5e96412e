// The first page of a list that nobody has walked yet: fetched as it was asked for, with links that lead on by tokens of this
// proxy, so that the walk is served from fetches of the largest page.

import Caching
import ClashAPI
import HTTPTypes

extension WalkRequest {
    /// The body with such links; nil where it is no page that a walk could go on from.
    func withOwnLinks(_ body: SplicedBody, base: String) -> SplicedBody? {
        guard isFirst, let source = WalkSource(body, route.operation) else { return nil }
        let parts = source.parts
        guard parts.rows.count <= size, !parts.goesOn || parts.rows.count == size else { return nil }
        let answer = CachedAnswer(
            status: .ok, fields: HTTPFields(), body: body, digest: "", freshness: Freshness(lifetime: .zero),
            receivedAt: .now, rendering: source)
        var gathering = WalkGathering(self, isAlone: true)
        let page = CacheStore.WalkPage(answer: answer, generation: 0, ttl: .zero, isReplaced: false)
        guard gathering.take(page) else { return nil }
        let plain = gathering.plainBody
        return SplicedBody(plain.bytes, places: plain.places, base: base)
    }
}
