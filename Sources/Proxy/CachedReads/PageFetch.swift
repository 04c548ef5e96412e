// One fetch of an answer that several tools may share: from the turn at the gate to the stored page.
//
// It has a life of its own: tools that wait for it may leave, and once its request is sent it is finished. What is
// written meanwhile makes its answer unfit for storing, never unfit for those who asked before the write.

import Caching
import ClashAPI
import CurlTransport
import HTTPTypes
import RateLimiting

/// Everything about one fetch; a value, so that it can run on whatever task.
struct PageFetch: Sendable {
    let sender: UpstreamSender
    let cache: PageCache
    let builder: PageBuilder
    /// What is sent: the request of the tool that began it, without what is about that tool alone.
    var call: UpstreamCall
    /// How long the tool that began it would wait for a turn.
    var toolWait: Duration?
    var query: PageQuery
    /// The key with its variant, as far as that was known when it began.
    var flightKey: CacheKey
    var page: ListPage?
    /// The tool's fields, which tell the variant.
    let request: HTTPFields
    /// Whether an answer that was stored meanwhile would do.
    let wantsNew: Bool
    /// What is known of it so far, for the one who began it as well.
    var progress: CallProgress
    /// Room for what the tool that began it leaves waiting.
    let held: HeldRoom
    /// Whether the answer was too large to be kept a moment ago.
    var wasTooLarge = false

    /// What comes of it.
    private struct Landing {
        var everybody: PageOutcome
        /// What only the one who began it gets.
        var leader: LiveAnswer?
        /// What only the one who began it gets, where that is complete.
        var complete: PageOutcome?
        /// Taken by the one who began it before all of it was here.
        var early: LiveAnswer?
    }

    /// What is known when an answer's head has come.
    private struct Arrival {
        let ticket: CacheStore.Ticket
        let received: ContinuousClock.Instant
        let delay: Duration
        let facts: CallFacts
    }

    /// Fetches, stores, and tells everybody who waits.
    func run(_ flight: Flight<PageOutcome>) async {
        var landing: Landing
        do throws(FlowExit) {
            var permit = try await turn()
            landing = try await fetch(flight, &permit)
            conclude(flight, landing)?.fetched()
            permit.release()
        } catch {
            landing = Landing(everybody: outcome(of: error))
            _ = conclude(flight, landing)
        }
        await fetchFirstPage(after: landing.everybody)
    }

    /// A turn. Nobody waits for a refresh in the background, so that takes one that is free, or none.
    private func turn() async throws(FlowExit) -> Gate.Permit {
        let gate = sender.pacing.gate
        if let permit = gate.tryAdmit(call.turn) {
            progress.passed(.queue, cache.environment)
            return permit
        }
        if call.turn.priority == .background { throw .callerLeft }
        var asked = call.turn
        asked.wait = toolWait
        if let refusal = gate.refusal(of: asked) {
            progress.facts.rateLimit = sender.rateLimit(call)
            throw .failed(.tooLate(refusal, asked))
        }
        return try await sender.turn(call, progress)
    }

    /// Tells everybody who waits. Returns what the one who began the fetch still reads from upstream.
    private func conclude(_ flight: Flight<PageOutcome>, _ landing: Landing) -> LiveAnswer? {
        let now = cache.environment.now()
        switch landing.everybody {
        case .failed(let failure, _): cache.recentTimeout.fetchEnded(failure.reason, now: now)
        case .answer, .alone: cache.recentTimeout.fetchEnded(nil, now: now)
        case .live, .notSent, .dropped: break
        }
        // First nobody may join any more: later ones look into the cache again.
        cache.flights.remove(flight, flightKey)
        cache.store.sweep(now: now)
        let isTaken = flight.end(landing.everybody, leader: landing.leader.map { .live($0) } ?? landing.complete)
        guard let live = landing.leader else { return landing.early }
        if !isTaken { live.response.body.cancel() }
        return isTaken ? live : nil
    }

    private func outcome(of error: FlowExit) -> PageOutcome {
        switch error {
        case .callerLeft: .dropped
        case .failed(let failure) where failure.reason == .rateLimited || failure.reason == .queueFull:
            .notSent(failure, progress.facts)
        case .failed(let failure): .failed(failure, progress.facts)
        }
    }

    /// A later page that the first one of its list is too old for, or contradicts, is good only beside a new first page.
    /// Nobody waits for that, so it is begun when a turn is free, or not now.
    private func fetchFirstPage(after outcome: PageOutcome) async {
        let now = cache.environment.now()
        guard case .answer(let answer, let news) = outcome, news.notStored == nil, let stored = answer.page, let page,
            answer.timeToLive(at: now) > .zero, cache.store.takeWantOfFirst(for: stored, now: now)
        else { return }
        var first = self
        // A first page that names no place in its list is stored under what its list is known by.
        first.query.key = page.list
        first.flightKey = cache.store.variant(of: page.list, request: request)
        first.page = ListPage(list: page.list, isFirst: true, isForWalks: page.isForWalks)
        if page.isForWalks, let page = first.page { first.query.shape = .forWalks(page) }
        first.call.request.target = call.match.route.firstPageTarget
        first.call.match = ClashAPI.match(method: .get, target: first.call.request.target).resolve(headers: request)
        first.call.turn.priority = .background
        first.progress = CallProgress(trace: call.trace)
        guard let flight = cache.flights.refresh(first.flightKey, rank: CachedReads.backgroundRank) else { return }
        await first.run(flight)
    }

    /// From the token to the answer that is stored or handed on. The store is looked at once the fetch counts as sent:
    /// who asks after a write that is answered from now on must not get what is found here.
    private func fetch(
        _ flight: Flight<PageOutcome>, _ permit: inout Gate.Permit
    ) async throws(FlowExit) -> Landing {
        let credential = try await sender.credential(call, progress)
        flight.sent()
        let ticket = cache.store.begin(query.key)
        defer { cache.store.end(ticket) }
        let asked = cache.environment.now()
        var expired: CachedAnswer?
        switch cache.store.find(query.key, request: request, now: asked) {
        case .fresh(let answer, let ttl) where !wantsNew:
            // Another fetch brought it while this one waited.
            return Landing(everybody: .answer(answer, PageNews(ttlOfStored: ttl)))
        case .expired(let answer, _) where answer.hasValidator: expired = answer
        case .fresh, .expired, .nothing: break
        }
        var response = try await send(call(revalidating: expired), credential, flight, &permit)
        if response.status == .notModified {
            if let expired, let landing = refreshed(expired, response, asked, ticket, progress.facts) {
                await response.discard()
                return landing
            }
            // It speaks of something else than what is stored: the answer itself is needed.
            await response.discard()
            response = try await send(call, credential, flight, &permit)
            // Nobody asked whether something is still good.
            if response.status == .notModified { throw .failed(.notAsked) }
        }
        let received = cache.environment.now()
        let arrival = Arrival(ticket: ticket, received: received, delay: received - asked, facts: progress.facts)
        return try await take(response, arrival, flight, permit)
    }

    /// Sends it. While upstream refuses it for now, those who wait for it may leave, and with an answer at hand nobody
    /// waits for the end of the pause.
    private func send(
        _ call: UpstreamCall, _ credential: CallCredential, _ flight: Flight<PageOutcome>, _ permit: inout Gate.Permit
    ) async throws(FlowExit) -> UpstreamResponse {
        var tries = sender.tries(with: credential)
        while true {
            let place = try await sender.countSend(&permit, call, progress)
            flight.sent()
            switch try await sender.attempt(call, &tries, permit, place, progress) {
            case .answer(let response): return response
            case .again: continue
            case .refusedForNow:
                // Who would only wait to be told to wait is told at once.
                let pause = sender.pacing.gate.pause(for: call.turn)
                flight.held(until: pause.map { cache.environment.now() + $0 })
                if cache.staleAnswer(for: .rateLimited, query, request) != nil {
                    throw sender.refusedTooLong(call, progress)
                }
            }
        }
    }

    // MARK: Revalidation

    private func call(revalidating answer: CachedAnswer?) -> UpstreamCall {
        guard let answer else { return call }
        var call = call
        if let etag = answer.fields[.eTag] { call.request.fields[.ifNoneMatch] = etag }
        if let modified = answer.fields[.lastModified] { call.request.fields[.ifModifiedSince] = modified }
        return call
    }

    /// The stored answer with the fields of a 304; nil when that does not speak of it. One that forbids keeping it still
    /// answers the request that asked, and that one only.
    private func refreshed(
        _ old: CachedAnswer, _ response: UpstreamResponse, _ asked: ContinuousClock.Instant,
        _ ticket: CacheStore.Ticket, _ facts: CallFacts
    ) -> Landing? {
        let fields = builder.withDate(response.fields.endToEnd(dropping: .dropDownstream))
        guard Conditional.confirms(stored: old.fields, by: fields) else { return nil }
        let now = cache.environment.now()
        let (verdict, merged) = builder.judgeRevalidated(old, fields, call.match, delay: now - asked)
        switch sharing(verdict, merged) {
        case .store(let freshness):
            let new = builder.renewed(old, merged, freshness, receivedAt: now, isKnown: query.isKnown)
            let reason = cache.store.refresh(
                old, with: new, under: query.key, request: request, ticket: ticket, now: now)
            return Landing(everybody: .answer(new, news(reason, facts, merged, isRefreshed: true)))
        case .refuse(let reason):
            cache.store.remove(query.key, request: request, only: old)
            cache.flights.remember(flightKey, reason)
            let new = builder.renewed(
                old, merged, Freshness(lifetime: .zero), receivedAt: now, isKnown: query.isKnown)
            return Landing(
                everybody: .alone(reason), complete: .answer(new, news(reason, facts, merged, isRefreshed: true)))
        }
    }

    /// The verdict for an answer to a fetch that is nobody's in particular: one that depends on what was not sent is
    /// nobody else's either.
    private func sharing(_ verdict: StoringRules.Verdict, _ fields: HTTPFields) -> StoringRules.Verdict {
        guard case .store = verdict, varying(fields).contains(where: { !sent.contains($0) }) else { return verdict }
        return .refuse(.varyNotSent)
    }

    /// What upstream was asked with.
    private var sent: HTTPFields { call.request.fields }

    // MARK: New answers

    private func take(
        _ response: UpstreamResponse, _ arrival: Arrival, _ flight: Flight<PageOutcome>,
        _ permit: borrowing Gate.Permit
    ) async throws(FlowExit) -> Landing {
        let fields = response.fields.endToEnd(dropping: .dropDownstream)
        if response.status == .notFound || response.status == .gone {
            cache.store.remove(query.key, request: request)
        }
        // Judged by all that upstream says: what `Connection` names is not passed on, but counts.
        let verdict = sharing(
            builder.judge(
                response.status, response.fields, call.match.operation, isKnown: query.isKnown, delay: arrival.delay),
            response.fields)
        var limit = cache.store.maxBodyBytes
        if case .refuse(let reason) = verdict {
            guard response.status.isShareable, !response.fields.contains(.setCookie) else {
                return alone(LiveAnswer(response, reason: reason, facts: arrival.facts, place: permit.sent))
            }
            limit = min(limit, Self.maxErrorBytes)
        }
        if wasTooLarge { limit = 0 }
        var body = PageBody(for: query.key, from: cache.store, held: held)
        defer { body.giveBack() }
        var early: LiveAnswer?
        let place = permit.sent
        do throws(FlowExit) {
            try await body.fill(response.body, limit: limit, call.traits) { growing in
                let live = LiveAnswer(response, growing: growing, reason: nil, facts: arrival.facts, place: place)
                if flight.endForLeader(.live(live)) { early = live } else { growing.leave() }
            }
        } catch {
            if case .failed(let failure) = error { body.growing?.end(.failed(failure)) }
            throw error
        }
        guard body.isWhole else {
            if permit.becomesLong() { return tooLarge(response, body, arrival, early, in: place) }
            // Whoever asks next, this call's tool included, waits for such a place before it is sent.
            cache.flights.remember(flightKey, .tooLarge)
            response.body.cancel()
            body.growing?.end(.failed(.tooManyLong))
            throw .failed(.tooManyLongNow)
        }
        body.growing?.end(.whole)
        var facts = arrival.facts
        facts.upstreamTime += cache.environment.now() - arrival.received
        switch verdict {
        case .refuse(let reason):
            let answer = builder.error(response.status, fields, body.chunks, receivedAt: arrival.received)
            return Landing(everybody: .answer(answer, news(reason, facts, response.fields)))
        case .store(let freshness):
            let built = await builder.page(
                call.match, request, fields, body.chunks, freshness, askedAt: arrival.received - arrival.delay,
                receivedAt: arrival.received, page: variantPage(response.fields),
                endIsProven: response.body.endIsProven, base: query.base.text, shape: query.shape,
                load: sender.pacing.gate.budget(for: call.turn).load)
            if built.isBrokenOff { throw .failed(.brokenOff) }
            let reason = store(built, response.fields, arrival.ticket)
            return Landing(everybody: .answer(built.answer, news(reason, facts, response.fields)))
        }
    }

    /// What was already taken off upstream goes to the first tool, which takes the rest itself.
    private func tooLarge(
        _ response: UpstreamResponse, _ body: PageBody, _ arrival: Arrival, _ early: LiveAnswer?,
        in place: Gate.Place?
    ) -> Landing {
        let reason = body.isOutOfRoom ? CacheReason.noRoom : .tooLarge
        if let growing = body.growing {
            growing.end(.rest(response.body))
            cache.flights.remember(flightKey, reason)
            if early == nil { response.body.cancel() }
            return Landing(everybody: .alone(reason), early: early)
        }
        let growing = GrowingBody(held)
        body.chunks.forEach { growing.append($0) }
        growing.end(.rest(response.body))
        return alone(
            LiveAnswer(
                response, growing: body.chunks.isEmpty ? nil : growing, reason: reason, facts: arrival.facts,
                place: place))
    }

    /// The answer goes to the one who began the fetch, as it comes; the others fetch for themselves, and nobody queues
    /// behind another for this key for a while.
    private func alone(_ live: LiveAnswer) -> Landing {
        let reason = live.reason ?? .rememberedUncacheable
        cache.flights.remember(flightKey, reason)
        return Landing(everybody: .alone(reason), leader: live)
    }

    private func store(_ built: PageBuilder.Built, _ fields: HTTPFields, _ ticket: CacheStore.Ticket) -> CacheReason? {
        let key = query.key
        if query.directives.noStore { return .requestNoStore }
        if let reason = built.notStorable { return reason }
        // Somebody has begun to walk the list meanwhile, and is shown another state of it.
        if case .ownLinks(let walk) = query.shape, cache.walked.isWalked(walk.list) { return .listChanged }
        cache.flights.forget(flightKey)
        var ticket = ticket
        // What shows a run still under way that this answer shows ended is looked at again, whoever asks for it.
        var overtaking: CacheStore.Ticket?
        if !built.endedRuns.isEmpty, built.answer.page == nil {
            overtaking = cache.store.overtake(TagSet(built.endedRuns), by: built.answer.tags, ticket)
            if let overtaking { ticket = overtaking }
            cache.watches.poke()
        }
        defer { if let overtaking { cache.store.end(overtaking) } }
        let vary = varying(fields)
        return cache.store.store(
            built.answer, under: key, vary: vary, request: sent, ticket: ticket, now: cache.environment.now())
    }

    /// Each variant of a list has generations of its own.
    private func variantPage(_ fields: HTTPFields) -> ListPage? {
        let vary = varying(fields)
        guard let page, !vary.isEmpty else { return page }
        return ListPage(
            list: page.list.variant(Vary.key(vary, of: sent)), isFirst: page.isFirst, isForWalks: page.isForWalks)
    }

    private func news(
        _ notStored: CacheReason?, _ facts: CallFacts, _ fields: HTTPFields, isRefreshed: Bool = false
    ) -> PageNews {
        // What was sent for nobody differs for nobody.
        let vary = varying(fields).filter { HeaderTraits.of($0).contains(.sharedFetch) }
        return PageNews(
            notStored: notStored, facts: facts, isRefreshed: isRefreshed, vary: vary,
            varyKey: Vary.key(vary, of: sent))
    }

    /// What `Vary` names beyond what is in every key.
    private func varying(_ fields: HTTPFields) -> [HTTPField.Name] {
        (Vary.names(in: fields) ?? []).filter { !HeaderTraits.of($0).contains(.inEveryKey) }
    }

    /// Errors are small; what is larger is passed on as it comes.
    private static let maxErrorBytes = 256 << 10
}

extension HTTPResponse.Status {
    /// Errors and redirections are answers for all who wait for the same; other successes may be one tool's own.
    fileprivate var isShareable: Bool { code >= 300 && code != 304 }
}

extension CachedAnswer {
    /// Whether upstream can be asked if it is still good.
    fileprivate var hasValidator: Bool { fields.contains(.eTag) || fields.contains(.lastModified) }
}

extension Failure {
    fileprivate static let notAsked = Failure(
        .upstreamInvalidResponse, "Upstream answered 304 to a request without a condition.")

    fileprivate static let brokenOff = Failure(
        .upstreamInvalidResponse, "Upstream's answer was cut off or is not valid HTTP.",
        detail: "the body stops inside its coding or its JSON, or nothing proves that it is whole")
}
