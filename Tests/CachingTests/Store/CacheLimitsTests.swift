// How long after its expiry an answer may still be given.

import Testing

@testable import Caching

@Suite("The bounds of staleness")
struct CacheLimitsTests {
    private let limits = CacheLimits(staleWhileRevalidate: .seconds(30), staleIfError: .seconds(3600))

    private func freshness(
        mustRevalidate: Bool = false, whileRevalidating: Int? = nil, onError: Int? = nil
    ) -> Freshness {
        Freshness(
            lifetime: .seconds(5), mustRevalidate: mustRevalidate,
            staleWhileRevalidate: whileRevalidating.map { .seconds($0) }, staleIfError: onError.map { .seconds($0) })
    }

    @Test("the configured bounds hold to the nanosecond")
    func configured() {
        let freshness = freshness()
        #expect(limits.allowsWhileRevalidating(freshness, staleness: .seconds(30)))
        #expect(!limits.allowsWhileRevalidating(freshness, staleness: .seconds(30) + .nanoseconds(1)))
        #expect(limits.allowsOnError(freshness, staleness: .seconds(3600)))
        #expect(!limits.allowsOnError(freshness, staleness: .seconds(3600) + .nanoseconds(1)))
    }

    @Test("upstream can narrow the bounds and not widen them")
    func upstream() {
        let narrow = freshness(whileRevalidating: 2, onError: 10)
        #expect(limits.allowsWhileRevalidating(narrow, staleness: .seconds(2)))
        #expect(!limits.allowsWhileRevalidating(narrow, staleness: .seconds(3)))
        #expect(limits.allowsOnError(narrow, staleness: .seconds(10)))
        #expect(!limits.allowsOnError(narrow, staleness: .seconds(11)))
        let wide = freshness(whileRevalidating: 9999, onError: 99_999)
        #expect(!limits.allowsWhileRevalidating(wide, staleness: .seconds(31)))
        #expect(!limits.allowsOnError(wide, staleness: .seconds(3601)))
    }

    @Test("what must be revalidated is never given stale")
    func mustRevalidate() {
        let strict = freshness(mustRevalidate: true, whileRevalidating: 99, onError: 99)
        #expect(!limits.allowsWhileRevalidating(strict, staleness: .zero))
        #expect(!limits.allowsOnError(strict, staleness: .zero))
    }

    @Test("what was never fresh is confirmed before each use, and given only when upstream cannot be asked")
    func neverFresh() {
        let freshness = Freshness(lifetime: .zero)
        #expect(!limits.allowsWhileRevalidating(freshness, staleness: .zero))
        #expect(limits.allowsOnError(freshness, staleness: .seconds(1)))
    }
}
