// The arithmetic of renewal and of pauses, over the whole range of lives and chances.

import Testing

@testable import Tokens

@Suite("When a token is renewed and a try repeated")
struct TokenScheduleTests {
    static let lives: [Duration] = [1, 2, 3, 5, 10, 60, 300, 599, 600, 601, 3600, 86_400].map { .seconds($0) }
    static let chances = [0, 0.25, 0.5, 0.999]

    @Test("the hourly token is renewed between five and a half and five minutes before its end")
    func hourly() {
        let schedule = TokenSchedule(refreshBefore: .seconds(300))
        #expect(schedule.refreshAge(life: .seconds(3600), random: 0) == .seconds(3300))
        #expect(schedule.refreshAge(life: .seconds(3600), random: 0.999) > .seconds(3269))
        #expect(schedule.refreshAge(life: .seconds(3600), random: 0.999) < .seconds(3300))
    }

    @Test("renewal leaves refresh_before, is never before half of the life, never within a second", arguments: lives)
    func renewal(life: Duration) {
        for before in [0, 1, 60, 300, 7200].map({ Duration.seconds($0) }) {
            for random in Self.chances {
                let age = TokenSchedule(refreshBefore: before).refreshAge(life: life, random: random)
                #expect(age >= .seconds(1))
                #expect(age >= life / 2)
                // Only the floor of one second may be later than the margin asks.
                #expect(age <= max(life - min(before, life / 2), .seconds(1)))
                #expect(age < life || life == .seconds(1), "and it is renewed before it has run out")
            }
        }
    }

    @Test(
        "a successor is asked for a moment before the end at the latest, whatever refresh_before says", arguments: lives
    )
    func notice(life: Duration) {
        let margin = TokenSchedule.leastNotice(life: life)
        #expect(margin > .zero && margin <= .seconds(5) && margin <= life / 2)
        if life >= .seconds(2) { #expect(margin >= .seconds(1)) }
    }

    @Test("a token of unknown life counts for five minutes, one that says a year for a day")
    func bounds() {
        #expect(TokenSchedule.life(told: nil) == .seconds(300))
        #expect(TokenSchedule.life(told: .seconds(31_536_000)) == .seconds(86_400))
    }

    @Test("pauses double from one second to thirty, half of each by chance")
    func transient() {
        let failure = FetchFailure(reason: .serverError, message: "")
        let longest = [1, 2, 4, 8, 16, 30, 30, 30].map { Duration.seconds($0) }
        for (index, full) in longest.enumerated() {
            let low = TokenSchedule.pause(after: failure, failures: index + 1, random: 0)
            let high = TokenSchedule.pause(after: failure, failures: index + 1, random: 0.9999)
            #expect(low == max(full / 2, .seconds(1)))
            #expect(high <= full && high > full - .seconds(1))
        }
        #expect(TokenSchedule.pause(after: failure, failures: .max, random: 0.5) <= .seconds(30))
    }

    @Test("a refusal that will repeat itself is retried seldom, yet within thirty seconds")
    func permanent() {
        for reason in TokenFailure.Reason.allCases where reason.isPermanent {
            let failure = FetchFailure(reason: reason, message: "")
            for failures in 1...20 {
                for random in Self.chances {
                    let pause = TokenSchedule.pause(after: failure, failures: failures, random: random)
                    #expect(pause >= .seconds(5) && pause <= .seconds(30))
                }
            }
        }
    }

    @Test("what is mended on this machine is seen within five seconds, and a changed secret after one")
    func local() {
        for reason in TokenFailure.Reason.allCases where reason.isLocal {
            for failures in 1...100 {
                for random in Self.chances {
                    let failure = FetchFailure(reason: reason, message: "")
                    let pause = TokenSchedule.pause(after: failure, failures: failures, random: random)
                    #expect(pause >= .seconds(1) && pause <= .seconds(5))
                }
            }
        }
        let mended = FetchFailure(reason: .invalidClient, message: "", isMended: true)
        #expect(TokenSchedule.pause(after: mended, failures: 2, random: 0.9) == .seconds(1))
        #expect(TokenSchedule.pause(after: mended, failures: 3, random: 0) >= .seconds(5), "but not for ever")
    }

    @Test("what the endpoint asks for is never undercut, and is believed up to five minutes")
    func told() {
        for random in Self.chances {
            var failure = FetchFailure(reason: .rateLimited, message: "", retryAfter: .seconds(60))
            #expect(TokenSchedule.pause(after: failure, failures: 1, random: random) >= .seconds(60))
            failure.retryAfter = .seconds(86_400)
            #expect(TokenSchedule.pause(after: failure, failures: 1, random: random) <= .seconds(301))
            failure.retryAfter = .seconds(-5)
            #expect(TokenSchedule.pause(after: failure, failures: 1, random: random) >= .seconds(1))
        }
    }
}
