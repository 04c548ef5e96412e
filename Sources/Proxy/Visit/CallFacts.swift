// What it took to get one answer from upstream.

import HTTPTypes
import RateLimiting
import Synchronization

/// Facts of one call upstream, tries included: they decide what is recorded, dropped from the cache and answered. A value.
@dynamicMemberLookup
struct CallFacts: Sendable {
    var times = CallTimes()
    /// Times that the request went upstream.
    var attempts = 0
    /// Whether upstream may have got it: libcurl's word, not a guess.
    var wasSent = false
    /// Upstream's own correlation id where it is not the one that was sent.
    var upstreamID: String?
    /// Upstream's status in the last try; nil when that brought no answer.
    var lastStatus: Int?
    /// What the limits leave, for the tool.
    var rateLimit: RateLimitFields?
    /// The span of the last try, where it is traced.
    var span: SpanLink?
    /// What happened on the way that does not always happen, in its order. Bounded.
    private(set) var steps: [CallStep] = []

    /// Enough for whatever one call can go through within its deadline but for many short pauses.
    private static let mostSteps = 16

    /// The times by their own names.
    subscript(dynamicMember time: WritableKeyPath<CallTimes, Duration>) -> Duration {
        get { times[keyPath: time] }
        set { times[keyPath: time] = newValue }
    }

    /// `RateLimit-Policy` and `RateLimit`, where there are limits.
    func addRateLimit(to fields: inout HTTPFields) {
        guard let rateLimit else { return }
        fields.append(HTTPField(name: .rateLimitPolicy, value: rateLimit.policy))
        fields.append(HTTPField(name: .rateLimit, value: rateLimit.limit))
    }

    /// Writes a step down.
    mutating func note(_ step: CallStep) { if steps.count < Self.mostSteps { steps.append(step) } }

    /// A wait for a turn has ended, of which the gate has told in the last step, or there was none to tell of.
    mutating func waitedForTurn(_ time: Duration, isOver: Bool) {
        times.queueTime += time
        if isOver, case .waited(let wait, nil)? = steps.last { steps[steps.count - 1] = .waited(wait, took: time) }
    }

    /// Adds what held up a fetch that somebody else began.
    mutating func addSteps(of fetch: CallFacts) {
        if !fetch.steps.isEmpty { steps += fetch.steps.prefix(max(Self.mostSteps - steps.count, 0)) }
    }

    /// Adds what a fetch took, of which there may be several for one request.
    mutating func add(_ fetch: CallFacts) {
        times += fetch.times
        attempts += fetch.attempts
        wasSent = wasSent || fetch.wasSent
        if fetch.attempts > 0 { (upstreamID, lastStatus, span) = (fetch.upstreamID, fetch.lastStatus, fetch.span) }
        rateLimit = fetch.rateLimit ?? rateLimit
        addSteps(of: fetch)
    }
}

/// The facts of a call as they come to be known. Only the task that makes the call writes them; whoever waits for it may
/// read them meanwhile.
final class CallProgress: Sendable {
    /// What a call waits for.
    enum Part: Sendable {
        case turn
        case token
        case upstream
    }

    /// Of the request that it is made for, or that began it; nil where nothing is traced.
    let trace: RequestTrace?
    private let state = Mutex((facts: CallFacts(), waitsFor: Part.turn))

    init(trace: RequestTrace? = nil) { self.trace = trace }

    /// A part has taken so long, and is a span where there are spans.
    func spent(_ part: CallPart, from began: ContinuousClock.Instant, to now: ContinuousClock.Instant) {
        state.withLock { $0.facts.times.add(now - began, to: part) }
        trace?.passed(part, from: began, to: now)
    }

    /// A part has taken no time at all, which is nothing but a span.
    func passed(_ part: CallPart, _ environment: Environment) {
        guard let trace, trace.isRecorded else { return }
        let now = environment.now()
        trace.passed(part, from: now, to: now)
    }

    var facts: CallFacts {
        get { state.withLock { $0.facts } }
        set { state.withLock { $0.facts = newValue } }
    }

    /// Writes a step down.
    func note(_ step: CallStep) { state.withLock { $0.facts.note(step) } }

    /// A wait for a turn has ended; `isOver`: with one.
    func waitedForTurn(
        from began: ContinuousClock.Instant, to now: ContinuousClock.Instant, isOver: Bool = true
    ) {
        state.withLock { $0.facts.waitedForTurn(now - began, isOver: isOver) }
        trace?.passed(.queue, from: began, to: now)
    }

    /// Now, or lately.
    var waitsFor: Part {
        get { state.withLock { $0.waitsFor } }
        set { state.withLock { $0.waitsFor = newValue } }
    }

    /// The facts with the wait that is not over; `total`: the time since the call began.
    func factsSoFar(of total: Duration) -> CallFacts {
        var (facts, part) = state.withLock { ($0.facts, $0.waitsFor) }
        let rest = facts.times.otherTime(of: total)
        switch part {
        case .turn: facts.queueTime += rest
        case .token: facts.tokenTime += rest
        case .upstream: facts.upstreamTime += rest
        }
        return facts
    }
}
