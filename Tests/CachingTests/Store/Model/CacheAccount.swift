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
    }

    private struct List {
        var firstDigest: String?
        /// The step at which its last change was seen.
        var changed = 0
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

    /// How long ago it expired; negative while it is fresh.
    func staleness(_ answer: CachedAnswer, now: ContinuousClock.Instant) -> Duration {
        answer.receivedAt.duration(to: now) + answer.freshness.initialAge - answer.freshness.lifetime
    }

    // MARK: Lists

    func changed(_ list: CacheKey) -> Int { lists[list]?.changed ?? 0 }

    func lastStored(_ page: ListPage?) -> Int { page.flatMap { lists[$0.list]?.lastStored } ?? 0 }

    /// A page was stored; says whether its list was seen to have changed by it: the first page differs from the one
    /// before, or a later one from its copy.
    mutating func stored(_ answer: CachedAnswer, of page: ListPage, copy: CachedAnswer?, step: Int) -> Bool {
        var list = lists[page.list] ?? List()
        let before = page.isFirst ? list.firstDigest : copy?.digest
        let hasChanged = before.map { $0 != answer.digest } ?? false
        if hasChanged { list.changed = step }
        if page.isFirst { list.firstDigest = answer.digest }
        list.lastStored = step
        lists[page.list] = list
        return hasChanged
    }
}
