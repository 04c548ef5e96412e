// What of a request concerns the cache: its key, what the tool asks of caches, and whether its answer may be shared.

import Caching
import ClashAPI
import Edge
import HTTPTypes

/// A read whose answer may come from the cache.
struct PageQuery: Sendable {
    var key: CacheKey
    var directives: RequestDirectives
    /// Whether the table knows the operation. Of others nothing is kept without upstream's word.
    let isKnown: Bool
    /// What links in the answer begin with.
    let base: LinkBase
    /// Whether a fetch of the whole, without what is about one tool alone, would answer it.
    let mayBeFetched: Bool
    /// Whether the tool has something already and asks whether it is still good.
    let hasPreconditions: Bool
    /// How long it waits for a change of what it has; nil: not at all.
    let waitsFor: Duration?
    /// What it asks of a paged list, where such are served from fetches of the largest page.
    var walk: WalkAsk?
    /// What the fetch for it is made fit for.
    var shape = PageShape.asItIs

    /// - Parameters:
    ///   - partition: whose answers may be mixed; see `PageCache.partition`.
    ///   - scheme: see `LinkBase`.
    /// - Returns: nil for requests that are none of the cache's business.
    static func of(
        _ head: RequestHead, _ route: RouteMatch, partition: String, links: LinkSettings, scheme: String
    ) -> PageQuery? {
        guard head.method == .get || head.method == .head, head.framing == .none, route.operationClass == .read,
            !head.fields.nominatesSharedFetch
        else { return nil }
        return PageQuery(
            key: key(head, route, partition: partition), directives: RequestDirectives(head.fields),
            isKnown: route.operation.isKnown, base: LinkBase(links, head, scheme: scheme),
            mayBeFetched: mayBeFetched(head.fields, isKnown: route.operation.isKnown),
            hasPreconditions: Conditional.hasPreconditions(head.fields), waitsFor: waitsFor(head))
    }

    /// Only who has a page of this proxy's can wait for it to change.
    private static func waitsFor(_ head: RequestHead) -> Duration? {
        guard head.method == .get, head.fields.contains(.ifNoneMatch), OwnTag.stands(in: head.fields, .ifNoneMatch),
            let wait = Prefer.wait(in: head.fields), wait > .zero
        else { return nil }
        return min(wait, longestWait)
    }

    private static let longestWait = Duration.seconds(60)

    /// Whether a shared fetch would bring the answer. Known operations depend on nothing that it leaves out. What an
    /// unknown one makes of any other field, a condition, a range or a cookie among them, is for upstream to say: such a
    /// read goes by itself, with all its fields, and is not kept.
    private static func mayBeFetched(_ fields: HTTPFields, isKnown: Bool) -> Bool {
        if fields.contains(.ifMatch) || fields.contains(.ifUnmodifiedSince) { return false }
        return isKnown || !fields.exceedsSharedFetch
    }

    /// Everything that makes two reads ask for the same thing (DESIGN: never the token, never the URL alone).
    private static func key(_ head: RequestHead, _ route: RouteMatch, partition: String) -> CacheKey {
        var key = CacheKey(partition: partition, estimatedBytes: head.target.utf8.count + 96)
        key.appendTarget { route.appendCanonicalTarget(to: &$0) }
        appendFields(of: head, route, to: &key)
        key.seal()
        return key
    }

    private static func appendFields(of head: RequestHead, _ route: RouteMatch, to key: inout CacheKey) {
        key.append(.accept, of: head.fields)
        var fields = head.fields
        if fields.contains(.prefer) { Prefer.removeWait(from: &fields) }
        key.append(.prefer, of: fields)
        for name in Self.selecting { key.append(name, of: head.fields) }
        key.append(Coding.asked(by: head.fields, of: route.operation).rawValue)
    }

    /// The list of a page, as fetches of its largest page are known by it.
    static func walk(_ head: RequestHead, _ route: RouteMatch, partition: String) -> WalkAsk? {
        guard route.operation.paging != nil else { return nil }
        return WalkAsk.of(head, route) {
            var list = CacheKey(partition: partition, estimatedBytes: head.target.utf8.count + 96)
            list.appendTarget { bytes in
                let start = bytes.count
                route.appendCanonicalTarget(to: &bytes)
                _ = Paging.remove(Paging.names + [Paging.top], from: &bytes, start: start)
            }
            appendFields(of: head, route, to: &list)
            list.append(largestPages)
            list.seal()
            return list
        }
    }

    /// No key of a single page ends so.
    private static let largestPages = "walk"

    /// The request fields beside `Accept` and `Prefer` that upstream's answers depend on.
    private static let selecting = HeaderTraits.names(with: .selecting)

    /// The page's place in its list; nil for answers that are no pages. Costs a second key, so only misses ask for it.
    static func listPage(_ head: RequestHead, _ route: RouteMatch, partition: String) -> ListPage? {
        guard route.operation.isList else { return nil }
        var list = CacheKey(partition: partition, estimatedBytes: head.target.utf8.count + 96)
        var isFirst = true
        list.appendTarget { bytes in
            let start = bytes.count
            route.appendCanonicalTarget(to: &bytes)
            isFirst = !Paging.remove(Paging.names, from: &bytes, start: start)
        }
        appendFields(of: head, route, to: &list)
        list.seal()
        return ListPage(list: list, isFirst: isFirst)
    }
}

/// What a fetched page is made fit for.
indirect enum PageShape: Sendable {
    case asItIs
    /// Its links lead on by tokens of this proxy.
    case ownLinks(WalkRequest)
    /// Pages of walks are cut out of it; its place in the list.
    case forWalks(ListPage)
}

extension RouteMatch {
    /// The target of the first page of this list, in canonical spelling.
    var firstPageTarget: String {
        var bytes: [UInt8] = []
        appendCanonicalTarget(to: &bytes)
        _ = Paging.remove(Paging.names, from: &bytes, start: 0)
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// The query pairs that choose a page of a list.
private enum Paging {
    /// In canonical spelling, where `$` is escaped.
    static let names = ["%24continuationToken", "continuationToken", "%24skip"].map { Array($0.utf8) }
    static let top = Array("%24top".utf8)
    private static let zeroSkip = Array("%24skip=0".utf8)

    /// Takes them out of the target that begins at `start`; says whether it names a page other than the first.
    static func remove(_ names: [[UInt8]], from bytes: inout [UInt8], start: Int) -> Bool {
        guard let question = bytes[start...].firstIndex(of: UInt8(ascii: "?")) else { return false }
        let pairs = bytes[(question + 1)...].split(separator: UInt8(ascii: "&"))
        var isLater = false
        var kept: [ArraySlice<UInt8>] = []
        for pair in pairs {
            let name = pair.prefix { $0 != UInt8(ascii: "=") }
            if names.contains(where: { $0.elementsEqual(name) }) {
                let isEmpty = pair.count <= name.count + 1
                if !isEmpty, !zeroSkip.elementsEqual(pair) { isLater = true }
            } else {
                kept.append(pair)
            }
        }
        let query = Array(kept.joined(separator: [UInt8(ascii: "&")]))
        bytes.removeSubrange(question...)
        if !query.isEmpty {
            bytes.append(UInt8(ascii: "?"))
            bytes += query
        }
        return isLater
    }
}

/// The content codings that upstream is asked for. Pages with links are always asked for plain.
enum Coding: String {
    case identity
    case gzip

    static func asked(by fields: HTTPFields, of operation: Operation) -> Coding {
        if operation.isKnown, operation.carriesLinks { return .identity }
        return fields[values: .acceptEncoding].contains { acceptsGzip($0) } ? .gzip : .identity
    }

    private static func acceptsGzip(_ value: String) -> Bool {
        value.listElements.contains { element in
            let parts = element.split(separator: ";", maxSplits: 1).map { $0.trimmedSpaces.lowercased() }
            guard let coding = parts.first, coding == "gzip" || coding == "x-gzip" || coding == "*" else {
                return false
            }
            guard parts.count == 2 else { return true }
            let weight = parts[1].filter { $0 != " " && $0 != "\t" }
            return !["q=0", "q=0.0", "q=0.00", "q=0.000"].contains(weight)
        }
    }
}
