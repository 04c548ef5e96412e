// The life of a source's token as a value: which token is held, whether a request is on its way, when the next is due.
// No clock, no I/O, no waiters; every event gets `now` (and chance where it is needed) and returns what is to be done.
//
// What stays true:
//  1. At most one flight: `Action.fetch` is returned only on entering `.fetching`, and only from outside it.
//  2. Two fetches are at least `shortestInterval` apart.
//  3. Whoever was told `.wait` is settled: every way out of the phase it waits in leads to a fetch or a `.settle`.
//  4. A token is given out as long as it lives, and no longer.

/// What a flight brought.
struct TokenGrant: Sendable, Equatable {
    let value: Hidden<String>
    /// As it was told; nil where it says nothing usable.
    let life: Duration?
    /// When the request for this token was sent, from which its life counts; nil: when the flight began.
    var askedAt: ContinuousClock.Instant?
    /// When somebody else got it and left it for us; nil: it has just come from the endpoint.
    var sharedSince: ContinuousClock.Instant?
}

struct TokenState: Sendable {
    typealias Instant = ContinuousClock.Instant

    /// To be done by the shell, now.
    enum Action: Equatable {
        case none
        /// Send a token request and report what came of it as `arrived(flight:)`.
        case fetch(flight: UInt64)
        /// Give this to everybody who waits. Whatever flight was on its way is over.
        case settle(Result<UpstreamToken, TokenFailure>)
    }

    /// What somebody gets who asks for a token.
    enum Answer: Equatable {
        case use(UpstreamToken)
        /// Upstream's refusal is not the token's fault as far as can be known: let the tool see it.
        case passOn
        case wait(Action)
        case fail(TokenFailure)
    }

    private enum Phase {
        case idle
        /// Valid next: `fetching`, `stopped`.
        case waiting(until: Instant)
        /// Valid next: `waiting`, `stopped`.
        case fetching(flight: UInt64, sentAt: Instant)
        case stopped
    }

    private struct Held {
        let token: UpstreamToken
        /// Upstream refused it and a newer one is being fetched. Cleared when that fails: an old token that may be
        /// good is better than none.
        var isSuspect = false
    }

    /// A failure of this machine that stays is told every five minutes or so.
    private static let localFailuresPerNews = 60

    private var schedule: TokenSchedule
    private let answerTimeout: Duration
    private var phase = Phase.idle
    private var held: Held?
    private var flights: UInt64 = 0
    private var lastSent: Instant?
    private var lastFailure: FetchFailure?
    private var failuresInARow = 0
    /// Whether the latest failure is known from the one before. It is looked for often, and told seldom.
    private var isOldNews = false
    private var counters = TokenCounters()

    init(refreshBefore: Duration, answerTimeout: Duration) {
        self.schedule = TokenSchedule(refreshBefore: refreshBefore)
        self.answerTimeout = answerTimeout
    }

    /// Tokens that come from now on are renewed so long before their end.
    mutating func changed(refreshBefore: Duration) { schedule = TokenSchedule(refreshBefore: refreshBefore) }

    /// The latest token, good or not.
    var heldToken: UpstreamToken? { held?.token }

    /// When `timerFired` is due: the next request, or the end of patience with the one on its way.
    var wakeAt: Instant? {
        switch phase {
        case .idle, .stopped: nil
        case .waiting(let until): until
        case .fetching(_, let sentAt): sentAt.advanced(by: answerTimeout)
        }
    }

    /// The token to send at `now`, if there is one.
    func usable(now: Instant) -> UpstreamToken? {
        guard let held, !held.isSuspect, now < held.token.expiresAt else { return nil }
        return held.token
    }

    // MARK: Asking

    /// The source is to have a token from now on.
    mutating func started(now: Instant) -> Action {
        guard case .idle = phase else { return .none }
        return fetch(now: now)
    }

    /// Somebody needs a token.
    mutating func needed(now: Instant) -> Answer {
        if case .stopped = phase { return .fail(.stopped) }
        if let token = usable(now: now) { return .use(token) }
        return refresh(now: now)
    }

    /// Upstream answered 401 to a request that carried `token`.
    mutating func refused(_ token: UpstreamToken, now: Instant) -> Answer {
        if case .stopped = phase { return .fail(.stopped) }
        guard let held, token.generation == held.token.generation else { return needed(now: now) }
        if token.issuedAt.duration(to: now) < TokenSchedule.trustedAge {
            counters.refusalsPassedOn += 1
            return .passOn
        }
        let answer = refresh(now: now)
        if case .wait(let action) = answer {
            self.held?.isSuspect = true
            if action != .none { counters.refreshedAfterRefusal += 1 }
        }
        return answer
    }

    /// The way to a newer token than the one held: the flight on its way, one of its own, or none before the pause
    /// after a failure is over.
    private mutating func refresh(now: Instant) -> Answer {
        switch phase {
        case .stopped: return .fail(.stopped)
        case .fetching: return .wait(.none)
        case .idle: return .wait(fetch(now: now))
        case .waiting(let until):
            if let lastFailure, now < until { return .fail(failure(lastFailure, retryAfter: now.duration(to: until))) }
            let earliest = lastSent?.advanced(by: TokenSchedule.shortestInterval) ?? now
            if now >= earliest { return .wait(fetch(now: now)) }
            phase = .waiting(until: earliest)
            return .wait(.none)
        }
    }

    private mutating func fetch(now: Instant) -> Action {
        flights += 1
        counters.requested += 1
        lastSent = now
        phase = .fetching(flight: flights, sentAt: now)
        return .fetch(flight: flights)
    }

    // MARK: What happens

    /// `wakeAt` has come. Early calls do nothing.
    mutating func timerFired(now: Instant, random: Double) -> Action {
        guard let wakeAt, now >= wakeAt else { return .none }
        switch phase {
        case .idle, .stopped: return .none
        case .waiting: return fetch(now: now)
        case .fetching:
            let silence = FetchFailure(reason: .endpointTimeout, message: "the token endpoint did not answer in time")
            return failed(silence, now: now, random: random)
        }
    }

    /// What came of a flight. One that is not on its way any more (given up, stopped) changes nothing.
    mutating func arrived(
        flight: UInt64, outcome: Result<TokenGrant, FetchFailure>, now: Instant, random: Double
    ) -> Action {
        guard case .fetching(flight, let sentAt) = phase else { return .none }
        switch outcome {
        case .failure(let failure): return failed(failure, now: now, random: random)
        case .success(let grant): return fetched(grant, sentAt: sentAt, now: now, random: random)
        }
    }

    private mutating func fetched(_ grant: TokenGrant, sentAt: Instant, now: Instant, random: Double) -> Action {
        let life = TokenSchedule.life(told: grant.life)
        let askedAt = grant.askedAt ?? sentAt
        let token = UpstreamToken(
            generation: (held?.token.generation ?? 0) + 1,
            value: grant.value.value,
            issuedAt: grant.sharedSince ?? now,
            expiresAt: askedAt.advanced(by: life)
        )
        guard now < token.expiresAt else {
            let late = FetchFailure(reason: .endpointTimeout, message: "the token ran out before it arrived")
            return failed(late, now: now, random: random)
        }
        held = Held(token: token)
        if grant.sharedSince == nil { counters.fetched += 1 } else { counters.shared += 1 }
        lastFailure = nil
        failuresInARow = 0
        // A flight may have waited before it asked, and a token that another process left may be due already.
        lastSent = askedAt
        phase = .waiting(until: askedAt.advanced(by: schedule.refreshAge(life: life, random: random)))
        return .settle(.success(token))
    }

    private mutating func failed(_ reason: FetchFailure, now: Instant, random: Double) -> Action {
        failuresInARow += 1
        counters.failed[reason.reason, default: 0] += 1
        isOldNews = reason.reason.isLocal && reason == lastFailure && failuresInARow % Self.localFailuresPerNews != 0
        lastFailure = reason
        held?.isSuspect = false
        let pause = TokenSchedule.pause(after: reason, failures: failuresInARow, random: random)
        phase = .waiting(until: now.advanced(by: pause))
        return .settle(.failure(failure(reason, retryAfter: pause)))
    }

    /// The end. Nothing changes this state any more.
    mutating func stopped() -> Action {
        if case .stopped = phase { return .none }
        phase = .stopped
        held = nil
        return .settle(.failure(.stopped))
    }

    private func failure(_ cause: FetchFailure, retryAfter: Duration) -> TokenFailure {
        TokenFailure(reason: cause.reason, retryAfter: retryAfter, message: cause.message)
    }

    // MARK: Telling

    /// What the latest `.settle` means for the log.
    func event(of result: Result<UpstreamToken, TokenFailure>) -> TokenEvent? {
        switch result {
        case .failure(let failure) where failure.reason == .stopped: nil
        case .failure(let failure): isOldNews ? nil : .failed(failure, inARow: failuresInARow)
        case .success(let token):
            .fetched(
                generation: token.generation,
                life: token.issuedAt.duration(to: token.expiresAt),
                refreshIn: wakeAt.map { max(token.issuedAt.duration(to: $0), .zero) } ?? .zero
            )
        }
    }

    func status(now: Instant) -> TokenStatus {
        var isRefreshing = false
        var nextRefreshIn: Duration?
        switch phase {
        case .idle, .stopped: break
        case .waiting(let until): nextRefreshIn = max(now.duration(to: until), .zero)
        case .fetching: isRefreshing = true
        }
        return TokenStatus(
            isUsable: held.map { now < $0.token.expiresAt } ?? false,
            isRefreshing: isRefreshing,
            generation: held?.token.generation ?? 0,
            expiresIn: held.map { max(now.duration(to: $0.token.expiresAt), .zero) },
            nextRefreshIn: nextRefreshIn,
            lastFailure: lastFailure.map { failure($0, retryAfter: nextRefreshIn ?? .zero) },
            failuresInARow: failuresInARow,
            counters: counters
        )
    }
}
