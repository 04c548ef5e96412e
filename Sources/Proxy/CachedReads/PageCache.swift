// The cache as the rest of the proxy sees it: what is stored, what is being fetched, and what a write makes untrue.

import Caching
import ClashAPI
import Configuration
import CurlTransport
import HTTPTypes
import NIOCore

/// How a complete answer came about.
struct PageNews: Sendable {
    /// Nil when it was kept, else why not.
    var notStored: CacheReason?
    var facts = CallFacts()
    /// How long it stays fresh where it was stored already when the fetch got its turn, so that nothing was fetched.
    var ttlOfStored: Duration?
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
    case live(LiveAnswer)
    /// The answer was for one only: everybody else fetches alone.
    case alone(CacheReason)
    /// Nobody got an answer.
    case failed(Failure, CallFacts)
    /// It was refused before it was sent: who may wait longer tries again.
    case notSent(Failure, CallFacts)
    /// Nobody waited any more.
    case dropped

    /// Of the call that it took, where that is traced.
    var span: SpanLink? {
        switch self {
        case .answer(_, let news): news.facts.span
        case .live(let live): live.facts.span
        case .failed(_, let facts), .notSent(_, let facts): facts.span
        case .alone, .dropped: nil
        }
    }
}

/// Stored answers and flights. Usable from every thread.
struct PageCache: Sendable {
    let store: CacheStore
    let flights: FlightTable<PageOutcome>
    private(set) var lifetimes: PageLifetimes
    let recentTimeout = RecentTimeout()
    let runs = StartedRuns()
    let walked = WalkedLists()
    /// Who waits for a change.
    let watches: PageWatches
    let environment: Environment
    /// Others that show the same pages; nil: there are none.
    let shared: SharedPages?

    init(_ config: Config.Cache, environment: Environment, shared: SharedPages? = nil) {
        self.shared = shared
        // Tools carry generations in their tokens, over a restart too: half of the numbers are before the beginning.
        store = CacheStore(
            limits: CacheLimits(config), countingFrom: environment.randomBits().0 >> 8, shared: shared?.freshness)
        flights = FlightTable(time: environment.time)
        watches = PageWatches(time: environment.time)
        lifetimes = PageLifetimes(config)
        self.environment = environment
    }

    /// The same under another configuration. Its limits hold at once, its lifetimes for what is stored from now on; turned
    /// off, it holds nothing.
    func changed(to config: Config.Cache) -> PageCache {
        store.limits = CacheLimits(config)
        if !config.enabled {
            store.invalidate(.everything, now: environment.now())
            watches.poke()
        }
        var changed = self
        changed.lifetimes = PageLifetimes(config)
        return changed
    }

    // MARK: Writes

    /// A write may have been done: drops all that it makes untrue. To be called before its tool gets the answer.
    ///
    /// - Returns: a token for the run that it may have started, whose answer is wanted then.
    /// - Parameters:
    ///   - status: upstream's, nil when there was no answer.
    @discardableResult
    func invalidate(after match: OperationMatch, status: Int?) -> StartedRuns.Token? {
        if Self.wasRefused(status) { return nil }
        // Before anything is dropped: what is stored from now on is to know of it.
        let run = match.operation.countsAsRun ? runs.started(match, now: environment.now()) : nil
        if match.operation.isCancel || match.operationClass == .delete { runs.ended(match.objectIDs) }
        let invalidation = status == nil ? match.invalidationOfUnknownOutcome() : match.invalidation()
        let now = environment.now()
        guard let reach = Self.reach(of: invalidation) else { return nil }
        store.invalidate(reach, deleted: deletedObjects(match), vanished: vanishedIDs(match), now: now)
        flights.detachSent()
        watches.poke()
        return run
    }

    /// What is to be dropped; nil: nothing.
    static func reach(of invalidation: Invalidation) -> CacheInvalidation? {
        switch invalidation.reach {
        case .nothing: nil
        case .everything: .everything
        case .tagged, .itwins:
            .tagged(TagSet(invalidation.tags + [unknownOperationTag], hashes: invalidation.heldIDs))
        }
    }

    /// Client errors but 404, 408 and 410 say that nothing was done.
    static func wasRefused(_ status: Int?) -> Bool {
        guard let status else { return false }
        return (400..<500).contains(status) && ![404, 408, 410].contains(status)
    }

    private func deletedObjects(_ match: OperationMatch) -> TagSet {
        guard match.deletesWhatItNames, let kind = match.operation.objectKind else { return TagSet([]) }
        return TagSet(match.objectIDs.flatMap { Tag.aliases(kind, $0) })
    }

    /// A run, report or result that was deleted is to be named by nothing any more, not by its test either. Tests and
    /// rules leave traces in what was made with them.
    private func vanishedIDs(_ match: OperationMatch) -> TagSet {
        guard match.deletesWhatItNames, [.report, .run, .result].contains(match.operation.objectKind) else {
            return TagSet([])
        }
        return TagSet([], hashes: match.invalidation().heldIDs)
    }

    /// Answers of operations that the table does not know: every write might concern them.
    static let unknownOperationTag = "operation:unknown"

    /// An operator wants something dropped. Returns how many stored answers that were.
    func purge(_ request: PurgeRequest) -> Int {
        defer {
            flights.detachSent()
            watches.poke()
        }
        if let shared { Task.detached { _ = await shared.tell(request.invalidation) } }
        return store.invalidate(request.invalidation, now: environment.now())
    }

    /// What is stored of an object that is about to be deleted: its row in a list, or the object itself.
    func snapshot(_ match: OperationMatch, _ id: String) -> [UInt8]? {
        guard let kind = match.operation.objectKind else { return nil }
        for answer in store.showing(TagSet([Tag.object(kind, id)])) where ContentCoding(answer.fields).isNone {
            guard answer.body.bytes.readableBytes <= Self.maxSearchedBytes else { continue }
            let body = answer.body.plain
            if let row = ListRow.find(id, in: body) { return row }
            if answer.page == nil { return body }
        }
        return nil
    }

    private static let maxSearchedBytes = 1 << 20

    // MARK: Stale answers

    /// A stored answer in place of an error.
    struct StaleAnswer {
        let answer: CachedAnswer
        let why: StaleReason
        let ttl: Duration
    }

    /// The stored answer in place of an error, if it may stand in for it now.
    func staleAnswer(for reason: FailureReason, _ query: PageQuery, _ request: HTTPFields) -> StaleAnswer? {
        StaleReason(reason).flatMap { staleAnswer($0, query, request) }
    }

    /// The stored answer in place of upstream's error answer.
    func staleAnswer(forStatus status: Int, _ query: PageQuery, _ request: HTTPFields) -> StaleAnswer? {
        switch status {
        case 429: staleAnswer(.rateLimited, query, request)
        case 500...599: staleAnswer(.upstreamError, query, request)
        default: nil
        }
    }

    /// Looked up anew: a write may have dropped meanwhile what was there when the fetch began.
    private func staleAnswer(_ why: StaleReason, _ query: PageQuery, _ request: HTTPFields) -> StaleAnswer? {
        let directives = query.directives
        // A tool that bounds the age itself would rather have the error.
        guard !directives.noCache, directives.maxAge == nil, directives.minFresh == nil else { return nil }
        switch store.find(query.key, request: request, now: environment.now()) {
        case .fresh(let answer, let ttl): return StaleAnswer(answer: answer, why: why, ttl: ttl)
        case .expired(let answer, let staleness):
            guard store.limits.allowsOnError(answer.freshness, staleness: staleness) else { return nil }
            return StaleAnswer(answer: answer, why: why, ttl: .zero - staleness)
        case .nothing: return nil
        }
    }
}

extension CacheLimits {
    fileprivate init(_ config: Config.Cache) {
        self.init(
            maxBytes: config.maxBytes, maxEntryBytes: config.maxEntryBytes,
            staleWhileRevalidate: config.staleWhileRevalidate, staleIfError: config.staleIfError)
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
