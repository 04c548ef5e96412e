// Answers reads through the cache: at once where a stored answer will do, else by a fetch that others may share, else
// with what is stored in spite of its age, if upstream cannot be asked.

import Caching
import ClashAPI
import CurlTransport
import Edge
import HTTPTypes
import NIOCore
import RateLimiting

/// The reads of tools and the cache between them and upstream. Usable from every event loop.
final class CachedReads: Sendable {
    /// What counts on whatever the configuration becomes.
    struct Counts: Sendable {
        let counters = CacheCounters()
        /// The fetches under way, which may outlive the requests that wait for them.
        let fetches = Activity(maxConnections: 0)
    }

    /// False: it is asked for nothing. Writes are heeded all the same, for whom it may be turned on again.
    let isOn: Bool
    let cache: PageCache
    let sender: UpstreamSender
    let links: LinkSettings
    let maxWait: Duration
    /// Whether paged lists are served from fetches of the largest page (`cache.walks`).
    let walks: Bool
    /// Whether a walk's next page is fetched ahead (`cache.prefetch`).
    let prefetches: Bool
    let counts: Counts
    let environment: Environment

    init(
        cache: PageCache, sender: UpstreamSender, links: LinkSettings, maxWait: Duration, isOn: Bool = true,
        walks: Bool = false, prefetches: Bool = false, counts: Counts = Counts(), environment: Environment
    ) {
        self.walks = walks
        self.prefetches = prefetches
        self.isOn = isOn
        self.counts = counts
        self.cache = cache
        self.sender = sender
        self.links = links
        self.maxWait = maxWait
        self.environment = environment
    }

    /// Of refreshes that nobody waits for; the smaller the more urgent.
    static let backgroundRank = GateRequest.Priority.background.rawValue
    /// Who is sent back by the gate tries again while there is time, but not for ever.
    private static let maxFlights = 3

    /// What it did and holds; empty while it is off.
    var samples: [MetricSample] {
        isOn
            ? counts.counters.samples(cache.store.statistics) + [MetricSample(.waitingReads, cache.watches.count)] : []
    }

    // MARK: At the front desk

    /// What the cache is asked for this request; nil when it has no say.
    ///
    /// - Parameter scheme: see `LinkBase`.
    func query(_ head: RequestHead, _ admission: Admission, scheme: String) -> PageQuery? {
        guard isOn, let partition = admission.partition,
            var query = PageQuery.of(head, admission.route, partition: partition, links: links, scheme: scheme)
        else { return nil }
        query.walk = PageQuery.walk(head, admission.route, partition: partition)
        // Who has a token goes on with it, whatever has been configured since.
        if !walks, case .page(let walk) = query.walk, walk.query.token == nil { query.walk = nil }
        return query
    }

    /// A stored answer, if one will do at once; else what was found stays with the visit. Synchronous: a hit starts no task
    /// and leaves no thread.
    func atOnce(_ visit: Visit, _ query: PageQuery) -> StoredReply? {
        guard !query.directives.noStore else { return nil }
        let now = environment.now()
        let lookup = cache.store.lookUp(query.key, request: visit.fields, now: now)
        switch lookup.found {
        case .fresh(let answer, let ttl) where query.directives.accept(answer, ttl, now) == nil:
            return StoredReply(hit: answer, ttl: ttl)
        case _ where query.walk != nil:
            if let reply = pageAtOnce(visit, query, lookup, now) { return reply }
        case .expired(let answer, let staleness):
            if let reply = staleAtOnce(answer, staleness, visit, query, lookup, now) { return reply }
        case .fresh, .nothing: break
        }
        visit.lookup = lookup
        return nil
    }

    /// The expired answer, if it goes out while it is being refreshed or upstream cannot be asked.
    private func staleAtOnce(
        _ answer: CachedAnswer, _ staleness: Duration, _ visit: Visit, _ query: PageQuery,
        _ lookup: CacheStore.Lookup, _ now: ContinuousClock.Instant
    ) -> StoredReply? {
        guard query.directives == .none, let why = reasonToGive(answer, staleness, now, visit.admission) else {
            return nil
        }
        refreshInBackground(visit, query, lookup.variant)
        return StoredReply(PageCache.StaleAnswer(answer: answer, why: why, ttl: .zero - staleness), cameByCall: false)
    }

    /// A page of a paged list of which there is no fresh copy.
    private func pageAtOnce(
        _ visit: Visit, _ query: PageQuery, _ lookup: CacheStore.Lookup, _ now: ContinuousClock.Instant
    ) -> StoredReply? {
        guard case .page(let walk) = query.walk else { return nil }
        visit.walkMode = mode(query)
        if visit.walkMode == .largest { return walkAtOnce(visit, query, walk) }
        guard case .expired(let answer, let staleness) = lookup.found else { return nil }
        return staleAtOnce(answer, staleness, visit, query.shaped(for: visit.walkMode), lookup, now)
    }

    /// Why an expired answer goes out without waiting for upstream; nil when it does not.
    func reasonToGive(
        _ answer: CachedAnswer, _ staleness: Duration, _ now: ContinuousClock.Instant, _ admission: Admission
    ) -> StaleReason? {
        let limits = cache.store.limits
        if limits.allowsWhileRevalidating(answer.freshness, staleness: staleness) { return .revalidating }
        guard limits.allowsOnError(answer.freshness, staleness: staleness) else { return nil }
        if let outage = sender.health.outage { return outage == .hangs ? .upstreamTimeout : .upstreamUnreachable }
        if isPaused(admission) { return .rateLimited }
        return cache.recentTimeout.holds(now: now) ? .upstreamTimeout : nil
    }

    /// Whether upstream has asked for a pause that is longer than anybody should wait with an answer at hand.
    private func isPaused(_ admission: Admission) -> Bool {
        guard !sender.pacing.observes else { return false }
        var turn = GateRequest(admission.route.resolve(), admission.caller, wait: nil)
        turn.token = admission.token
        return gate.pause(for: turn).map { $0 > Self.longestPause } ?? false
    }

    private static let longestPause = Duration.seconds(1)

    // MARK: In the flow

    /// How long a read waits for its turn.
    func wait(_ visit: Visit) -> Duration { min(Prefer.wait(in: visit.fields) ?? maxWait, maxWait) }

    /// Answers a read that the cache could not answer at once: joins a fetch or begins one. `deadline`: of its turn.
    func answer(
        _ visit: Visit, _ call: UpstreamCall, _ query: PageQuery, until deadline: ContinuousClock.Instant
    ) async throws(FlowExit) -> ReadAnswer {
        let forwarding = forwarding(query, visit.lookup)
        if query.directives.onlyIfCached {
            visit.record.cache = .missing(forwarding)
            throw .failed(.notCached)
        }
        var query = query
        if case .page(let walk) = query.walk {
            let mode = visit.walkMode ?? mode(query)
            if mode == .largest {
                let lookup = visit.lookup
                if let answer = try await walkAnswer(visit, call, query, walk, until: deadline) { return answer }
                visit.lookup = lookup
            } else {
                query = query.shaped(for: mode)
            }
        }
        // Who would only wait to be told to wait is told at once.
        if let pause = gate.pause(for: call.turn), environment.now() + pause > deadline,
            let refusal = gate.refusal(of: call.turn)
        {
            visit.progress.facts.rateLimit = sender.rateLimit(call)
            return try staleAnswer(for: .tooLate(refusal, call.turn), visit, query)
        }
        var flights = 0
        while true {
            flights += 1
            let (outcome, isFollower) = try await land(
                visit, call, query, deadline: deadline, isFirst: flights == 1, mayShare: flights < Self.maxFlights)
            switch outcome {
            case .answer(_, let news) where isFollower && !news.suits(visit.fields): continue
            case .answer(let answer, let news):
                if isFollower {
                    if !news.facts.steps.isEmpty { visit.progress.facts.addSteps(of: news.facts) }
                } else {
                    visit.progress.facts.add(news.facts)
                }
                return .stored(reply(answer, news, forwarding, isFollower: isFollower, visit, query))
            case .live(let live):
                visit.progress.facts.add(live.facts)
                if let old = cache.staleAnswer(forStatus: live.response.status.code, query, visit.fields) {
                    await live.response.discard()
                    live.done()
                    return .stored(StoredReply(old, cameByCall: true))
                }
                let fate = live.reason.map { CacheVerdict.Fate.notStored($0) } ?? .streamed
                return .live(live, .forwarded(forwarding, fate, isRefreshed: false))
            case .failed(let failure, let facts):
                if isFollower { visit.progress.facts.addSteps(of: facts) } else { visit.progress.facts.add(facts) }
                return try staleAnswer(for: failure, visit, query)
            case .notSent(let failure, let facts):
                if environment.now() < deadline, flights <= Self.maxFlights {
                    if isFollower { continue }
                    // It gave its place up, and waits for one that is for such answers.
                    if failure.isForLongPlace {
                        visit.progress.facts.add(facts)
                        continue
                    }
                }
                if isFollower { visit.progress.facts.addSteps(of: facts) }
                visit.progress.facts.add(isFollower ? CallFacts(rateLimit: facts.rateLimit) : facts)
                return try staleAnswer(for: failure, visit, query)
            case .alone, .dropped: continue
            }
        }
    }

    /// A complete answer, or what is stored in its place.
    private func reply(
        _ answer: CachedAnswer, _ news: PageNews, _ forwarding: Forwarding, isFollower: Bool, _ visit: Visit,
        _ query: PageQuery
    ) -> StoredReply {
        if let old = cache.staleAnswer(forStatus: answer.status.code, query, visit.fields) {
            return StoredReply(old, cameByCall: true)
        }
        if let ttl = news.ttlOfStored { return StoredReply(hit: answer, ttl: ttl) }
        let fate: CacheVerdict.Fate = isFollower ? .collapsed : news.notStored.map { .notStored($0) } ?? .stored
        return StoredReply(answer, .forwarded(forwarding, fate, isRefreshed: news.isRefreshed), cameByCall: true)
    }

    /// The stored answer in place of the error, if it may be; else the error.
    private func staleAnswer(
        for failure: Failure, _ visit: Visit, _ query: PageQuery
    ) throws(FlowExit) -> ReadAnswer {
        guard let old = cache.staleAnswer(for: failure.reason, query, visit.fields) else { throw .failed(failure) }
        visit.note(failure)
        return .stored(StoredReply(old, cameByCall: true))
    }

    /// Its answer is too large to hold: whoever asks next waits for a place that is for such.
    func rememberLarge(_ visit: Visit, _ query: PageQuery) {
        cache.flights.remember(cache.store.variant(of: query.key, request: visit.fields), .tooLarge)
    }

    // MARK: Why it goes upstream

    /// - Parameter lookup: what the store held when it was asked; nil: it was not to be asked.
    private func forwarding(_ query: PageQuery, _ lookup: CacheStore.Lookup?) -> Forwarding {
        guard let lookup else { return Forwarding(why: .request, detail: .requestNoStore) }
        switch lookup.found {
        case .fresh(let answer, let ttl):
            return Forwarding(why: .request, detail: query.directives.accept(answer, ttl, environment.now()))
        case .expired: return Forwarding(why: .stale)
        case .nothing(let why) where lookup.isCutOff: return Forwarding(why: why, detail: .fleetCut)
        case .nothing(let why):
            // It could have waited for what is under way, had it not asked for something newer.
            if let refused = query.directives.refusalOfFetched, cache.flights.hasSent(lookup.variant) {
                return Forwarding(why: .request, detail: refused)
            }
            return Forwarding(why: why)
        }
    }
}

extension RequestDirectives {
    /// Why a stored answer is not good enough for this tool; nil when it is.
    func accept(_ answer: CachedAnswer, _ ttl: Duration, _ now: ContinuousClock.Instant) -> CacheReason? {
        if noCache { return .requestNoCache }
        if let maxAge, answer.age(at: now) > maxAge { return .requestMaxAge }
        if let minFresh, ttl < minFresh { return .requestMinFresh }
        return nil
    }

    /// Why an answer will not do that upstream is giving already; nil when it does.
    var refusalOfFetched: CacheReason? {
        guard wantsNew else { return nil }
        if noCache { return .requestNoCache }
        if maxAge != nil { return .requestMaxAge }
        return minFresh == nil ? nil : .requestMinFresh
    }

    /// Whether only an answer will do that upstream gives from now on.
    var wantsNew: Bool { self != .none && !onlyIfCached }
}

extension Failure {
    /// The call's own deadline is over before its turn has come, or surely will be.
    static func tooLate(_ refusal: Gate.Refusal, _ turn: GateRequest) -> Failure {
        Failure(refusal, turn) ?? Failure(.rateLimited, "The call waits for nobody.", retryAfter: .seconds(1))
    }

    /// `only-if-cached`, and nothing stored will do (RFC 9111, 5.2.1.7).
    static let notCached = Failure(
        .notCached, "The request says 'only-if-cached', and no stored answer will do.")
}
