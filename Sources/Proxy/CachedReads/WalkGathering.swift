// Which fetches a page of a walk needs, one after the other: a value, so that the front desk and the flow go the same way.

import Caching
import ClashAPI

/// Gathers the fetches that one page of a walk is cut out of.
struct WalkGathering {
    /// One of them.
    struct Piece {
        let fetch: WalkFetch
        let key: CacheKey
        let page: CacheStore.WalkPage
        let source: WalkSource

        var rows: Int { source.parts.rows.count }
        /// Rows before what follows it.
        var end: Int { fetch.base + rows }

        /// What follows it; nil: nothing does.
        var following: WalkFetch? {
            guard case .token(let token) = source.parts.next else { return nil }
            return WalkFetch(base: end, token: token)
        }
    }

    let walk: WalkRequest
    private(set) var pieces: [Piece] = []
    /// Of the picture that the page is of; 0: of the present one.
    private(set) var generation: UInt64
    /// The fetch that is needed next; nil: all are here.
    private(set) var wants: WalkFetch?
    /// Its only piece is a page as small as was asked for, and what follows is fetched in larger ones.
    let isAlone: Bool
    private var hops = 0
    private var beginnings = 1

    /// More than this it does not walk upstream for one page.
    private static let mostHops = 16

    init(_ walk: WalkRequest, isAlone: Bool = false) {
        self.walk = walk
        self.isAlone = isAlone
        generation = walk.place.generation
        wants = walk.firstFetch
    }

    /// The fetch that was wanted has come. False: no page of a walk can be cut out of it.
    mutating func take(_ page: CacheStore.WalkPage) -> Bool {
        guard let fetch = wants, let source = page.answer.rendering as? WalkSource else { return false }
        let piece = Piece(fetch: fetch, key: walk.key(of: fetch), page: page, source: source)
        if let first = pieces.first, first.page.answer.page?.count != page.answer.page?.count, beginnings < 3 {
            // Another picture has begun between the two: the whole page is to be of that one.
            beginnings += 1
            pieces = []
            generation = 0
            wants = walk.firstFetch
            return true
        }
        hops += 1
        let following = piece.following.map { walk.paging.style == .skip ? WalkFetch(base: $0.base, token: []) : $0 }
        if walk.place.offset >= piece.end, let following, hops < Self.mostHops {
            wants = following
            return true
        }
        if pieces.isEmpty, page.generation != 0 { generation = page.generation }
        pieces.append(piece)
        wants = walk.place.offset + walk.size > piece.end && hops < Self.mostHops ? following : nil
        return true
    }
}
