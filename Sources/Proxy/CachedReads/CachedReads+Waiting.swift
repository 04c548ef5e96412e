// Reads that wait for a change (`If-None-Match` and `Prefer: wait=N`): what they ask of the cache and of upstream.

import Caching
import ClashAPI
import HTTPTypes
import RateLimiting

extension CachedReads {
    /// How long a page that was found will do for those who wait for it to change: as long as it is fresh, a list no longer than
    /// what shows a run in progress.
    func lasts(_ answer: CachedAnswer, _ query: PageQuery, isList: Bool) -> Duration {
        let now = environment.now()
        let ttl = answer.timeToLive(at: now)
        // What is never fresh would be asked for without end.
        guard ttl > .zero else { return listLook }
        guard isList else { return max(ttl, Self.shortestLook) }
        return max(min(ttl, listLook - answer.age(at: now)), Self.shortestLook)
    }

    /// Lists that are waited for are looked at so often at least.
    private var listLook: Duration { min(cache.lifetimes.inProgress, .seconds(5)) }
    private static let shortestLook = Duration.milliseconds(50)

    /// Looks at a page for all who wait for it: at what is stored, where that is new enough, else at upstream, as the tool that
    /// `visit` is of would.
    func look(_ visit: Visit, _ query: PageQuery) async -> PageLook {
        let isList = visit.admission.route.operation.isList
        if let reply = atOnce(visit, query), reply.isFresh {
            let age = reply.answer.age(at: environment.now())
            if !isList || age < listLook {
                return .page(reply.answer, again: lasts(reply.answer, query, isList: isList))
            }
        }
        var query = query
        // What is fresh is not new.
        if isList { query.directives.noCache = true }
        let call = UpstreamCall(
            visit, match: visit.admission.route.resolve(headers: visit.fields), body: .none, settings: sender.settings)
        defer { visit.progress.waitsFor = .turn }
        do throws(FlowExit) {
            switch try await answer(visit, call, query, until: environment.now() + maxWait) {
            case .live(let live, _):
                await live.response.discard()
                live.done()
                return .trouble
            case .stored(let reply) where reply.answer.status == .ok && reply.verdict.isStale == false:
                return .page(reply.answer, again: lasts(reply.answer, query, isList: isList))
            case .stored(let reply) where reply.answer.status == .notFound || reply.answer.status == .gone:
                return .gone(reply.answer)
            case .stored: return .trouble
            }
        } catch {
            return .trouble
        }
    }
}

extension StoredReply {
    /// Out of the cache, and as good as new.
    var isFresh: Bool {
        switch verdict {
        case .hit, .walked, .waited: true
        case .stale, .forwarded, .passed, .missing, .settled, .replayed: false
        }
    }
}

extension CacheVerdict {
    fileprivate var isStale: Bool { if case .stale = self { true } else { false } }
}
