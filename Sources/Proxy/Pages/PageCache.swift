// The cache as the rest of the proxy sees it: what is stored, what is being fetched, and what a write makes untrue.

import Caching
import ClashAPI
import CurlTransport
import HTTPTypes
import NIOCore

/// How a complete answer came about.
struct PageNews: Sendable {
    /// Nil when it was kept, else why not.
    var notStored: CacheReason?
    var facts = CallFacts()
    /// Whether it was stored already when the fetch got its turn, so that nothing was fetched.
    var wasThere = false
    /// Whether upstream only confirmed what was stored.
    var isRefreshed = false
    /// What the answer depends on beyond the key, and the values that it was made for.
    var vary: [HTTPField.Name] = []
    var varyKey = ""

    /// Whether it answers another request of the same key as well.
    func suits(_ request: HTTPFields) -> Bool { vary.isEmpty || Vary.key(vary, of: request) == varyKey }
}

/// What those who wait for a fetch get.
enum PageOutcome: Sendable {
    /// A complete answer, and how it came about.
    case answer(CachedAnswer, PageNews)
    /// Upstream's answer as it comes, for the one who began the fetch.
    case live(LivePage)
    /// The answer was for one only: everybody else fetches alone.
    case alone(CacheReason)
    /// Nobody got an answer.
    case failed(Failure, CallFacts)
    /// It was refused before it was sent: who may wait longer tries again.
    case notSent(Failure, CallFacts)
    /// Nobody waited any more.
    case dropped
}

/// Stored answers and flights. Usable from every thread.
struct PageCache: Sendable {
    let store: CacheStore
    let flights: FlightTable<PageOutcome>
    let lifetimes: PageLifetimes
    let trouble = UpstreamTrouble()
    let environment: Environment

    init(_ config: Config.Cache, environment: Environment) {
        store = CacheStore(
            limits: CacheLimits(
                maxBytes: config.maxBytes, maxEntryBytes: config.maxEntryBytes,
                staleWhileRevalidate: config.staleWhileRevalidate, staleIfError: config.staleIfError))
        flights = FlightTable(time: FlightTime(now: environment.now, sleep: environment.sleep))
        lifetimes = PageLifetimes(config)
        self.environment = environment
    }

    /// Whose answers may be mixed: with the proxy's own credentials everybody is the same to upstream.
    static let ownPartition = "own"

    // MARK: Writes

    /// A write may have been done: drops all that it makes untrue. To be called before its tool gets the answer.
    ///
    /// - Parameters:
    ///   - status: upstream's, nil when there was no answer.
    func written(_ match: OperationMatch, status: Int?) {
        if let status, Self.wasRefused(status) { return }
        let invalidation = status == nil ? match.invalidationOfUnknownOutcome() : match.invalidation()
        let now = environment.now()
        switch invalidation.reach {
        case .nothing: return
        case .everything: store.invalidate(.everything, deleted: deletedObjects(match), now: now)
        case .tagged, .itwins:
            store.invalidate(
                .tagged(TagSet(invalidation.tags + [Self.unknownOperationTag])), deleted: deletedObjects(match),
                now: now)
        }
        flights.detachSent()
    }

    /// Client errors but 404, 408 and 410 say that nothing was done.
    private static func wasRefused(_ status: Int) -> Bool {
        (400..<500).contains(status) && ![404, 408, 410].contains(status)
    }

    private func deletedObjects(_ match: OperationMatch) -> TagSet {
        guard match.deletesWhatItNames, let kind = match.operation.objectKind else { return TagSet([]) }
        return TagSet(match.objectIDs.flatMap { Tag.aliases(kind, $0) })
    }

    /// Answers of operations that the table does not know: every write might concern them.
    static let unknownOperationTag = "operation:unknown"

    /// An operator wants something dropped. Returns how many stored answers that were.
    func purge(_ request: PurgeRequest) -> Int {
        defer { flights.detachSent() }
        return store.invalidate(request.invalidation, now: environment.now())
    }

    /// What is stored of an object that is about to be deleted: its row in a list, or the object itself.
    func snapshot(_ match: OperationMatch, _ id: String) -> [UInt8]? {
        guard let kind = match.operation.objectKind else { return nil }
        for answer in store.showing(TagSet([Tag.object(kind, id)])) where answer.fields[.contentEncoding] == nil {
            guard answer.body.bytes.readableBytes <= Self.maxSearchedBytes else { continue }
            let body = Array(answer.body.bytes.readableBytesView)
            if let row = ListRow.find(id, in: body) { return row }
            if answer.page == nil { return body }
        }
        return nil
    }

    private static let maxSearchedBytes = 1 << 20

    // MARK: Stale answers

    /// The stored answer in place of an error, if it may stand in for it now.
    func standIn(for reason: FailureReason, _ query: PageQuery, _ request: HTTPFields) -> (CachedAnswer, StaleReason)? {
        guard let why = StaleReason(reason) else { return nil }
        return standIn(why, query, request).map { ($0, why) }
    }

    /// The stored answer in place of upstream's error answer.
    func standIn(forStatus status: Int, _ query: PageQuery, _ request: HTTPFields) -> (CachedAnswer, StaleReason)? {
        let why: StaleReason
        switch status {
        case 429: why = .rateLimited
        case 500...599: why = .upstreamError
        default: return nil
        }
        return standIn(why, query, request).map { ($0, why) }
    }

    /// Looked up anew: a write may have dropped meanwhile what was there when the fetch began.
    private func standIn(_ why: StaleReason, _ query: PageQuery, _ request: HTTPFields) -> CachedAnswer? {
        let directives = query.directives
        // A tool that bounds the age itself would rather have the error.
        guard !directives.noCache, directives.maxAge == nil, directives.minFresh == nil else { return nil }
        switch store.find(query.key, request: request, now: environment.now()) {
        case .fresh(let answer): return answer
        case .expired(let answer, let staleness):
            return store.limits.allowsOnError(answer.freshness, staleness: staleness) ? answer : nil
        case .nothing: return nil
        }
    }
}

extension StaleReason {
    /// The word for a failure that a stale answer may hide; nil where the tool must see it.
    init?(_ reason: FailureReason) {
        switch reason {
        case .rateLimited, .queueFull: self = .rateLimited
        case .tokenUnavailable: self = .tokenUnavailable
        case .upstreamTimeout: self = .upstreamTimeout
        case .upstreamUnreachable, .upstreamNotTrusted: self = .upstreamUnreachable
        case .upstreamInvalidResponse: self = .upstreamError
        default: return nil
        }
    }
}
