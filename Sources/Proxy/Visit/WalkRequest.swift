// A page of a paged list as the cache serves it: cut out of fetches of the largest page.

import Caching
import ClashAPI
import Edge
import HTTPTypes

/// What a read asks of a paged list.
indirect enum WalkAsk: Sendable {
    case page(WalkRequest)
    /// It carries a token of this proxy that is garbled, of another list, or in a query that is not understood.
    case badToken
}

/// One page of a list whose query is understood.
struct WalkRequest: Sendable {
    let query: ListQuery
    let route: RouteMatch
    let paging: ListPaging
    /// Of the list in fetches of the largest page, and of the first of those.
    let list: CacheKey
    /// Binds tokens to the list: of its path and filters.
    let identity: UInt64
    /// Rows of the page.
    let size: Int
    let place: WalkPlace

    /// Whether it begins the list.
    var isFirst: Bool { place.offset == 0 }

    /// Where its first row is fetched.
    var firstFetch: WalkFetch { WalkFetch(base: place.base, token: place.fetchToken) }

    func key(of fetch: WalkFetch) -> CacheKey {
        if fetch.isFirst { return list }
        var key = list
        switch paging.style {
        case .token: key.append(String(decoding: fetch.token, as: UTF8.self))
        case .skip: key.append(String(fetch.base))
        }
        key.seal()
        return key
    }

    func target(of fetch: WalkFetch) -> String {
        route.listTarget(
            query, top: paging.most, token: fetch.token.isEmpty ? nil : fetch.token, skip: fetch.base)
    }

    /// The token of another page of this walk.
    func token(_ place: WalkPlace) -> String { WalkToken(list: identity, place: place, size: size).text }
}

/// One fetch of the largest page.
struct WalkFetch: Sendable, Equatable {
    /// Rows before it.
    let base: Int
    /// Upstream's; empty: it needs none.
    let token: [UInt8]

    var isFirst: Bool { base == 0 && token.isEmpty }
}

/// How a page of a paged list is served.
enum WalkMode: Sendable, Equatable {
    /// Fetched as it is asked for: nobody has walked the list.
    case alone
    /// Cut out of fetches of the largest page.
    case largest
    /// As upstream has it: nothing can be cut out of its pages.
    case unfit
}

extension WalkAsk {
    /// Nil where the read is none of a paged list, or is upstream's to understand as it is.
    static func of(_ head: RequestHead, _ route: RouteMatch, _ list: () -> CacheKey) -> WalkAsk? {
        guard let paging = route.operation.paging else { return nil }
        guard let query = ListQuery(route) else { return namesOwnToken(route.target) ? .badToken : nil }
        let list = list()
        let identity = list.targetHash
        var (size, place) = (query.top ?? paging.standard, WalkPlace())
        if let spelled = query.token {
            guard WalkToken.isMeant(spelled) else { return nil }
            guard let token = WalkToken(spelled), token.list == identity, token.size <= paging.most else {
                return .badToken
            }
            size = query.top ?? token.size
            place = token.place
        } else if let skip = query.skip {
            let base = skip / paging.most * paging.most
            place = WalkPlace(offset: skip, base: base)
        }
        return .page(
            WalkRequest(
                query: query, route: route, paging: paging, list: list, identity: identity, size: size, place: place))
    }

    private static func namesOwnToken(_ target: String) -> Bool {
        target.utf8.split(whereSeparator: { $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "&") }).contains { pair in
            let value = pair.drop { $0 != UInt8(ascii: "=") }
            return WalkToken.isMeant(value.dropFirst())
        }
    }
}
