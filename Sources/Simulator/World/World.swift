// Everything that changes, in one value under one lock: data, tokens, windows, faults, evidence. `respond` is the
// life of a request from the fake's point of view; it does no I/O and knows no socket.

/// The state of a simulator.
struct World: Sendable {
    let configuration: SimulatorConfiguration
    var store: Store
    var tokens: TokenStore
    var keys = KeyRing()
    var limiter: RateLimiter
    var faults: FaultBook
    var journal: Journal
    /// Own base URLs, known once the listeners are bound.
    var apiBase = ""
    var issuer = ""
    /// Jitter, chances of faults, correlation ids: kept apart from the ids of entities.
    var random: SplitMix

    init(configuration: SimulatorConfiguration, now: Duration) {
        self.configuration = configuration
        store = Store(configuration: configuration, now: now)
        tokens = TokenStore(configuration: configuration)
        limiter = RateLimiter(
            windows: configuration.rateWindows, runWindows: configuration.runWindows,
            trapGrace: configuration.trapMode ? configuration.trapGrace : nil)
        faults = FaultBook(configuration.faults)
        journal = Journal(limit: configuration.recordLimit)
        random = SplitMix(seed: configuration.seed, stream: 3)
    }

    mutating func respond(to request: RecordedRequest) -> Exchange {
        journal.record(request)
        let isToken = belongsToIssuer(request)
        if isToken { journal.counters.tokenRequests += 1 } else { journal.counters.apiCalls += 1 }
        let fault = faults.take(for: request, random: &random)
        if fault != nil { journal.counters.faults += 1 }

        var exchange: Exchange
        if let fault, let instead = replacement(fault, for: request) {
            exchange = instead
        } else {
            exchange = Exchange(answer: isToken ? token(request, fault) : api(request))
            if !isToken { exchange.gzip = compresses(exchange.answer, for: request) }
            if case .runStartedTwice = fault, exchange.answer.status < 300 { _ = api(request) }
            if let fault { World.spoil(&exchange, by: fault) }
        }
        if exchange.answer.status == 401, !isToken { journal.counters.unauthorized += 1 }
        if exchange.answer.status == 429 { journal.counters.rateLimited += 1 }
        decorate(&exchange.answer, for: request, isToken: isToken)
        exchange.delay += latency()
        return exchange
    }

    /// With one listener for both, the path decides.
    private func belongsToIssuer(_ request: RecordedRequest) -> Bool {
        guard configuration.tokenPort == nil else { return request.onTokenListener }
        return TokenEndpoint.paths.contains(String(splitTarget(request.target).path))
    }

    private mutating func token(_ request: RecordedRequest, _ fault: Fault?) -> Answer {
        var endpoint = TokenEndpoint(configuration: configuration, issuer: issuer, now: request.time)
        if case .tokenExpiresIn(let told) = fault { endpoint.expiresIn = .some(told) }
        if case .signInDeclined = fault { endpoint.declines = true }
        let (answer, event) = endpoint.answer(request, &tokens, &keys)
        switch event {
        case .issued: journal.counters.tokensIssued += 1
        case .reused: journal.counters.refreshReuses += 1
        case .none: break
        }
        return answer
    }

    private mutating func latency() -> Duration {
        guard configuration.latencyJitter > .zero else { return configuration.latency }
        return configuration.latency + configuration.latencyJitter * Double.random(in: 0..<1, using: &random)
    }
}
