// The state machine, event by event: what each question is answered, in each situation that matters.

import TestSupport
import Testing

@testable import Tokens

@Suite("The token state machine")
struct TokenStateTests {
    private let clock = TestClock()
    private var state = TokenState(refreshBefore: .seconds(300), answerTimeout: .seconds(30))

    private var now: ContinuousClock.Instant { clock.now }

    private func grant(_ value: String, life: Int = 3600) -> Result<TokenGrant, FetchFailure> {
        .success(TokenGrant(value: Hidden(value), life: .seconds(life)))
    }

    private let down = Result<TokenGrant, FetchFailure>.failure(
        FetchFailure(reason: .endpointUnreachable, message: "down"))

    /// Lets the flight on its way land; returns the token if it brought one.
    private mutating func land(_ flight: UInt64, _ outcome: Result<TokenGrant, FetchFailure>) throws -> UpstreamToken? {
        let action = state.arrived(flight: flight, outcome: outcome, now: now, random: 0)
        guard case .settle(let result) = action else {
            Issue.record("the flight's landing settled nothing: \(action)")
            return nil
        }
        return try? result.get()
    }

    /// A started machine that holds its first token.
    private mutating func begin(life: Int = 3600) throws -> UpstreamToken {
        try #require(state.started(now: now) == .fetch(flight: 1))
        return try #require(try land(1, grant("first", life: life)))
    }

    private func isDue(at offset: Duration) -> Bool { state.wakeAt == clock.instant(offset) }

    @Test("starting fetches, once; asking meanwhile joins")
    mutating func start() {
        #expect(state.started(now: now) == .fetch(flight: 1))
        #expect(state.started(now: now) == .none)
        #expect(state.needed(now: now) == .wait(.none))
        #expect(state.usable(now: now) == nil)
    }

    @Test("asking before the start fetches as well")
    mutating func lazy() {
        #expect(state.needed(now: now) == .wait(.fetch(flight: 1)))
        #expect(state.started(now: now) == .none)
    }

    @Test("the token is used and renewed ahead of its end, the old one serving meanwhile")
    mutating func renewal() throws {
        let first = try begin()
        #expect(state.needed(now: now) == .use(first))
        #expect(isDue(at: .seconds(3300)))
        #expect(state.timerFired(now: now, random: 0) == .none)
        clock.advance(by: .seconds(3300))
        #expect(state.timerFired(now: now, random: 0) == .fetch(flight: 2))
        #expect(state.needed(now: now) == .use(first))
        let second = try #require(try land(2, grant("second")))
        #expect(second.generation == 2)
        #expect(state.needed(now: now) == .use(second))
    }

    @Test("life is counted from the sending: a slow answer brings an older token")
    mutating func slowAnswer() throws {
        _ = state.started(now: now)
        clock.advance(by: .seconds(20))
        let token = try #require(try land(1, grant("t", life: 60)))
        #expect(token.expiresAt == clock.instant(.seconds(60)))
        #expect(token.issuedAt == clock.instant(.seconds(20)))
    }

    @Test("a token that ran out before it arrived is a failure, not a token")
    mutating func lateAnswer() throws {
        _ = state.started(now: now)
        clock.advance(by: .seconds(5))
        #expect(try land(1, grant("t", life: 5)) == nil)
        #expect(state.status(now: now).lastFailure?.reason == .endpointTimeout)
    }

    @Test("with the endpoint down the old token serves to its very end; then it is told when to come again")
    mutating func outage() throws {
        let first = try begin()
        clock.advance(by: .seconds(3300))
        var flight: UInt64 = 1
        while now < clock.instant(.seconds(3600)) {
            flight += 1
            #expect(state.timerFired(now: now, random: 0) == .fetch(flight: flight))
            #expect(state.usable(now: now) == first)
            #expect(try land(flight, down) == nil)
            #expect(state.usable(now: now) == first)
            clock.advance(to: try #require(state.wakeAt))
        }
        #expect(state.usable(now: now) == nil)
        flight += 1
        #expect(state.timerFired(now: now, random: 0) == .fetch(flight: flight))
        #expect(try land(flight, down) == nil)
        let wakeAt = try #require(state.wakeAt)
        let failure = TokenFailure(
            reason: .endpointUnreachable, retryAfter: now.duration(to: wakeAt), message: "down")
        #expect(state.needed(now: now) == .fail(failure))
        #expect(failure.retryAfter >= .seconds(15) && failure.retryAfter <= .seconds(30))

        clock.advance(to: wakeAt)
        #expect(state.timerFired(now: now, random: 0) == .fetch(flight: flight + 1))
        let token = try #require(try land(flight + 1, grant("back")))
        #expect(state.needed(now: now) == .use(token))
        #expect(state.status(now: now).lastFailure == nil)
        #expect(state.status(now: now).failuresInARow == 0)
    }

    @Test("a refusal of an old token leads to the newer one at once")
    mutating func refusalOfOld() throws {
        let first = try begin()
        clock.advance(by: .seconds(3300))
        _ = state.timerFired(now: now, random: 0)
        let second = try #require(try land(2, grant("second")))
        #expect(state.refused(first, now: now) == .use(second))
        #expect(state.status(now: now).counters.requested == 2)
    }

    @Test("a token is given out to the last moment of its life, however short that is", arguments: [1, 8, 60, 3600])
    mutating func lastMoment(life: Int) throws {
        let token = try begin(life: life)
        clock.advance(by: .seconds(life) - .nanoseconds(1))
        #expect(state.usable(now: now) == token && state.status(now: now).isUsable)
        clock.advance(by: .nanoseconds(1))
        #expect(state.usable(now: now) == nil && !state.status(now: now).isUsable)
    }

    @Test("a refusal of a token younger than five seconds is the tool's")
    mutating func refusalOfYoung() throws {
        let first = try begin()
        clock.advance(by: .milliseconds(4999))
        #expect(state.refused(first, now: now) == .passOn)
        #expect(state.usable(now: now) == first)
        #expect(state.status(now: now).counters.refusalsPassedOn == 1)
        clock.advance(by: .milliseconds(1))
        #expect(state.refused(first, now: now) == .wait(.fetch(flight: 2)))
    }

    @Test("a refused token is withheld while the refresh is on its way, and everybody shares that refresh")
    mutating func refusalShared() throws {
        let first = try begin()
        clock.advance(by: .seconds(60))
        #expect(state.refused(first, now: now) == .wait(.fetch(flight: 2)))
        #expect(state.refused(first, now: now) == .wait(.none))
        #expect(state.usable(now: now) == nil)
        #expect(state.needed(now: now) == .wait(.none))
        let second = try #require(try land(2, grant("second")))
        #expect(state.refused(first, now: now) == .use(second))
        #expect(state.refused(second, now: now) == .passOn)
        #expect(state.status(now: now).counters.refreshedAfterRefusal == 1)
    }

    @Test("if that refresh fails, the refused token is used again, and refusals wait for no further try")
    mutating func refusalInOutage() throws {
        let first = try begin()
        clock.advance(by: .seconds(60))
        _ = state.refused(first, now: now)
        #expect(try land(2, down) == nil)
        #expect(state.usable(now: now) == first)
        guard case .fail(let failure) = state.refused(first, now: now) else {
            Issue.record("a refusal during the pause must fail")
            return
        }
        #expect(failure.reason == .endpointUnreachable)
        #expect(state.usable(now: now) == first, "and does not take the token away either")
    }

    @Test("an endpoint that never answers is given up; what it says afterwards changes nothing")
    mutating func silence() throws {
        _ = state.started(now: now)
        clock.advance(by: .seconds(30))
        guard case .settle(.failure(let failure)) = state.timerFired(now: now, random: 0) else {
            Issue.record("silence must settle those who wait")
            return
        }
        #expect(failure.reason == .endpointTimeout)
        #expect(state.arrived(flight: 1, outcome: grant("late"), now: now, random: 0) == .none)
        #expect(state.usable(now: now) == nil)
    }

    @Test("a token of one second makes those who come after it wait for the next second, not fail")
    mutating func oneSecond() throws {
        let first = try begin(life: 1)
        clock.advance(by: .milliseconds(999))
        #expect(state.needed(now: now) == .use(first))
        #expect(isDue(at: .seconds(1)))
        clock.advance(by: .milliseconds(1))
        #expect(state.needed(now: now) == .wait(.fetch(flight: 2)))
        #expect(state.needed(now: now) == .wait(.none))
    }

    @Test("a token of another's counts from its birth: for its end, its renewal, and the blame for a refusal")
    mutating func shared() throws {
        _ = state.started(now: now)
        let born = now.advanced(by: .seconds(-600))
        let given = TokenGrant(value: Hidden("t"), life: .seconds(3600), askedAt: born, sharedSince: born)
        let token = try #require(try land(1, .success(given)))
        #expect(token.expiresAt == clock.instant(.seconds(3000)))
        #expect(isDue(at: .seconds(2700)))
        #expect(state.status(now: now).counters.shared == 1 && state.status(now: now).counters.fetched == 0)
        #expect(state.refused(token, now: now) == .wait(.fetch(flight: 2)), "it is not young")
    }

    @Test("a flight that had to wait before it asked brings a token whose life counts from the asking")
    mutating func waited() throws {
        _ = state.started(now: now)
        clock.advance(by: .seconds(20))
        let asked = TokenGrant(value: Hidden("t"), life: .seconds(10), askedAt: now)
        clock.advance(by: .seconds(1))
        let token = try #require(try land(1, .success(asked)))
        #expect(token.expiresAt == clock.instant(.seconds(30)))
        #expect(isDue(at: .seconds(25)))
    }

    @Test("two requests stay a second apart also where the first had to wait before it was sent")
    mutating func apart() throws {
        _ = state.started(now: now)
        clock.advance(by: .seconds(20))
        let asked = TokenGrant(value: Hidden("t"), life: .seconds(1), askedAt: now)
        clock.advance(by: .milliseconds(600))
        let first = try #require(try land(1, .success(asked)))
        clock.advance(by: .milliseconds(1))
        #expect(state.refused(first, now: now) == .passOn, "it is young")
        #expect(isDue(at: .seconds(21)))
    }

    @Test("after the stop nothing is given, sent, or remembered")
    mutating func stop() throws {
        let first = try begin()
        clock.advance(by: .seconds(60))
        _ = state.refused(first, now: now)
        #expect(state.stopped() == .settle(.failure(.stopped)))
        #expect(state.stopped() == .none)
        #expect(state.arrived(flight: 2, outcome: grant("late"), now: now, random: 0) == .none)
        #expect(state.needed(now: now) == .fail(.stopped))
        #expect(state.refused(first, now: now) == .fail(.stopped))
        #expect(state.started(now: now) == .none)
        #expect(state.wakeAt == nil)
        #expect(state.status(now: now).generation == 0)
    }
}
