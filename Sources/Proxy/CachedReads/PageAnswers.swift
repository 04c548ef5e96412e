// What a read is answered with: a hit, a stale page, a new one, or upstream's answer as it comes.

import Caching
import ClashAPI
import CurlTransport
import HTTPTypes

extension PageService {
    /// - Parameter facts: of the call upstream, if there was one for this tool.
    func write(
        _ answer: CachedAnswer, _ verdict: CacheVerdict, _ exchange: Exchange, _ query: PageQuery,
        _ admission: Admission, facts: CallFacts?
    ) {
        exchange.record.cache = verdict
        exchange.record.source = verdict.source
        let writer = PageWriter(links: links, corsOrigin: admission.corsOrigin, now: environment.now())
        let showsAge = verdict.source == .cache || answer.freshness.initialAge >= .seconds(1)
        writer.write(answer, verdict.status, exchange, query, showsAge: showsAge, facts: facts)
    }

    func writeHit(
        _ answer: CachedAnswer, _ ttl: Duration, _ exchange: Exchange, _ query: PageQuery, _ admission: Admission
    ) {
        let seconds = max(Int(ttl.components.seconds), 0)
        write(answer, .hit(ttl: seconds), exchange, query, admission, facts: nil)
    }

    func writeStale(
        _ old: PageCache.StandIn, _ exchange: Exchange, _ query: PageQuery, _ admission: Admission, facts: CallFacts?
    ) {
        // Rounded away from freshness.
        let seconds = Int(old.ttl.components.seconds) - (old.ttl.components.attoseconds < 0 ? 1 : 0)
        write(old.answer, .stale(old.why, ttl: seconds), exchange, query, admission, facts: facts)
    }

    func relay(
        _ live: LivePage, _ exchange: Exchange, _ call: UpstreamCall, _ admission: Admission, _ verdict: CacheVerdict
    ) async throws(FlowExit) {
        defer { withExtendedLifetime(live) {} }
        let relay = ResponseRelay(
            links: links, corsOrigin: admission.corsOrigin, environment: environment, verdict: verdict)
        try await relay.run(live.response, call, exchange, body: live.body)
    }
}
