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
    let call: UpstreamCall
    let query: PageQuery
    let page: ListPage?
    /// The tool's fields, which tell the variant.
    let request: HTTPFields
    /// Whether an answer that was stored meanwhile would do.
    let wantsNew: Bool

    /// Fetches, stores, and tells everybody who waits.
    func run(_ flight: Flight<PageOutcome>) async {
        let (everybody, leader) = await fetch(flight)
        // First nobody may join any more: later ones look into the cache again.
        cache.flights.remove(flight, query.key)
        flight.end(everybody, leader: leader)
    }

    private func fetch(_ flight: Flight<PageOutcome>) async -> (everybody: PageOutcome, leader: PageOutcome?) {
        let progress = CallProgress()
        do throws(FlowExit) {
            let permit = HeldPermit(try await sender.turn(progress, wait: nil))
            defer { withExtendedLifetime(permit) {} }
            if !wantsNew, let stored = storedMeanwhile() { return (stored, nil) }
            let token = try await sender.token(progress)
            flight.sent()
            let ticket = cache.store.begin(query.key, page: page)
            defer { cache.store.end(ticket) }
            let expired = revalidatable()
            let asked = cache.environment.now()
            var response = try await sender.send(call(revalidating: expired), progress, token)
            if response.status == .notModified {
                if let expired, let outcome = refreshed(expired, response, asked, ticket, progress.facts) {
                    await response.discard()
                    return (outcome, nil)
                }
                // It speaks of something else than what is stored: the answer itself is needed.
                await response.discard()
                response = try await sender.send(call, progress, token)
            }
            return try await take(response, asked, ticket, progress.facts, permit)
        } catch {
            switch error {
            case .callerLeft: return (.dropped, nil)
            case .failed(let failure) where failure.reason == .rateLimited || failure.reason == .queueFull:
                return (.notSent(failure), nil)
            case .failed(let failure): return (.failed(failure, progress.facts), nil)
            }
        }
    }

    /// What another fetch brought while this one waited for its turn.
    private func storedMeanwhile() -> PageOutcome? {
        guard case .fresh(let answer) = cache.store.find(query.key, request: request, now: cache.environment.now())
        else { return nil }
        return .answer(answer, notStored: nil, CallFacts(), isRefreshed: false)
    }

    // MARK: Revalidation

    /// An expired answer that upstream can be asked about.
    private func revalidatable() -> CachedAnswer? {
        guard case .expired(let answer, _) = cache.store.find(query.key, request: request, now: cache.environment.now())
        else { return nil }
        return answer.fields.contains(.eTag) || answer.fields.contains(.lastModified) ? answer : nil
    }

    private func call(revalidating answer: CachedAnswer?) -> UpstreamCall {
        guard let answer else { return call }
        var call = call
        if let etag = answer.fields[.eTag] { call.request.fields[.ifNoneMatch] = etag }
        if let modified = answer.fields[.lastModified] { call.request.fields[.ifModifiedSince] = modified }
        return call
    }

    /// The stored answer with the fields of a 304; nil when that does not speak of it.
    private func refreshed(
        _ old: CachedAnswer, _ response: UpstreamResponse, _ asked: ContinuousClock.Instant,
        _ ticket: CacheStore.Ticket, _ facts: CallFacts
    ) -> PageOutcome? {
        let fields = response.fields.endToEnd(dropping: .dropDownstream)
        guard Conditional.confirms(stored: old.fields, by: fields) else { return nil }
        let (verdict, merged) = builder.judgeRevalidated(
            old, fields, isKnown: query.isKnown, delay: cache.environment.now() - asked)
        guard case .store(let freshness) = verdict else { return nil }
        let new = builder.renewed(old, merged, freshness, receivedAt: cache.environment.now())
        let reason = cache.store.refresh(
            old, with: new, under: query.key, request: request, ticket: ticket, now: cache.environment.now())
        return .answer(new, notStored: reason, facts, isRefreshed: true)
    }

    // MARK: New answers

    private func take(
        _ response: UpstreamResponse, _ asked: ContinuousClock.Instant, _ ticket: CacheStore.Ticket,
        _ facts: CallFacts, _ permit: HeldPermit
    ) async throws(FlowExit) -> (everybody: PageOutcome, leader: PageOutcome?) {
        let received = cache.environment.now()
        let fields = response.fields.endToEnd(dropping: .dropDownstream)
        let verdict = builder.judge(
            response.status, fields, call.match.operation, isKnown: query.isKnown, delay: received - asked)
        let limit: Int
        switch verdict {
        case .store: limit = cache.store.maxBodyBytes
        case .refuse(let reason):
            guard response.status.isShareable, !fields.contains(.setCookie) else {
                return alone(response, [], reason, facts, permit)
            }
            limit = min(cache.store.maxBodyBytes, Self.maxErrorBytes)
        }
        let collected = try await PageBody.collect(
            response, limit: limit, for: query.key, from: cache.store, call.traits)
        defer { collected.giveBack() }
        guard collected.isWhole else {
            return alone(response, collected.bytes, collected.isOutOfRoom ? .noRoom : .tooLarge, facts, permit)
        }
        switch verdict {
        case .refuse(let reason):
            let answer = builder.error(response.status, fields, collected.bytes, receivedAt: received)
            return (.answer(answer, notStored: reason, facts, isRefreshed: false), nil)
        case .store(let freshness):
            let built = await builder.page(
                call.match, request, fields, collected.bytes, freshness, receivedAt: received, page: page,
                endIsProven: response.body.endIsProven)
            if built.isBrokenOff { throw .failed(.brokenOff) }
            return (.answer(built.answer, notStored: store(built, fields, ticket), facts, isRefreshed: false), nil)
        }
    }

    private func store(_ built: PageBuilder.Built, _ fields: HTTPFields, _ ticket: CacheStore.Ticket) -> CacheReason? {
        let key = query.key
        if query.directives.noStore { return .requestNoStore }
        if let reason = built.notStorable { return reason }
        cache.flights.forget(key)
        let vary = (Vary.names(in: fields) ?? []).filter { !Self.inEveryKey.contains($0) }
        return cache.store.store(
            built.answer, under: key, vary: vary, request: request, ticket: ticket, now: cache.environment.now())
    }

    /// The answer goes to the one who began the fetch, as it comes; the others fetch for themselves, and nobody queues
    /// behind another for this key for a while.
    private func alone(
        _ response: UpstreamResponse, _ prefix: [UInt8], _ reason: CacheReason, _ facts: CallFacts,
        _ permit: HeldPermit
    ) -> (everybody: PageOutcome, leader: PageOutcome?) {
        cache.flights.remember(query.key, reason)
        let live = LivePage(response, prefix: prefix, reason: reason, facts: facts, permit: permit)
        return (.alone(reason), .live(live))
    }

    /// Errors are small; what is larger is passed on as it comes.
    private static let maxErrorBytes = 256 << 10

    /// Names whose values are in every key, or that make no difference to what upstream is asked.
    private static let inEveryKey: Set<HTTPField.Name> =
        Set([.accept, .prefer, .authorization, .acceptEncoding] + HTTPField.Name.selecting)
}

extension HTTPResponse.Status {
    /// Errors and redirections are answers for all who wait for the same; other successes may be one tool's own.
    fileprivate var isShareable: Bool { code >= 300 && code != 304 }
}

extension Failure {
    fileprivate static let brokenOff = Failure(
        .upstreamInvalidResponse, "Upstream's answer was cut off or is not valid HTTP.",
        detail: "body without a proven end is no complete JSON")
}
