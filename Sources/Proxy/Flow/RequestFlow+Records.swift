// What is kept of a request that has ended: counts, its line in the access log, and for a while the reasons.

extension RequestFlow {
    func keep(_ record: ExchangeRecord, _ outcome: Outcome, of caller: Caller) {
        if let verdict = record.cache { reads?.counts.counters.count(verdict) }
        let time = environment.now() - record.started
        count(record, as: caller, time: time)
        traffic.recent.add(
            Explanation(record: record, outcome: outcome, ended: environment.wallTime(), total: time))
        accessLog?.write(record, outcome: outcome, total: time)
    }

    /// - Parameter caller: nil where nobody was asked who it is.
    func count(_ record: ExchangeRecord, as caller: Caller?, time: Duration) {
        traffic.ended(record, caller: label(caller), time: time)
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
