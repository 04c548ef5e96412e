// What is kept of a request that has ended: counts, its line in the access log, and for a while the reasons.

import Edge

extension RequestFlow {
    /// The end of every request that reached the front desk. What never became one ends in `ProxyService.lastAnswer`.
    func finish(_ visit: Visit, _ outcome: Outcome) {
        guard let record = visit.close(outcome) else { return }
        visit.guarded.approval?.leave()
        let now = keep(record, outcome, of: visit.admission.caller)
        if let trace = visit.trace { trace.ended(record, outcome, scheme: visit.client.scheme, at: now) }
        visit.wire.leave()
    }

    /// Returns the time of its end.
    ///
    /// - Parameter caller: nil where nobody was asked who it is.
    func keep(_ record: ExchangeRecord, _ outcome: Outcome, of caller: Caller?) -> ContinuousClock.Instant {
        if let verdict = record.cache { reads?.counts.counters.count(verdict) }
        let (ended, now) = (environment.wallTime(), environment.now())
        let total = now - record.started
        traffic.ended(record, caller: label(caller), time: total)
        traffic.recent.add(
            Explanation(record: record, outcome: outcome, ended: ended, total: total), ofStranger: isStranger(caller))
        accessLog?.write(record, outcome: outcome, ended: ended, total: total)
        return now
    }

    /// Whoever has shown no key where keys are known, and what never became a request.
    private func isStranger(_ caller: Caller?) -> Bool {
        guard let caller else { return true }
        if case .anonymous = caller.via { return knowsCallers }
        return false
    }

    /// Names of the configuration are labels, and no others.
    private func label(_ caller: Caller?) -> String {
        switch caller?.via {
        case .key, .certificate, .unix: caller?.name ?? "other"
        case .jwt, .token: "other"
        case .anonymous, nil: knowsCallers ? "other" : Caller.anonymous.name
        }
    }
}
