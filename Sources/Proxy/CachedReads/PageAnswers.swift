// What a read is answered with: a hit, a stale page, a new one, or upstream's answer as it comes.

import Caching
import ClashAPI
import CurlTransport
import HTTPTypes

extension PageService {
    /// - Parameter facts: of the call upstream, if there was one for this tool.
    func write(
        _ answer: CachedAnswer, _ verdict: CacheVerdict, _ visit: Visit, _ query: PageQuery, facts: CallFacts?
    ) {
        visit.record.cache = verdict
        visit.record.source = verdict.source
        let writer = PageWriter(links: links, corsOrigin: visit.admission.corsOrigin, now: environment.now())
        let showsAge = verdict.source == .cache || answer.freshness.initialAge >= .seconds(1)
        writer.write(answer, verdict.status, visit, query, showsAge: showsAge, facts: facts)
    }

    func writeHit(_ answer: CachedAnswer, _ ttl: Duration, _ visit: Visit, _ query: PageQuery) {
        let seconds = max(Int(ttl.components.seconds), 0)
        write(answer, .hit(ttl: seconds), visit, query, facts: nil)
    }

    func writeStale(_ old: PageCache.StandIn, _ visit: Visit, _ query: PageQuery, facts: CallFacts?) {
        // Rounded away from freshness.
        let seconds = Int(old.ttl.components.seconds) - (old.ttl.components.attoseconds < 0 ? 1 : 0)
        write(old.answer, .stale(old.why, ttl: seconds), visit, query, facts: facts)
    }

    func relay(
        _ live: LivePage, _ visit: Visit, _ call: UpstreamCall, _ verdict: CacheVerdict
    ) async throws(FlowExit) {
        defer { withExtendedLifetime(live) {} }
        let relay = ResponseRelay(links: links, environment: environment, verdict: verdict)
        try await relay.run(live.response, call, visit, body: live.body)
    }
}
