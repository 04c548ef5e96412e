// What repetitions may cost and how long they wait.

import TestSupport
import Testing

@testable import RateLimiting

@Suite("The retry budget")
struct RetryBudgetTests {
    @Test("it begins with ten and refuses the eleventh")
    func initial() {
        let budget = RetryBudget()
        for _ in 0..<10 { #expect(budget.tryRetry()) }
        #expect(!budget.tryRetry())
        #expect(budget.available == 0)
    }

    @Test("five calls pay for one retry, four do not")
    func share() {
        let budget = RetryBudget(initial: 0)
        for _ in 0..<4 { budget.recordCall() }
        #expect(!budget.tryRetry())
        budget.recordCall()
        #expect(budget.tryRetry())
        #expect(!budget.tryRetry())
    }

    @Test("a long calm saves up no more than the capacity")
    func bounded() {
        let budget = RetryBudget(capacity: 50)
        for _ in 0..<1_000_000 { budget.recordCall() }
        var granted = 0
        while budget.tryRetry() { granted += 1 }
        #expect(granted == 50)
    }

    @Test(
        "over any run of calls the retries stay within the credit and a fifth of the calls", arguments: UInt64(1)...20)
    func overRuns(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var budget = RetryBudgetState(percent: 20, initial: 10, capacity: 50)
        var calls = 0
        var retries = 0
        for _ in 0..<20_000 {
            if Bool.random(using: &random) {
                budget.recordCall()
                calls += 1
            } else if budget.tryRetry() {
                retries += 1
            }
            #expect(retries * 100 <= 1000 + calls * 20)
        }
        #expect(retries * 100 > calls * 20 - 100, "and what is earned can be spent")
    }

    @Test("many threads spend no more than there is")
    func concurrent() async {
        let budget = RetryBudget(initial: 10, capacity: 10)
        let granted = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<200 { group.addTask { @concurrent in budget.tryRetry() } }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(granted == 10)
    }
}

@Suite("The pauses before repetitions")
struct BackoffTests {
    @Test("50 ms, then 200 ms, each from half to whole by chance, and never above the longest")
    func pauses() {
        let backoff = Backoff()
        for (retry, full) in [(1, 50), (2, 200), (3, 800), (4, 2000), (100, 2000), (Int.max, 2000)] {
            let whole = Duration.milliseconds(full)
            #expect(backoff.pause(before: retry, random: 0) == whole / 2)
            #expect(backoff.pause(before: retry, random: 0.5) == whole / 4 * 3)
            #expect(backoff.pause(before: retry, random: 0.9999) < whole)
        }
    }

    @Test("senseless arguments give sensible pauses")
    func senseless() {
        #expect(Backoff().pause(before: 0, random: 0) == .milliseconds(25))
        #expect(Backoff().pause(before: -7, random: 0) == .milliseconds(25))
        #expect(Backoff(first: .seconds(-1)).pause(before: 3, random: 0.5) == .zero)
        #expect(Backoff(first: .milliseconds(10), factor: 0).pause(before: 9, random: 0) == .milliseconds(5))
    }
}
