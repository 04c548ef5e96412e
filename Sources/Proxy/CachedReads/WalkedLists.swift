// Which lists are walked, or asked for in several sizes: those are served from fetches of the largest page. A list that is only
// ever asked for its first rows, in one size, costs no more than it did.

import Caching
import ClashAPI
import Synchronization

/// What is remembered of paged lists. Bounded; usable from every thread.
final class WalkedLists: Sendable {
    typealias Instant = ContinuousClock.Instant

    private struct List {
        /// The only size that it was asked for in.
        let size: Int
        var isWalked = false
        /// The key of the page that was fetched alone.
        var alone: CacheKey?
        var unfitUntil: Instant?
        var seen: Instant
    }

    private let lists = Mutex<[CacheKey: List]>([:])

    /// So long after it was last asked for a list counts as walked.
    static let memory = Duration.seconds(3600)
    /// So long nothing is tried with a list whose pages could not be cut.
    static let memoryOfUnfit = Duration.seconds(600)
    static let capacity = 4096

    /// A page is asked for. Also returns the key of a page that was fetched alone and is not to be given any more: others would
    /// show another state beside it.
    func asked(_ walk: WalkRequest, under key: CacheKey, now: Instant) -> (WalkMode, dropping: CacheKey?) {
        lists.withLock { lists in
            if lists.count >= Self.capacity, lists[walk.list] == nil { Self.tidy(&lists, now) }
            var list = lists[walk.list] ?? List(size: walk.size, seen: now)
            if list.seen + Self.memory <= now { list = List(size: walk.size, seen: now) }
            list.seen = now
            defer { lists[walk.list] = list }
            if let until = list.unfitUntil, until > now, walk.query.token == nil { return (.unfit, nil) }
            if list.isWalked { return (.largest, nil) }
            if walk.isFirst, walk.size == list.size, walk.size < walk.paging.most {
                list.alone = key
                return (.alone, nil)
            }
            list.isWalked = true
            return (.largest, list.alone.take())
        }
    }

    /// Whether a page that was fetched alone has come too late.
    func isWalked(_ list: CacheKey) -> Bool { lists.withLock { $0[list]?.isWalked ?? false } }

    /// Nothing can be cut out of a list's pages.
    func isUnfit(_ walk: WalkRequest, now: Instant) {
        lists.withLock { $0[walk.list]?.unfitUntil = now + Self.memoryOfUnfit }
    }

    private static func tidy(_ lists: inout [CacheKey: List], _ now: Instant) {
        lists = lists.filter { $0.value.seen + memory > now }
        if lists.count >= capacity { lists.removeAll() }
    }
}

extension PageShape {
    /// Its place in the list that walks are cut out of.
    var page: ListPage? { if case .forWalks(let page) = self { page } else { nil } }
}

extension PageQuery {
    /// The same in the shape that its fetch is to have when the page is served so.
    func shaped(for mode: WalkMode?) -> PageQuery {
        guard mode == .alone, case .page(let walk) = walk else { return self }
        var query = self
        query.shape = .ownLinks(walk)
        return query
    }
}
