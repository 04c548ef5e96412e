// As whose a request counts.

extension RequestFlow {
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
