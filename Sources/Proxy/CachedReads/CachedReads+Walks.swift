// Pages of walks: cut at the front desk out of what is stored, or in the flow out of what is fetched for them.

import Caching
import ClashAPI
import CurlTransport
import Edge
import HTTPTypes
import RateLimiting

extension CachedReads {
    // MARK: At the front desk

    /// How a page of a paged list is served; nil: it is none.
    func mode(_ query: PageQuery) -> WalkMode? {
        guard case .page(let walk) = query.walk else { return nil }
        // Of what is not to be kept nothing is cut but what leads to nothing else.
        if query.directives.noStore, walk.query.token == nil { return nil }
        let (mode, dropped) = cache.walked.asked(walk, under: query.key, now: environment.now())
        if let dropped { cache.store.remove(dropped, request: [:]) }
        return mode
    }

    /// A page cut out of what is stored, if that will do.
    func walkAtOnce(_ visit: Visit, _ query: PageQuery, _ walk: WalkRequest) -> StoredReply? {
        let now = environment.now()
        var gathering = WalkGathering(walk)
        var stale: (why: StaleReason, staleness: Duration, fetch: WalkFetch)?
        while let fetch = gathering.wants {
            guard let page = cache.store.walkPage(walk.key(of: fetch), of: gathering.generation, now: now) else {
                return nil
            }
            if page.ttl > .zero || page.isReplaced {
                guard query.directives.accept(page.answer, page.ttl, now) == nil else { return nil }
            } else {
                guard query.directives == .none,
                    let why = reasonToGive(page.answer, .zero - page.ttl, now, visit.admission)
                else { return nil }
                if stale.map({ $0.staleness < .zero - page.ttl }) ?? true { stale = (why, .zero - page.ttl, fetch) }
            }
            guard gathering.take(page) else { return nil }
        }
        guard let answer = keep(gathering, visit, query, now) else { return nil }
        if let stale {
            if stale.why == .revalidating { refresh(stale.fetch, of: walk, visit, query) }
            let old = PageCache.StaleAnswer(answer: answer, why: stale.why, ttl: .zero - stale.staleness)
            return StoredReply(old, cameByCall: false)
        }
        prefetch(after: gathering, visit, query)
        return StoredReply(walked: answer, ttl: answer.timeToLive(at: now), cameByCall: false)
    }

    /// The page, which is kept for who asks for the same.
    private func keep(
        _ gathering: WalkGathering, _ visit: Visit, _ query: PageQuery, _ now: ContinuousClock.Instant
    ) -> CachedAnswer? {
        guard let answer = gathering.cut(base: query.base.text, now: now) else { return nil }
        let isPresent = gathering.pieces.allSatisfy { !$0.page.isReplaced && $0.page.generation != 0 }
        if isPresent, !query.directives.noStore {
            cache.store.store(
                answer, under: query.key, madeOf: gathering.pieces.map { ($0.key, $0.page.answer) },
                generation: gathering.generation)
        }
        return answer
    }

    // MARK: In the flow

    /// Answers with a page of a walk, fetching what it needs; nil where nothing can be cut, and the page is upstream's to give
    /// as it is.
    func walkAnswer(
        _ visit: Visit, _ call: UpstreamCall, _ query: PageQuery, _ walk: WalkRequest,
        until deadline: ContinuousClock.Instant
    ) async throws(FlowExit) -> ReadAnswer? {
        var gathering = WalkGathering(walk)
        var verdict: CacheVerdict?
        var fetched: Set<CacheKey> = []
        while let fetch = gathering.wants {
            let key = walk.key(of: fetch)
            if let page = stored(key, gathering.generation, query, isNew: fetched.contains(key)) {
                guard gathering.take(page) else { return try unfit(walk) }
                continue
            }
            visit.lookup = cache.store.lookUp(key, request: visit.fields, now: environment.now())
            switch try await answer(
                visit, call.fetching(fetch, of: walk), query.fetching(fetch, of: walk), until: deadline)
            {
            case .live(let live, _):
                await live.response.discard()
                live.done()
                return try unfit(walk)
            case .stored(let reply) where reply.answer.status != .ok: return .stored(reply)
            case .stored(let reply):
                fetched.insert(key)
                verdict =
                    verdict.flatMap { $0.source == .cache && reply.verdict.source != .cache ? $0 : nil }
                    ?? reply.verdict
                guard gathering.take(page(reply.answer, key, gathering.generation, query)) else {
                    return try unfit(walk)
                }
            }
        }
        let now = environment.now()
        guard let answer = keep(gathering, visit, query, now) else { return try unfit(walk) }
        prefetch(after: gathering, visit, query)
        guard let verdict else {
            return .stored(StoredReply(walked: answer, ttl: answer.timeToLive(at: now), cameByCall: true))
        }
        return .stored(StoredReply(answer, verdict, cameByCall: true))
    }

    /// - Parameter isNew: it has just been fetched for this tool.
    private func stored(
        _ key: CacheKey, _ generation: UInt64, _ query: PageQuery, isNew: Bool
    ) -> CacheStore.WalkPage? {
        let now = environment.now()
        guard let page = cache.store.walkPage(key, of: generation, now: now), page.ttl > .zero || page.isReplaced,
            isNew || query.directives.accept(page.answer, page.ttl, now) == nil
        else { return nil }
        return page
    }

    /// What was fetched, or what the walker's own picture has in its place.
    private func page(
        _ answer: CachedAnswer, _ key: CacheKey, _ generation: UInt64, _ query: PageQuery
    ) -> CacheStore.WalkPage {
        let now = environment.now()
        if let page = cache.store.walkPage(key, of: generation, now: now),
            page.answer === answer || page.isReplaced && !query.directives.wantsNew
        {
            return page
        }
        return CacheStore.WalkPage(answer: answer, generation: 0, ttl: answer.timeToLive(at: now), isReplaced: false)
    }

    private func unfit(_ walk: WalkRequest) throws(FlowExit) -> ReadAnswer? {
        cache.walked.isUnfit(walk, now: environment.now())
        // Upstream knows no such token.
        if walk.query.token != nil { throw .failed(.walkBroken) }
        return nil
    }

    // MARK: While nobody waits

    /// Nobody waits for it, so it is begun when a turn is free, or not now.
    private func refresh(_ fetch: WalkFetch, of walk: WalkRequest, _ visit: Visit, _ query: PageQuery) {
        let call = UpstreamCall(
            visit, match: visit.admission.route.resolve(headers: visit.fields), body: .none, settings: sender.settings)
        refreshInBackground(visit, query.fetching(fetch, of: walk), walk.key(of: fetch), call.fetching(fetch, of: walk))
    }

    /// Whoever walks will soon ask for what follows.
    private func prefetch(after gathering: WalkGathering, _ visit: Visit, _ query: PageQuery) {
        let walk = gathering.walk
        guard prefetches, walk.query.token != nil || walk.place.offset > 0, let last = gathering.pieces.last,
            !last.page.isReplaced, let following = last.following,
            // Many stop early: it is worth a call only when nearly all of what is here has been read.
            (walk.place.offset + walk.size - last.fetch.base) * 4 >= last.rows * 3
        else { return }
        let fetch = walk.paging.style == .skip ? WalkFetch(base: following.base, token: []) : following
        let now = environment.now()
        if let page = cache.store.walkPage(walk.key(of: fetch), of: gathering.generation, now: now), page.ttl > .zero {
            return
        }
        var turn = GateRequest(visit.admission.route.resolve(), visit.admission.caller, wait: nil)
        turn.token = visit.admission.token
        guard gate.budget(for: turn).isIdle else { return }
        refresh(fetch, of: walk, visit, query)
    }
}

extension UpstreamCall {
    /// The same read, of the largest page that this fetch of the walk is.
    func fetching(_ fetch: WalkFetch, of walk: WalkRequest) -> UpstreamCall {
        var call = self
        call.request.target = walk.target(of: fetch)
        call.match = ClashAPI.match(method: .get, target: call.request.target).resolve(headers: call.request.fields)
        return call
    }
}

extension PageQuery {
    /// The question to the cache for such a fetch.
    func fetching(_ fetch: WalkFetch, of walk: WalkRequest) -> PageQuery {
        var query = self
        query.key = walk.key(of: fetch)
        query.walk = nil
        query.shape = .forWalks(ListPage(list: walk.list, isFirst: fetch.isFirst, isForWalks: true))
        return query
    }
}

extension Failure {
    /// The token cannot be read, or is of another list.
    static let badWalkToken = Failure.invalid(
        "The continuation token is none of this list, or is not understood: begin again with the list's first page.",
        target: "continuationToken")

    /// A walk cannot go on.
    static let walkBroken = Failure(
        .upstreamInvalidResponse,
        "The list's pages cannot be parted any more: begin again with the list's first page.")
}
