// The fetches behind the reads: joining one, beginning one, or refreshing what is stored while nobody waits.

import Caching
import ClashAPI
import HTTPTypes
import RateLimiting

extension PageService {
    /// Joins a fetch or begins one, and waits for what comes of it.
    func land(
        _ visit: Visit, _ call: UpstreamCall, _ query: PageQuery, deadline: ContinuousClock.Instant, mayShare: Bool
    ) async throws(FlowExit) -> (PageOutcome, isFollower: Bool) {
        let flight: Flight<PageOutcome>
        let waiter: Flight<PageOutcome>.Waiter
        var isFollower = false
        let key = cache.store.variant(of: query.key, request: visit.fields)
        var page = fetch(call, query, key, visit)
        let boarding =
            mayShare
            ? cache.flights.board(
                key, rank: call.turn.priority.rawValue, deadline: deadline, wantsNew: query.directives.wantsNew)
            : .alone(.rememberedUncacheable)
        switch boarding {
        case .follow(let joined, let me): (flight, waiter, isFollower) = (joined, me, true)
        case .lead(let begun, let me):
            (flight, waiter) = (begun, me)
            start(page, flight, patience: call.turn.wait, on: visit.wire.executor)
        case .alone(let reason):
            (flight, waiter) = cache.flights.alone(rank: call.turn.priority.rawValue, deadline: deadline)
            page.wasTooLarge = reason == .tooLarge
            start(page, flight, patience: call.turn.wait, on: visit.wire.executor)
        }
        let asked = environment.now()
        let landing = await flight.landing(of: waiter)
        let waited = environment.now() - asked
        switch landing {
        case .ended(let outcome):
            if isFollower { visit.progress.facts.upstreamTime += waited }
            return (outcome, isFollower)
        case .late:
            if isFollower { visit.progress.facts.queueTime += waited }
            let isForToken = !isFollower && page.progress.waitsFor == .token
            let failure = isForToken ? .tokenTooLate : Failure.tooLate(gate(call).refusalOfLate(call.turn))
            var facts = isFollower ? CallFacts() : page.progress.factsSoFar(of: waited)
            facts.rateLimit = sender.rateLimit(call)
            return (.notSent(failure, facts), false)
        case .left:
            var facts = CallFacts()
            if isFollower { facts.upstreamTime = waited } else { facts = page.progress.factsSoFar(of: waited) }
            // What the leader asked for may be under way without it.
            if facts.attempts > 0, flight.wasSent { facts.wasSent = true }
            visit.progress.facts.add(facts)
            throw .callerLeft
        }
    }

    /// With a turn that is free and a token the request counts as sent at once; else it waits for them, unless whoever
    /// begins it has not the patience for that.
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
        if fetch.turn != nil {
            fetch.credential = sender.credentialAtOnce()
            if fetch.credential == nil { fetch.progress.waitsFor = .token } else { flight.sent() }
        }
        fetches.exchangeBegan()
        let task = Task(executorPreference: executor) { [fetch, fetches] in
            await fetch.run(flight)
            fetches.exchangeEnded()
        }
        flight.onDrop { task.cancel() }
    }

    /// Nobody waits for it, so it takes no turn that somebody else could want: it is begun when one is free, or not now.
    func refreshInBackground(_ visit: Visit, _ query: PageQuery) {
        guard !visit.wire.isDraining else { return }
        var call = UpstreamCall(
            visit, match: visit.admission.route.resolve(headers: visit.fields), body: .none, settings: sender.settings)
        call.turn.priority = .background
        guard let permit = gate(call).tryAdmit(call.turn) else { return }
        let turn = HeldPermit(permit)
        let key = cache.store.variant(of: query.key, request: visit.fields)
        guard let flight = cache.flights.refresh(key, rank: Self.backgroundRank) else { return }
        var fetch = fetch(call, query, key, visit)
        fetch.turn = turn
        start(fetch, flight, on: visit.wire.executor)
    }

    private func fetch(
        _ call: UpstreamCall, _ query: PageQuery, _ key: CacheKey, _ visit: Visit
    ) -> PageFetch {
        PageFetch(
            sender: sender, cache: cache,
            builder: PageBuilder(links: links, lifetimes: cache.lifetimes, runs: cache.runs, environment: environment),
            call: call.shared(), query: query, flightKey: key,
            page: PageQuery.listPage(
                visit.head, visit.admission.route, partition: visit.admission.partition ?? ""),
            request: visit.fields, wantsNew: query.directives.wantsNew)
    }

    func gate(_ call: UpstreamCall) -> Gate { sender.pacing.gate(call.gateKey) }
}
