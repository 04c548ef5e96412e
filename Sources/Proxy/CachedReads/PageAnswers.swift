// What a read is answered with: a hit, a stale page, a new one, or upstream's answer as it comes.

import Caching
import ClashAPI
import CurlTransport
import HTTPTypes

extension PageService {
    func write(
        _ answer: CachedAnswer, _ status: CacheStatus, _ exchange: Exchange, _ query: PageQuery,
        _ admission: Admission, isHit: Bool, facts: CallFacts?
    ) {
        exchange.record.source = isHit ? .cache : .upstream
        let writer = PageWriter(links: links, corsOrigin: admission.corsOrigin, now: environment.now())
        let showsAge = isHit || answer.freshness.initialAge >= .seconds(1)
        writer.write(answer, status, exchange, query, showsAge: showsAge, facts: facts)
    }

    func writeHit(
        _ answer: CachedAnswer, _ ttl: Duration, _ exchange: Exchange, _ query: PageQuery, _ admission: Admission
    ) {
        exchange.record.cache = "hit"
        let seconds = max(Int(ttl.components.seconds), 0)
        write(answer, .hit(ttl: seconds), exchange, query, admission, isHit: true, facts: nil)
    }

    func writeStale(
        _ old: PageCache.StandIn, _ exchange: Exchange, _ query: PageQuery, _ admission: Admission, facts: CallFacts?
    ) {
        // Rounded away from freshness.
        let seconds = Int(old.ttl.components.seconds) - (old.ttl.components.attoseconds < 0 ? 1 : 0)
        exchange.record.cache = "stale:\(old.why.rawValue)"
        let status: CacheStatus = seconds < 0 ? .stale(ttl: seconds, detail: old.why) : .hit(ttl: seconds)
        write(old.answer, status, exchange, query, admission, isHit: true, facts: facts)
    }

    func relay(
        _ live: LivePage, _ exchange: Exchange, _ call: UpstreamCall, _ admission: Admission, _ forward: Forwarding
    ) async throws(FlowExit) {
        defer { withExtendedLifetime(live) {} }
        let relay = ResponseRelay(
            links: links, corsOrigin: admission.corsOrigin, environment: environment,
            cacheStatus: .forwarded(
                forward.why, stored: false, collapsed: false, status: nil,
                detail: (live.reason ?? forward.detail)?.rawValue))
        try await relay.run(live.response, call, exchange, body: live.body)
    }
}
