// Sliding windows and the trap, by calling the value with times of the test's choice.

import Testing

@testable import Simulator

@Suite("Rate limiter")
struct RateLimiterTests {
    private func limiter(trap: Bool = false) -> RateLimiter {
        RateLimiter(
            windows: [RateWindow(limit: 3, per: .seconds(10))], runWindows: [RateWindow(limit: 1, per: .seconds(1))],
            trapGrace: trap ? .milliseconds(250) : nil)
    }

    @Test("the fourth call in a window of three waits until the first leaves the window")
    func window() {
        var limiter = limiter()
        for second in 0..<3 {
            #expect(limiter.admit(client: "a", isRun: false, now: .seconds(second)) == .admitted)
        }
        #expect(
            limiter.admit(client: "a", isRun: false, now: .milliseconds(2500))
                == .refused(retryAfter: 8, scope: .client, violation: false))
        #expect(limiter.admit(client: "a", isRun: false, now: .seconds(10)) == .admitted)
        #expect(
            limiter.admit(client: "a", isRun: false, now: .seconds(10))
                == .refused(retryAfter: 1, scope: .client, violation: false))
    }

    @Test("clients have windows of their own")
    func clients() {
        var limiter = limiter()
        for _ in 0..<3 { _ = limiter.admit(client: "a", isRun: false, now: .zero) }
        #expect(limiter.admit(client: "b", isRun: false, now: .zero) == .admitted)
    }

    @Test("starting runs has its own window, and a refused run does not use up the common one")
    func runs() {
        var limiter = limiter()
        #expect(limiter.admit(client: "a", isRun: true, now: .zero) == .admitted)
        #expect(
            limiter.admit(client: "a", isRun: true, now: .zero)
                == .refused(retryAfter: 1, scope: .run, violation: false))
        #expect(limiter.admit(client: "a", isRun: false, now: .zero) == .admitted)
        #expect(limiter.admit(client: "a", isRun: false, now: .zero) == .admitted)
    }

    @Test("in trap mode an early call starts the wait again, and waiting it out ends it")
    func trap() {
        var limiter = limiter(trap: true)
        for _ in 0..<3 { _ = limiter.admit(client: "a", isRun: false, now: .zero) }
        #expect(
            limiter.admit(client: "a", isRun: false, now: .zero)
                == .refused(retryAfter: 10, scope: .client, violation: false))
        #expect(
            limiter.admit(client: "a", isRun: false, now: .seconds(9))
                == .refused(retryAfter: 10, scope: .client, violation: true))
        // The window is long free, the restarted wait is not over.
        #expect(
            limiter.admit(client: "a", isRun: false, now: .milliseconds(18_900))
                == .refused(retryAfter: 10, scope: .client, violation: true))
        #expect(limiter.admit(client: "a", isRun: false, now: .milliseconds(28_900)) == .admitted)
    }

    @Test("calls that were on their way when the 429 was given are refused but not held against the client")
    func grace() {
        var limiter = limiter(trap: true)
        for _ in 0..<4 { _ = limiter.admit(client: "a", isRun: false, now: .zero) }
        #expect(
            limiter.admit(client: "a", isRun: false, now: .milliseconds(250))
                == .refused(retryAfter: 10, scope: .client, violation: false))
    }

    @Test("a wait announced by an injected 429 is a trap too")
    func announced() {
        var limiter = limiter(trap: true)
        limiter.announce(client: "a", seconds: 5, now: .zero)
        #expect(
            limiter.admit(client: "a", isRun: false, now: .seconds(4))
                == .refused(retryAfter: 5, scope: .client, violation: true))
        #expect(limiter.admit(client: "a", isRun: false, now: .seconds(9)) == .admitted)
    }

    @Test("a window stays exact while its memory is trimmed")
    func trimmed() {
        var limiter = limiter()
        var admitted: [Duration] = []
        for step in 0..<2000 {
            let now = Duration.milliseconds(100 * step)
            if limiter.admit(client: "a", isRun: false, now: now) == .admitted { admitted.append(now) }
        }
        #expect(admitted.count == 60)
        for (first, fourth) in zip(admitted, admitted.dropFirst(3)) { #expect(fourth - first >= .seconds(10)) }
    }
}
