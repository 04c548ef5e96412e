// The fetches behind the reads: joining one, beginning one, or refreshing what is stored while nobody waits.

import Caching
import ClashAPI
import Edge
import HTTPTypes
import NIOCore
import RateLimiting

extension CachedReads {
    /// Joins a fetch or begins one, and waits for what comes of it.
    ///
    /// - Parameter isFirst: what the visit knows of the store is still new.
    func land(
        _ visit: Visit, _ call: UpstreamCall, _ query: PageQuery, deadline: ContinuousClock.Instant, isFirst: Bool,
        mayShare: Bool
    ) async throws(FlowExit) -> (PageOutcome, isFollower: Bool) {
        let flight: Flight<PageOutcome>
        let waiter: Flight<PageOutcome>.Waiter
        var isFollower = false
        let known = isFirst ? visit.lookup?.variant : nil
        let key = known ?? cache.store.variant(of: query.key, request: visit.fields)
        var page = fetch(call, query, key, visit)
        let boarding =
            mayShare
            ? cache.flights.board(
                key, rank: call.turn.priority.rawValue, deadline: deadline, wantsNew: query.directives.wantsNew,
                // Nobody else is to wait for what only this caller must.
                mayLead: !gate.isHeldByOwnWindows(call.turn))
            : .alone(.rememberedUncacheable)
        // A fetch that starts at once may be upstream before this goes on.
        let asked = environment.now()
        switch boarding {
        case .follow(let joined, let me): (flight, waiter, isFollower) = (joined, me, true)
        case .lead(let begun, let me):
            (flight, waiter) = (begun, me)
            start(page, flight, on: visit.wire.executor)
        case .alone(let reason):
            (flight, waiter) = cache.flights.alone(rank: call.turn.priority.rawValue, deadline: deadline)
            page.wasTooLarge = reason == .tooLarge
            page.call.turn.isLong = page.wasTooLarge
            start(page, flight, on: visit.wire.executor)
        }
        visit.fetchIsSent = { flight.wasSent }
        // Rules that have changed while it was sent hold for it again once it has to wait.
        let bound = NIOLoopBound(visit, eventLoop: visit.wire.executor.eventLoop)
        let landing = await flight.landing(
            of: waiter,
            whenHeld: { [loop = visit.wire.executor.eventLoop] in
                loop.execute { bound.value.judgeAnew() }
            })
        visit.fetchIsSent = nil
        let waited = environment.now() - asked
        switch landing {
        case .ended(let outcome):
            if case .live = outcome { visit.progress.waitsFor = .upstream }
            if isFollower {
                visit.progress.facts.upstreamTime += waited
                visit.trace?.shared(outcome.span, from: asked, to: asked + waited)
            }
            return (outcome, isFollower)
        case .late:
            if isFollower { visit.progress.facts.queueTime += waited }
            let isForToken = !isFollower && page.progress.waitsFor == .token
            let failure =
                isForToken ? .tokenTooLate : Failure.tooLate(gate.refusalOfLate(page.call.turn), page.call.turn)
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

    /// The fetch runs here and now until it has to wait: with a turn that is free and a token at hand its request counts as
    /// sent when this returns.
    private func start(_ fetch: PageFetch, _ flight: Flight<PageOutcome>, on executor: EventLoopExecutor) {
        let fetches = counts.fetches
        fetches.exchangeBegan()
        let task = Task.immediate(executorPreference: executor) {
            await fetch.run(flight)
            fetches.exchangeEnded()
        }
        flight.onDrop { task.cancel() }
    }

    /// Nobody waits for it, so it takes no turn that somebody else could want: it is begun when one is free, or not now.
    ///
    /// - Parameter read: what is sent; nil: what the tool asked for.
    func refreshInBackground(_ visit: Visit, _ query: PageQuery, _ key: CacheKey, _ read: UpstreamCall? = nil) {
        guard !visit.wire.isDraining, let flight = cache.flights.refresh(key, rank: Self.backgroundRank) else { return }
        var call =
            read
            ?? UpstreamCall(
                visit, match: visit.admission.route.resolve(headers: visit.fields), body: .none,
                settings: sender.settings)
        call.turn.priority = .background
        start(fetch(call, query, key, visit), flight, on: visit.wire.executor)
    }

    private func fetch(
        _ call: UpstreamCall, _ query: PageQuery, _ key: CacheKey, _ visit: Visit
    ) -> PageFetch {
        PageFetch(
            sender: sender, cache: cache,
            builder: PageBuilder(links: links, lifetimes: cache.lifetimes, runs: cache.runs, environment: environment),
            call: call.shared(), toolWait: call.turn.wait, query: query, flightKey: key,
            page: query.shape.page
                ?? PageQuery.listPage(
                    visit.head, visit.admission.route, partition: visit.admission.partition ?? ""),
            request: visit.fields, wantsNew: query.directives.wantsNew, progress: CallProgress(trace: call.trace),
            held: visit.answerRoom)
    }

    var gate: Gate { sender.pacing.gate }
}
