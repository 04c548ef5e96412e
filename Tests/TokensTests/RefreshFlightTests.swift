// The refresh as a value: whatever disk, lock, endpoint and clock answer, it keeps its promises and comes to an end.

import TestSupport
import Testing

@testable import Tokens

@Suite("A refresh, step by step")
struct RefreshFlightTests {
    private static let start = ContinuousClock.now

    private func signIn(_ token: String, access: Bool = false, client: String = "c", age: Int = 0) -> SignIn {
        let obtainedAt = Duration.seconds(1_800_000_000 - age)
        return SignIn(
            clientID: client, tokenURL: "https://x/token", scope: "", refreshToken: Hidden(token),
            obtainedAt: obtainedAt,
            access: access ? SignIn.Access(value: Hidden("A-" + token), expiresAt: obtainedAt + .seconds(3600)) : nil)
    }

    private func flight(dead: RefreshFlight.Dead? = nil, unsaved: RefreshFlight.Unsaved? = nil) -> RefreshFlight {
        RefreshFlight(
            RefreshFlight.Terms(clientID: "c", tokenURL: "https://x/token", path: "p", patience: .seconds(25)),
            insteadOf: nil, dead: dead, unsaved: unsaved)
    }

    private func moment(_ offset: Duration = .zero) -> RefreshFlight.Moment {
        RefreshFlight.Moment(
            now: Self.start.advanced(by: offset), wallTime: .seconds(1_800_000_000) + offset, random: 0.5)
    }

    private let refused = RefreshFlight.Event.answered(
        .failure(FetchFailure(reason: .invalidGrant, message: "no")))

    /// Feeds events; returns the last action.
    @discardableResult
    private func run(_ flight: inout RefreshFlight, _ events: RefreshFlight.Event...) -> RefreshFlight.Action {
        var action = flight.handle(.began, at: moment())
        for event in events { action = flight.handle(event, at: moment()) }
        return action
    }

    @Test("a refusal is believed of the token that was sent, not of one that has come to the file since")
    func blamed() {
        var flight = flight()
        let action = run(
            &flight, .found(.success(signIn("1"))), .locked(.success(true)), .found(.success(signIn("1"))),
            .prepared(nil), refused, .found(.success(signIn("2"))), .prepared(nil), refused,
            .found(.success(signIn("3"))))
        guard case .finish(.failure(let failure)) = action else {
            Issue.record("asks a third time: \(action)")
            return
        }
        #expect(failure.reason == .signInNeeded)
        #expect(flight.dead?.fingerprint == signIn("2").fingerprint)

        var next = self.flight(dead: flight.dead)
        run(&next, .found(.success(signIn("3"))), .locked(.success(true)))
        #expect(next.handle(.found(.success(signIn("3"))), at: moment()) == .prepare)
    }

    @Test("a newer access token in the file after a refusal is used without another request")
    func adopted() {
        var flight = flight()
        let action = run(
            &flight, .found(.success(signIn("1"))), .locked(.success(true)), .found(.success(signIn("1"))),
            .prepared(nil), refused, .found(.success(signIn("2", access: true))))
        guard case .finish(.success(let grant)) = action else {
            Issue.record("did not use it: \(action)")
            return
        }
        #expect(grant.value == Hidden("A-2"))
        #expect(flight.dead == nil)
    }

    @Test("a token of the file that claims to live for years is believed for a day")
    func years() throws {
        let old = SignIn(
            clientID: "c", tokenURL: "https://x/token", scope: "", refreshToken: Hidden("1"), obtainedAt: .zero,
            access: SignIn.Access(value: Hidden("A"), expiresAt: .seconds(9_000_000_000)))
        #expect(old.grant(insteadOf: nil, now: Self.start, wallTime: .seconds(86_400)) == nil)
        #expect(old.grant(insteadOf: nil, now: Self.start, wallTime: .seconds(86_399)) != nil)
    }

    @Test(
        "whatever answers: it asks only prepared and under the lock, gives out only what is saved, and ends",
        arguments: UInt64(1)...40)
    func anything(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<200 {
            var flight = flight()
            var elapsed = Duration.zero
            var action = flight.handle(.began, at: moment())
            var isLocked = false
            var wasRead = false
            var isPrepared = false
            var steps = 0
            var asked = 0
            var unsaved: SignIn?
            loop: while true {
                steps += 1
                elapsed += .milliseconds(Int.random(in: 0...200, using: &random))
                let event: RefreshFlight.Event
                switch action {
                case .look: event = found(&random)
                case .lock:
                    #expect(!isLocked)
                    isLocked = Int.random(in: 0..<4, using: &random) == 0
                    event = .locked(.success(isLocked))
                case .pause(let until):
                    elapsed = max(elapsed, Self.start.duration(to: until))
                    event = .paused(isCancelled: Int.random(in: 0..<50, using: &random) == 0)
                case .read:
                    #expect(isLocked)
                    isPrepared = false
                    wasRead = true
                    event = found(&random)
                case .prepare:
                    #expect(isLocked && wasRead)
                    isPrepared = Int.random(in: 0..<10, using: &random) > 0
                    event = .prepared(isPrepared ? nil : StateTrouble(message: ""))
                case .ask:
                    #expect(isPrepared && unsaved == nil)
                    asked += 1
                    event = answered(&random)
                case .save(let signIn, _), .saveAgain(let signIn):
                    #expect(isLocked && isPrepared)
                    let fails = Bool.random(using: &random)
                    unsaved = fails ? signIn : nil
                    event = .saved(fails ? StateTrouble(message: "") : nil)
                case .finish(let result):
                    #expect(asked <= 2 && steps < 1000)
                    if let unsaved {
                        #expect((try? result.get()) == nil, "not given out")
                        #expect(flight.unsaved?.signIn == unsaved, "not forgotten")
                    }
                    break loop
                }
                action = flight.handle(event, at: moment(elapsed))
            }
        }
    }

    private func found(_ random: inout SeededGenerator) -> RefreshFlight.Event {
        switch Int.random(in: 0..<10, using: &random) {
        case 0: .found(.success(nil))
        case 1: .found(.failure(StateTrouble(message: "")))
        case 2: .found(.success(signIn("x", client: "other")))
        case 3: .found(.success(signIn("y", access: true, age: Int.random(in: -10...4000, using: &random))))
        default: .found(.success(signIn("\(Int.random(in: 0..<3, using: &random))")))
        }
    }

    private func answered(_ random: inout SeededGenerator) -> RefreshFlight.Event {
        switch Int.random(in: 0..<4, using: &random) {
        case 0: refused
        case 1: .answered(.failure(FetchFailure(reason: .serverError, message: "")))
        default:
            .answered(
                .success(
                    TokenAnswer.Tokens(
                        value: Hidden("A"), life: nil, refreshToken: Bool.random(using: &random) ? Hidden("n") : nil,
                        scope: nil)))
        }
    }
}
