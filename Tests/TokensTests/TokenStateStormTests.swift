// The state machine over hours of virtual time against an issuer with random lives, delays, outages and refusals:
// whatever happens, no storm, no token that has run out, nobody forgotten.

import TestSupport
import Testing

@testable import Tokens

/// An issuer, the machine, and callers that ask and are refused all the time.
private struct World {
    enum Mood { case healthy, flaky, down }

    let clock = TestClock()
    var state: TokenState
    var random: SeededGenerator
    var lives: ClosedRange<Int>
    var mood = Mood.healthy
    var longestDelay = 400

    var flight: (id: UInt64, lands: ContinuousClock.Instant, outcome: Result<TokenGrant, FetchFailure>)?
    var sent: [ContinuousClock.Instant] = []
    var waiting = 0
    var settled = 0
    var used = 0
    var failed = 0
    /// By the issuer's own reckoning, by token value.
    var runsOut: [String: ContinuousClock.Instant] = [:]

    init(seed: UInt64, lives: ClosedRange<Int>) {
        random = SeededGenerator(seed: seed)
        state = TokenState(refreshBefore: .seconds(300), answerTimeout: .seconds(30))
        self.lives = lives
    }

    mutating func perform(_ action: TokenState.Action) {
        switch action {
        case .none: break
        case .fetch(let id):
            #expect(flight == nil, "one request at a time")
            send(id)
        case .settle(let result):
            flight = nil
            settled += waiting
            waiting = 0
            if case .success(let token) = result { check(token) }
        }
    }

    private mutating func send(_ id: UInt64) {
        sent.append(clock.now)
        let delay = Duration.milliseconds(Int.random(in: 1...longestDelay, using: &random))
        let fails = mood == .down || mood == .flaky && Bool.random(using: &random)
        guard !fails else {
            let failure = FetchFailure(reason: .serverError, message: "")
            flight = (id, clock.now.advanced(by: delay), .failure(failure))
            return
        }
        let life = Duration.seconds(Int.random(in: lives, using: &random))
        let value = "token-\(id)"
        // The issuer counts from some moment between the sending and the answer.
        runsOut[value] = clock.now.advanced(by: delay / 2 + life)
        flight = (id, clock.now.advanced(by: delay), .success(TokenGrant(value: Hidden(value), life: life)))
    }

    private mutating func check(_ token: UpstreamToken) {
        used += 1
        let value = String(token.headerValue.dropFirst("Bearer ".count))
        guard let end = runsOut[value] else {
            Issue.record("a token nobody issued: \(value)")
            return
        }
        #expect(clock.now < end, "a token that has run out was handed out")
    }

    mutating func take(_ answer: TokenState.Answer) {
        switch answer {
        case .use(let token): check(token)
        case .passOn: break
        case .fail(let failure):
            failed += 1
            #expect(failure.retryAfter > .zero && failure.retryAfter <= .seconds(30))
        case .wait(let action):
            waiting += 1
            perform(action)
            #expect(state.wakeAt != nil, "somebody waits for nothing")
        }
    }

    /// One call each `step` for `duration`, with everything else happening when it is due.
    mutating func run(for duration: Duration, step: Duration, refuseOneIn odds: Int = .max) {
        let end = clock.now.advanced(by: duration)
        while clock.now < end {
            let next = [clock.now.advanced(by: step), state.wakeAt, flight?.lands].compactMap { $0 }.min()
            clock.advance(to: next ?? end)
            if let landing = flight, landing.lands <= clock.now {
                flight = nil
                let chance = Double.random(in: 0..<1, using: &random)
                perform(
                    state.arrived(flight: landing.id, outcome: landing.outcome, now: clock.now, random: chance))
            }
            if let wakeAt = state.wakeAt, wakeAt <= clock.now {
                perform(state.timerFired(now: clock.now, random: Double.random(in: 0..<1, using: &random)))
            }
            take(state.needed(now: clock.now))
            if odds < .max, Int.random(in: 0..<odds, using: &random) == 0, let token = state.usable(now: clock.now) {
                take(state.refused(token, now: clock.now))
            }
        }
    }

    func expectNoStorm() {
        for (earlier, later) in zip(sent, sent.dropFirst()) {
            #expect(earlier.duration(to: later) >= .seconds(1))
        }
    }
}

@Suite("Hours of tokens", .timeLimit(.minutes(8)))
struct TokenStateStormTests {
    @Test("tokens of five seconds under continuous calls: none runs out in a caller's hand, none fails")
    func fiveSeconds() {
        var world = World(seed: 5, lives: 5...5)
        world.perform(world.state.started(now: world.clock.now))
        world.run(for: .seconds(600), step: .milliseconds(10))
        world.expectNoStorm()
        #expect(world.failed == 0)
        #expect(world.used > 50_000)
        #expect(world.sent.count <= 601 / 2, "renewed at half of the life, not more often")
    }

    @Test("tokens of one and two seconds do not storm", arguments: [1, 2])
    func tiny(life: Int) {
        var world = World(seed: 7, lives: life...life)
        world.longestDelay = 100
        world.perform(world.state.started(now: world.clock.now))
        world.run(for: .seconds(300), step: .milliseconds(20))
        world.expectNoStorm()
        #expect(world.failed == 0)
        #expect(world.sent.count <= 301)
    }

    @Test("an hour of an issuer that is down costs a try each 15 to 30 seconds, and its return is noticed in 30")
    func down() throws {
        var world = World(seed: 9, lives: 60...60)
        world.perform(world.state.started(now: world.clock.now))
        world.run(for: .seconds(20), step: .milliseconds(100))
        world.mood = .down
        world.run(for: .seconds(3600), step: .milliseconds(100))
        world.expectNoStorm()
        #expect(world.sent.count < 3600 / 15 + 10)
        #expect(world.state.usable(now: world.clock.now) == nil)
        world.mood = .healthy
        world.run(for: .seconds(31), step: .milliseconds(100))
        #expect(world.state.usable(now: world.clock.now) != nil)
    }

    @Test("upstream that refuses every token causes at most one refresh in five seconds")
    func refusals() {
        var world = World(seed: 11, lives: 3600...3600)
        world.perform(world.state.started(now: world.clock.now))
        world.run(for: .seconds(600), step: .milliseconds(50), refuseOneIn: 1)
        #expect(world.sent.count <= 600 / 5 + 1)
        for (earlier, later) in zip(world.sent, world.sent.dropFirst()) {
            #expect(earlier.duration(to: later) >= TokenSchedule.trustedAge)
        }
    }

    @Test("any mixture of lives, moods and refusals keeps the promises", arguments: UInt64(1)...12)
    func mixture(seed: UInt64) {
        var dice = SeededGenerator(seed: seed &* 7919)
        var world = World(seed: seed, lives: 2...Int.random(in: 3...900, using: &dice))
        world.perform(world.state.started(now: world.clock.now))
        for _ in 0..<40 {
            world.mood = [World.Mood.healthy, .flaky, .down].randomElement(using: &dice) ?? .healthy
            world.longestDelay = [50, 900, 20_000].randomElement(using: &dice) ?? 50
            let length = Duration.seconds(Int.random(in: 1...200, using: &dice))
            world.run(for: length, step: .milliseconds(250), refuseOneIn: 50)
        }
        world.expectNoStorm()
        world.mood = .healthy
        world.run(for: .seconds(120), step: .milliseconds(250))
        #expect(world.settled > 0 && world.used > 0)
        #expect(world.state.status(now: world.clock.now).counters.requested == world.sent.count)
    }
}
