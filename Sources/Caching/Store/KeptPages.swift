// Pages of pictures that newer ones have replaced, for those who walk through them. Bounded in number, bytes and time.

import DequeModule

/// The kept pages of one shard, as a value.
struct KeptPages {
    typealias Instant = ContinuousClock.Instant

    private struct Page {
        let key: CacheKey
        let generation: ListBook.Generation
        let answer: CachedAnswer
        let until: Instant
        var cost: Int { answer.cost + key.byteCount }
    }

    private var pages: Deque<Page> = []
    /// Bytes held.
    private(set) var cost = 0

    static let capacity = 256

    /// Keeps a page that is about to be replaced.
    mutating func keep(
        _ answer: CachedAnswer, _ key: CacheKey, _ generation: ListBook.Generation, now: Instant, mostBytes: Int
    ) {
        drop { $0.until <= now || $0.key == key && $0.generation == generation }
        let page = Page(
            key: key, generation: generation, answer: answer, until: now + ListBook.memoryOfReplaced)
        pages.append(page)
        cost += page.cost
        while cost > mostBytes || pages.count > Self.capacity { dropFirst() }
    }

    func find(_ key: CacheKey, _ generation: ListBook.Generation, now: Instant) -> CachedAnswer? {
        pages.last { $0.generation == generation && $0.until > now && $0.key == key }?.answer
    }

    /// The oldest goes; false when there is none.
    @discardableResult
    mutating func dropFirst() -> Bool {
        guard let first = pages.popFirst() else { return false }
        cost -= first.cost
        return true
    }

    mutating func purge(_ invalidation: CacheInvalidation) { drop { invalidation.concerns($0.answer.tags) } }

    mutating func sweep(now: Instant) { drop { $0.until <= now } }

    private mutating func drop(_ isUseless: (Page) -> Bool) {
        if pages.isEmpty { return }
        pages.removeAll(where: isUseless)
        cost = pages.reduce(0) { $0 + $1.cost }
    }
}
