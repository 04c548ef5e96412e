// The generations of lists. The pages of a list are one picture of it: when a page turns out to have changed, or to count
// other rows, the pages of the old picture are not answered any more, so that a walk never mixes two of them.
//
// What a later page owes to the first one:
//  - With a `count`, it is good beside an older first page while that one is fresh; both show the same count, else a new
//    picture has begun.
//  - Without, it is good only once a first page that was fetched after it has turned out as the one before it.

/// The lists of one shard, as a value.
struct ListBook: Sendable {
    typealias Generation = UInt64
    typealias Instant = ContinuousClock.Instant

    /// A page as it was fetched.
    struct Fetched: Sendable {
        let page: ListPage
        let digest: String
        /// The digest of the copy before, if it belongs to the present generation.
        let previous: String?
        /// The newest generation when the fetch was begun.
        let began: Generation
        /// Of the fetch: a later one has the greater number.
        let number: UInt64
        let freshUntil: Instant
        var now: Instant?
    }

    /// The first page of a picture.
    private struct First {
        let digest: String
        /// Of the fetch that brought or last confirmed it.
        let number: UInt64
        let freshUntil: Instant

        init(digest: String, number: UInt64, freshUntil: Instant) {
            self.digest = digest
            self.number = number
            self.freshUntil = freshUntil
        }

        /// Nil for a later page.
        init?(_ fetched: Fetched) {
            guard fetched.page.isFirst else { return nil }
            self.init(digest: fetched.digest, number: fetched.number, freshUntil: fetched.freshUntil)
        }
    }

    private struct List {
        var generation: Generation
        /// Of the latest fetch that has begun it or brought or confirmed its first page.
        var number: UInt64
        /// Nil when none was seen yet in this generation.
        var first: First?
        /// What all pages of the generation count.
        var count: Int?
        /// A first page of an older picture is out of date: it is to be fetched anew.
        var wantsFirst = false
        /// The pictures before, the latest last.
        var replaced: [Replaced] = []

        /// With this picture among those before.
        func replaced(at now: Instant?) -> [Replaced] {
            guard let now else { return replaced }
            return replaced.suffix(ListBook.mostReplaced - 1) + [Replaced(generation: generation, since: now)]
        }
    }

    private struct Replaced {
        let generation: Generation
        let since: Instant
    }

    /// So long a picture is kept for its walkers when a newer one has come.
    static let memoryOfReplaced = Duration.seconds(60)
    private static let mostReplaced = 4

    private var lists: [CacheKey: List] = [:]
    /// The newest generation of all.
    private(set) var latest: Generation
    /// Of lists that are not known: those never seen, and those forgotten when this was the newest.
    private var floor: Generation
    /// Bytes held.
    private(set) var cost = 0

    static let capacity = 4096
    private static let overhead = 176

    /// - Parameter beginning: generations are counted from there. Where tools get to see them no other process should count the
    ///   same ones.
    init(countingFrom beginning: Generation = 0) { (latest, floor) = (beginning, beginning) }

    /// Whether the walkers of a picture may still be answered from it: it is the present one, or was so a moment ago. Nil: no.
    func isPresent(_ generation: Generation, of list: CacheKey, now: Instant) -> Bool? {
        guard let list = lists[list] else { return nil }
        if list.generation == generation { return true }
        let isKept = list.replaced.contains { $0.generation == generation && $0.since + Self.memoryOfReplaced > now }
        return isKept ? false : nil
    }

    /// The generation that a fetch begun now belongs to.
    func generation(of list: CacheKey) -> Generation { lists[list]?.generation ?? floor }

    /// How far a stored page is still one picture with the others of its list.
    enum Standing: Equatable {
        case none
        /// Good as long as it is fresh itself.
        case good
        /// Good until the first page expires, if not longer.
        case until(Instant)
    }

    /// - Parameters:
    ///   - generation: under which it is stored.
    ///   - completed: the number of the last fetch that had been begun when it was stored.
    func standing(_ page: ListPage, generation: Generation, completed: UInt64) -> Standing {
        guard let list = lists[page.list], list.generation == generation else { return .none }
        if page.isFirst { return .good }
        guard let first = list.first else { return page.count == nil ? .none : .good }
        if first.number > completed { return .good }
        return page.count == nil ? .none : .until(first.freshUntil)
    }

    /// Whether a page can ever be answered beside the others of its list, as it is known now.
    func mayKeep(_ page: ListPage) -> Bool { page.isFirst || page.count != nil || lists[page.list]?.first != nil }

    /// A page was fetched anew. Returns the generation it is stored under, or nil when the list has changed since the
    /// fetch was begun. What was asked for later wins: a change that only fetches begun before this one have shown does
    /// not make its answer old.
    mutating func fetched(_ fetched: Fetched) -> Generation? {
        let page = fetched.page
        let number = fetched.number
        let hasChanged = generation(of: page.list) > fetched.began
        guard var list = lists[page.list] else {
            if hasChanged { return nil }
            return begin(page.list, List(generation: next(), number: number, first: First(fetched), count: page.count))
        }
        let isOther = page.count != list.count || fetched.previous.map { $0 != fetched.digest } ?? false
        if hasChanged {
            // Beside what came meanwhile a later page can only be told by what it contradicts or repeats.
            guard number > list.number, page.isFirst || isOther || fetched.previous != nil else { return nil }
        }
        if page.isFirst {
            // Without a first page before it there is nothing but the count to tell by.
            let isAlike = list.first.map { $0.digest == fetched.digest } ?? (page.count != nil && !hasChanged)
            if !isAlike || page.count != list.count {
                list = List(generation: next(), number: number, replaced: list.replaced(at: fetched.now))
            }
            list.number = max(list.number, number)
            list.first = First(fetched)
            list.wantsFirst = false
        } else if isOther {
            list = List(
                generation: next(), number: number, wantsFirst: list.first != nil || list.wantsFirst,
                replaced: list.replaced(at: fetched.now))
        }
        list.count = page.count
        lists[page.list] = list
        return list.generation
    }

    /// A first page was confirmed by a fetch: as good as fetched anew.
    mutating func confirmed(_ page: ListPage, digest: String, number: UInt64, freshUntil: Instant) {
        guard page.isFirst, var list = lists[page.list], let first = list.first, first.digest == digest,
            first.number < number
        else { return }
        list.first = First(digest: digest, number: number, freshUntil: freshUntil)
        list.number = max(list.number, number)
        lists[page.list] = list
    }

    /// Whether the first page of a later one's list is to be fetched anew, so that the later one can be kept beside it.
    /// Says so once for each change that a later page has shown.
    mutating func takeWantOfFirst(for page: ListPage, now: Instant) -> Bool {
        guard !page.isFirst, page.count != nil, let list = lists[page.list] else { return false }
        if list.wantsFirst { lists[page.list]?.wantsFirst = false }
        return list.wantsFirst || list.first.map { $0.freshUntil <= now } ?? false
    }

    /// Forgets all lists: no stored page of theirs is answered any more.
    mutating func removeAll() {
        lists.removeAll()
        cost = 0
        floor = next()
    }

    private mutating func begin(_ key: CacheKey, _ list: List) -> Generation {
        var list = list
        if lists.count >= Self.capacity {
            removeAll()
            list.generation = next()
        }
        lists[key] = list
        cost += key.byteCount + Self.overhead
        return list.generation
    }

    private mutating func next() -> Generation {
        latest += 1
        return latest
    }
}
