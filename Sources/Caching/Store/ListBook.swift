// The generations of lists. The pages of a list are one picture of it: when a page turns out to have changed, the other
// pages of the old picture are not answered any more, so that a walk never mixes two of them.

/// The lists of one shard, as a value.
struct ListBook: Sendable {
    typealias Generation = UInt64

    private struct List {
        var generation: Generation
        /// Of the first page's body; nil when none was seen yet.
        var firstDigest: String?
    }

    private var lists: [CacheKey: List] = [:]
    /// The newest generation of all.
    private(set) var latest: Generation = 0
    /// Of lists that are not known: those never seen, and those forgotten when this was the newest.
    private var floor: Generation = 0
    /// Bytes held.
    private(set) var cost = 0

    static let capacity = 4096
    private static let overhead = 128

    /// The generation that a fetch begun now belongs to.
    func generation(of list: CacheKey) -> Generation { lists[list]?.generation ?? floor }

    /// A page was fetched anew. Returns the generation it is stored under, or nil when the list has changed since the
    /// fetch was begun, when `began` was the newest generation.
    ///
    /// - Parameter previous: the digest of the copy before, if it belongs to the present generation.
    mutating func fetched(_ page: ListPage, digest: String, previous: String?, began: Generation) -> Generation? {
        guard generation(of: page.list) <= began else { return nil }
        guard var list = lists[page.list] else {
            return begin(page.list, firstDigest: page.isFirst ? digest : nil)
        }
        let changed = page.isFirst ? list.firstDigest != digest : previous.map { $0 != digest } ?? false
        if changed { list.generation = next() }
        if page.isFirst { list.firstDigest = digest }
        lists[page.list] = list
        return list.generation
    }

    /// Forgets all lists: no stored page of theirs is answered any more.
    mutating func removeAll() {
        lists.removeAll()
        cost = 0
        floor = next()
    }

    private mutating func begin(_ list: CacheKey, firstDigest: String?) -> Generation {
        if lists.count >= Self.capacity { removeAll() }
        let generation = next()
        lists[list] = List(generation: generation, firstDigest: firstDigest)
        cost += list.byteCount + Self.overhead
        return generation
    }

    private mutating func next() -> Generation {
        latest += 1
        return latest
    }
}
