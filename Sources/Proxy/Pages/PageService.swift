// Answers reads through the cache: at once where a stored answer will do, else by a fetch that others may share, else
// with what is stored in spite of its age, if upstream can not be asked.

import Caching
import ClashAPI
import CurlTransport
import HTTPTypes
import NIOCore
import RateLimiting

/// The reads of tools and the cache between them and upstream. Usable from every event loop.
final class PageService: Sendable {
    let cache: PageCache
    let sender: UpstreamSender
    let links: LinkSettings
    let maxWait: Duration
    let counters = CacheCounters()
    /// Counts the fetches under way, which may outlive the requests that wait for them.
    let fetches = Activity(maxConnections: 0)
    let environment: Environment

    init(cache: PageCache, sender: UpstreamSender, links: LinkSettings, maxWait: Duration, environment: Environment) {
        self.cache = cache
        self.sender = sender
        self.links = links
        self.maxWait = maxWait
        self.environment = environment
    }

    /// Of refreshes that nobody waits for; the smaller the more urgent.
    private static let backgroundRank = GateRequest.Priority.background.rawValue
    /// Who is sent back by the gate tries again while there is time, but not for ever.
    private static let maxFlights = 3

    /// What it did and holds, as Prometheus text.
    func metrics() -> String { counters.exposition(cache.store.statistics) }

    // MARK: At the front desk

    /// What the cache is asked for this request; nil when it has no say.
    func query(_ head: RequestHead, _ admission: Admission) -> PageQuery? {
        admission.partition.flatMap { PageQuery.of(head, admission.route, partition: $0, links: links) }
    }

    /// Answers at once if a stored answer will do. Synchronous: a hit starts no task and leaves no thread.
    func answerAtOnce(_ exchange: Exchange, _ query: PageQuery, _ admission: Admission) -> Bool {
        let now = environment.now()
        guard !query.directives.noStore else { return false }
        switch cache.store.find(query.key, request: exchange.head.fields, now: now) {
        case .fresh(let answer):
            guard query.directives.accept(answer, now) == nil else { return false }
            writeHit(answer, exchange, query, admission)
            return true
        case .expired(let answer, let staleness):
            guard query.directives == .none, let why = reasonToGive(answer, staleness, now, admission) else {
                return false
            }
            refreshInBackground(exchange, query, admission)
            writeStale(answer, why, exchange, query, admission, facts: nil)
            return true
        case .nothing: return false
        }
    }

    /// Why an expired answer goes out without waiting for upstream; nil when it does not.
    private func reasonToGive(
        _ answer: CachedAnswer, _ staleness: Duration, _ now: ContinuousClock.Instant, _ admission: Admission
    ) -> StaleReason? {
        let limits = cache.store.limits
        if limits.allowsWhileRevalidating(answer.freshness, staleness: staleness) { return .revalidating }
        guard limits.allowsOnError(answer.freshness, staleness: staleness) else { return nil }
        if isPaused(admission) { return .rateLimited }
        return cache.trouble.isOn(now: now) ? .upstreamTimeout : nil
    }

    /// Whether upstream has asked for a pause that is longer than anybody should wait with an answer at hand.
    private func isPaused(_ admission: Admission) -> Bool {
        guard !sender.pacing.observes else { return false }
        let key = admission.authorization == nil ? nil : admission.partition
        let turn = GateRequest(admission.route.resolve(), admission.caller, wait: nil)
        return sender.pacing.gate(key).pause(for: turn).map { $0 > Self.patience } ?? false
    }

    private static let patience = Duration.seconds(1)

    // MARK: In the flow

    /// Answers a read that the cache could not answer at once.
    func answer(
        _ exchange: Exchange, _ call: UpstreamCall, _ query: PageQuery, _ admission: Admission
    ) async throws(FlowExit) {
        // Another request may have brought it meanwhile.
        if answerAtOnce(exchange, query, admission) { return }
        let forward = forwarding(query, exchange.head.fields)
        if query.directives.onlyIfCached { throw .failed(.notCached) }
        let wait = min(Prefer.wait(in: exchange.head.fields) ?? maxWait, maxWait)
        // Who would only wait to be told to wait is told at once.
        if let pause = gate(call).pause(for: call.turn), pause > wait, let refusal = gate(call).refusal(of: call.turn) {
            exchange.progress.facts.rateLimit = sender.rateLimit(call)
            return try standIn(for: .tooLate(refusal), exchange, query, admission)
        }
        let deadline = environment.now() + wait
        var flights = 0
        while true {
            flights += 1
            let (outcome, isFollower) = try await land(
                exchange, call, query, admission, deadline, mayShare: flights < Self.maxFlights)
            switch outcome {
            case .answer(_, let news) where isFollower && !news.suits(exchange.head.fields): continue
            case .answer(let answer, let news):
                if !isFollower { exchange.progress.facts = news.facts }
                if let (old, why) = cache.standIn(forStatus: answer.status.code, query, exchange.head.fields) {
                    return writeStale(old, why, exchange, query, admission, facts: exchange.progress.facts)
                }
                if news.wasThere { return writeHit(answer, exchange, query, admission) }
                let status = forward.status(news, isFollower: isFollower)
                exchange.record.cache =
                    isFollower ? "collapsed" : news.notStored.map { "not-stored:\($0.rawValue)" } ?? "stored"
                return write(answer, status, exchange, query, admission, isHit: false, facts: exchange.progress.facts)
            case .live(let live):
                exchange.progress.facts = live.facts
                let code = live.response.status.code
                if let (old, why) = cache.standIn(forStatus: code, query, exchange.head.fields) {
                    await live.response.discard()
                    return writeStale(old, why, exchange, query, admission, facts: live.facts)
                }
                exchange.record.cache = live.reason.map { "not-stored:\($0.rawValue)" } ?? "streamed"
                return try await relay(live, exchange, call, admission, forward)
            case .failed(let failure, let facts):
                if !isFollower { exchange.progress.facts = facts }
                return try standIn(for: failure, exchange, query, admission)
            case .notSent(let failure, let facts):
                if environment.now() < deadline, flights <= Self.maxFlights, isFollower { continue }
                exchange.progress.facts = facts
                return try standIn(for: failure, exchange, query, admission)
            case .alone, .dropped: continue
            }
        }
    }

    /// The stored answer in place of the error, if it may be; else the error.
    private func standIn(
        for failure: Failure, _ exchange: Exchange, _ query: PageQuery, _ admission: Admission
    ) throws(FlowExit) {
        guard let (old, why) = cache.standIn(for: failure.reason, query, exchange.head.fields) else {
            throw .failed(failure)
        }
        exchange.record.detail = failure.detail
        writeStale(old, why, exchange, query, admission, facts: exchange.progress.facts)
    }

    // MARK: Flights

    /// Joins a fetch or begins one, and waits for what comes of it.
    private func land(
        _ exchange: Exchange, _ call: UpstreamCall, _ query: PageQuery, _ admission: Admission,
        _ deadline: ContinuousClock.Instant, mayShare: Bool
    ) async throws(FlowExit) -> (PageOutcome, isFollower: Bool) {
        let flight: Flight<PageOutcome>
        let waiter: Flight<PageOutcome>.Waiter
        var isFollower = false
        let key = cache.store.variant(of: query.key, request: exchange.head.fields)
        var page = fetch(call, query, key, exchange, admission)
        let boarding =
            mayShare
            ? cache.flights.board(
                key, rank: call.turn.priority.rawValue, deadline: deadline, wantsNew: query.directives.wantsNew)
            : .alone(.rememberedUncacheable)
        switch boarding {
        case .follow(let joined, let me): (flight, waiter, isFollower) = (joined, me, true)
        case .lead(let begun, let me):
            (flight, waiter) = (begun, me)
            start(page, flight, patience: call.turn.wait, on: exchange.executor)
        case .alone(let reason):
            (flight, waiter) = cache.flights.alone(rank: call.turn.priority.rawValue, deadline: deadline)
            page.wasTooLarge = reason == .tooLarge
            start(page, flight, patience: call.turn.wait, on: exchange.executor)
        }
        let asked = environment.now()
        let landing = await flight.landing(of: waiter)
        if isFollower { exchange.progress.facts.upstreamTime += environment.now() - asked }
        switch landing {
        case .ended(let outcome): return (outcome, isFollower)
        case .late:
            let refusal = gate(call).refusalOfLate(call.turn)
            return (.notSent(.tooLate(refusal), CallFacts(rateLimit: sender.rateLimit(call))), false)
        case .left:
            // What the leader asked for may be under way without it.
            if !isFollower, flight.wasSent { exchange.progress.facts.wasSent = true }
            throw .callerLeft
        }
    }

    /// With a turn that is free the request counts as sent at once; else it queues, unless whoever begins it has not
    /// the patience for that.
    private func start(
        _ fetch: PageFetch, _ flight: Flight<PageOutcome>, patience: Duration? = nil, on executor: EventLoopExecutor
    ) {
        var fetch = fetch
        if fetch.turn == nil {
            if let permit = gate(fetch.call).tryAdmit(fetch.call.turn) {
                fetch.turn = HeldPermit(permit)
            } else {
                var asked = fetch.call.turn
                asked.wait = patience
                if let refusal = gate(fetch.call).refusal(of: asked) {
                    cache.flights.remove(flight, fetch.flightKey)
                    let facts = CallFacts(rateLimit: sender.rateLimit(fetch.call))
                    return flight.end(.notSent(.tooLate(refusal), facts))
                }
            }
        }
        if fetch.turn != nil { flight.sent() }
        fetches.exchangeBegan()
        let task = Task(executorPreference: executor) { [fetch, fetches] in
            await fetch.run(flight)
            fetches.exchangeEnded()
        }
        flight.onDrop { task.cancel() }
    }

    /// Nobody waits for it, so it takes no turn that somebody else could want: it is begun when one is free, or not now.
    private func refreshInBackground(_ exchange: Exchange, _ query: PageQuery, _ admission: Admission) {
        guard !exchange.isDraining else { return }
        var call = UpstreamCall(
            exchange, match: admission.route.resolve(headers: exchange.head.fields), admission: admission,
            body: .none, settings: sender.settings)
        call.turn.priority = .background
        guard let permit = gate(call).tryAdmit(call.turn) else { return }
        let turn = HeldPermit(permit)
        let key = cache.store.variant(of: query.key, request: exchange.head.fields)
        guard let flight = cache.flights.refresh(key, rank: Self.backgroundRank) else { return }
        var fetch = fetch(call, query, key, exchange, admission)
        fetch.turn = turn
        start(fetch, flight, on: exchange.executor)
    }

    private func fetch(
        _ call: UpstreamCall, _ query: PageQuery, _ key: CacheKey, _ exchange: Exchange, _ admission: Admission
    ) -> PageFetch {
        PageFetch(
            sender: sender, cache: cache,
            builder: PageBuilder(links: links, lifetimes: cache.lifetimes, environment: environment),
            call: call.shared(isKnown: query.isKnown), query: query, flightKey: key,
            page: PageQuery.listPage(exchange.head, admission.route, partition: admission.partition ?? ""),
            request: exchange.head.fields, wantsNew: query.directives.wantsNew)
    }

    private func gate(_ call: UpstreamCall) -> Gate { sender.pacing.gate(call.gateKey) }

    // MARK: Answers

    private func write(
        _ answer: CachedAnswer, _ status: CacheStatus, _ exchange: Exchange, _ query: PageQuery,
        _ admission: Admission, isHit: Bool, facts: CallFacts?
    ) {
        exchange.record.source = isHit ? .cache : .upstream
        let writer = PageWriter(links: links, corsOrigin: admission.corsOrigin, now: environment.now())
        let showsAge = isHit || answer.freshness.initialAge >= .seconds(1)
        writer.write(answer, status, exchange, query, showsAge: showsAge, facts: facts)
    }

    private func writeHit(
        _ answer: CachedAnswer, _ exchange: Exchange, _ query: PageQuery, _ admission: Admission
    ) {
        exchange.record.cache = "hit"
        let ttl = max(Int(answer.timeToLive(at: environment.now()).components.seconds), 0)
        write(answer, .hit(ttl: ttl), exchange, query, admission, isHit: true, facts: nil)
    }

    private func writeStale(
        _ answer: CachedAnswer, _ why: StaleReason, _ exchange: Exchange, _ query: PageQuery,
        _ admission: Admission, facts: CallFacts?
    ) {
        // Rounded away from freshness.
        let ttl = answer.timeToLive(at: environment.now())
        let seconds = Int(ttl.components.seconds) - (ttl.components.attoseconds < 0 ? 1 : 0)
        exchange.record.cache = "stale:\(why.rawValue)"
        let status: CacheStatus = seconds < 0 ? .stale(ttl: seconds, detail: why) : .hit(ttl: seconds)
        write(answer, status, exchange, query, admission, isHit: true, facts: facts)
    }

    private func relay(
        _ live: LivePage, _ exchange: Exchange, _ call: UpstreamCall, _ admission: Admission, _ forward: Forwarding
    ) async throws(FlowExit) {
        defer { withExtendedLifetime(live) {} }
        let relay = ResponseRelay(
            links: links, corsOrigin: admission.corsOrigin, now: environment.wallTime(),
            cacheStatus: .forwarded(
                forward.why, stored: false, collapsed: false, status: nil,
                detail: (live.reason ?? forward.detail)?.rawValue))
        try await relay.run(live.response, call, exchange, body: live.body)
    }

    // MARK: Why it goes upstream

    private func forwarding(_ query: PageQuery, _ request: HTTPFields) -> Forwarding {
        let now = environment.now()
        if query.directives.noStore { return Forwarding(why: .request, detail: .requestNoStore) }
        switch cache.store.find(query.key, request: request, now: now) {
        case .fresh(let answer): return Forwarding(why: .request, detail: query.directives.accept(answer, now))
        case .expired: return Forwarding(why: .stale)
        case .nothing(let why): return Forwarding(why: why)
        }
    }
}

/// Why a request goes upstream.
struct Forwarding {
    let why: CacheStatus.Forward
    var detail: CacheReason?

    func status(_ news: PageNews, isFollower: Bool) -> CacheStatus {
        .forwarded(
            why, stored: news.notStored == nil && !isFollower, collapsed: isFollower,
            status: news.isRefreshed ? 304 : nil,
            detail: isFollower ? detail?.rawValue : (news.notStored ?? detail)?.rawValue)
    }
}

extension RequestDirectives {
    /// Why a stored answer is not good enough for this tool; nil when it is.
    func accept(_ answer: CachedAnswer, _ now: ContinuousClock.Instant) -> CacheReason? {
        if noCache { return .requestNoCache }
        if let maxAge, answer.age(at: now) > maxAge { return .requestMaxAge }
        if let minFresh, answer.timeToLive(at: now) < minFresh { return .requestMinFresh }
        return nil
    }

    /// Whether only an answer will do that upstream gives from now on.
    var wantsNew: Bool { self != .none && !onlyIfCached }
}

extension Failure {
    /// The call's own deadline is over before its turn has come, or surely will be.
    fileprivate static func tooLate(_ refusal: Gate.Refusal) -> Failure {
        Failure(refusal) ?? Failure(.rateLimited, "The call waits for nobody.", retryAfter: .seconds(1))
    }

    /// `only-if-cached`, and nothing stored will do (RFC 9111, 5.2.1.7).
    fileprivate static let notCached = Failure(
        .notCached, "The request says 'only-if-cached', and no stored answer will do.")
}
