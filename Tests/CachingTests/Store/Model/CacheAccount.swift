// The account of a random run: what was stored when, written when and deleted when. It forgets nothing.

@testable import Caching

struct CacheAccount {
    struct Stored {
        /// Held so that no other answer gets its identity.
        let answer: CachedAnswer
        let reports: Set<Int>
        let tags: [String]
        /// The step at which upstream's body was stored; a 304 changes nothing in it.
        let picture: Int
        /// The step at which the fetch that last confirmed it was sent.
        let begun: Int
        /// The step at which it was stored or confirmed.
        let completed: Int
    }

    /// The first page of a list's present picture.
    struct First {
        let digest: String
        /// The step at which the fetch that brought or confirmed it was sent.
        let begun: Int
        let freshUntil: ContinuousClock.Instant
    }

    private struct List {
        var first: First?
        var count: Int?
        /// The step at which its last change was seen.
        var changed = 0
        /// When the latest fetch was begun that has shown its picture.
        var shownBy = 0
        var lastStored = 0
    }

    var stored: [ObjectIdentifier: Stored] = [:]
    /// Deleted, and told so.
    private(set) var deleted: Set<Int> = []
    private var remembered: [Int: ContinuousClock.Instant] = [:]
    private var written: [String: Int] = [:]
    private var allWritten = 0
    private var lists: [CacheKey: List] = [:]

    // MARK: Writes

    mutating func invalidate(_ tags: [String], step: Int) { for tag in tags { written[tag] = step } }

    mutating func invalidateAll(step: Int) { allWritten = step }

    /// The last step at which something of this was written.
    func invalidated(_ tags: [String]) -> Int { tags.reduce(allWritten) { max($0, written[$1] ?? 0) } }

    mutating func delete(_ id: Int, isAnswered: Bool, now: ContinuousClock.Instant) {
        if isAnswered { deleted.insert(id) }
        remembered[id] = now + .seconds(300)
    }

    func isRemembered(_ id: Int, now: ContinuousClock.Instant) -> Bool { remembered[id].map { $0 > now } ?? false }

    // MARK: Age

    /// How long ago it expired; negative while it is fresh. A later page that says how many rows its list has is no
    /// fresher than a first page that is older than itself.
    func staleness(_ answer: CachedAnswer, now: ContinuousClock.Instant, knowsLists: Bool = true) -> Duration {
        let own = answer.receivedAt.duration(to: now) + answer.freshness.initialAge - answer.freshness.lifetime
        guard knowsLists, let page = answer.page, !page.isFirst, let first = lists[page.list]?.first,
            let completed = stored[ObjectIdentifier(answer)]?.completed, first.begun <= completed
        else { return own }
        return max(own, first.freshUntil.duration(to: now))
    }

    // MARK: Lists

    func changed(_ list: CacheKey) -> Int { lists[list]?.changed ?? 0 }

    func shownBy(_ list: CacheKey) -> Int { lists[list]?.shownBy ?? 0 }

    func first(_ list: CacheKey) -> First? { lists[list]?.first }

    func lastStored(_ page: ListPage?) -> Int { page.flatMap { lists[$0.list]?.lastStored } ?? 0 }

    /// A page was fetched; says whether its list was seen to have changed by it: the first page differs from the one
    /// before, a later one from its copy, or the list has another number of rows.
    mutating func fetched(
        _ answer: CachedAnswer, of page: ListPage, copy: CachedAnswer?, begun: Int, step: Int
    ) -> Bool {
        let known = lists[page.list]
        var list = known ?? List(count: page.count)
        var hasChanged = list.count != page.count
        if page.isFirst {
            if let first = list.first { hasChanged = hasChanged || first.digest != answer.digest }
            // What later pages without a count showed may have been another picture.
            if list.first == nil, page.count == nil, known != nil { hasChanged = true }
        } else if let copy {
            hasChanged = hasChanged || copy.digest != answer.digest
        }
        if hasChanged { list = List(changed: step, shownBy: begun, lastStored: list.lastStored) }
        if page.isFirst || known == nil { list.shownBy = max(list.shownBy, begun) }
        if page.isFirst { list.first = First(digest: answer.digest, begun: begun, freshUntil: answer.freshUntil) }
        list.count = page.count
        list.lastStored = step
        lists[page.list] = list
        return hasChanged
    }

    /// A 304 said that the first page is as it was.
    mutating func confirmed(_ answer: CachedAnswer, of page: ListPage, begun: Int) {
        guard page.isFirst, lists[page.list]?.first?.digest == answer.digest else { return }
        lists[page.list]?.first = First(digest: answer.digest, begun: begun, freshUntil: answer.freshUntil)
    }
}
