// What a failed transfer means: again, or which failure; and when a read is sent again.

import CurlTransport
import RateLimiting
import TestSupport
import Testing

@testable import Proxy

@Suite struct TransferVerdictTests {
    private static let read = CallTraits(isSafe: true)
    private static let change = CallTraits(isSafe: false)

    /// The verdict in words: `again: reason`, `free: reason`, `reason`, or `left`.
    private func verdict(
        _ reason: TransferFailure.Reason, _ traits: CallTraits, sent: Bool, headReceived: Bool = false
    ) -> String {
        let transfer = TransferFailure(reason: reason, sent: sent, headReceived: headReceived)
        guard let failure = Failure(transfer, traits) else { return "left" }
        #expect(failure.wasSent == sent)
        return switch failure.repetition {
        case .free: "free: \(failure.reason.rawValue)"
        case .budgeted: "again: \(failure.reason.rawValue)"
        case .unwise: failure.reason.rawValue
        }
    }

    @Test("whatever could have been carried out is unknown, never sent again")
    func sentChange() {
        for reason in [
            TransferFailure.Reason.broke, .timeoutFirstByte, .timeoutStall, .truncated, .invalidResponse,
            .repeatRefused,
        ] {
            #expect(verdict(reason, Self.change, sent: true) == "outcome-unknown", "\(reason)")
        }
    }

    @Test("a change that was surely not carried out may be tried again, at no cost")
    func unsentChange() {
        for reason in [TransferFailure.Reason.unreachable, .nameNotResolved, .refused] {
            #expect(verdict(reason, Self.change, sent: false) == "free: upstream-unreachable")
        }
        #expect(verdict(.notTrusted, Self.change, sent: false) == "upstream-not-trusted")
    }

    @Test("a read is tried again when the connection failed, not when upstream was slow or wrong")
    func reads() {
        for reason in [TransferFailure.Reason.unreachable, .nameNotResolved, .broke, .repeatRefused] {
            #expect(verdict(reason, Self.read, sent: reason == .broke) == "again: upstream-unreachable", "\(reason)")
        }
        #expect(verdict(.timeoutFirstByte, Self.read, sent: true) == "upstream-timeout")
        #expect(verdict(.timeoutStall, Self.read, sent: true, headReceived: true) == "upstream-timeout")
        #expect(verdict(.truncated, Self.read, sent: true, headReceived: true) == "upstream-invalid-response")
        #expect(verdict(.invalidResponse, Self.read, sent: true) == "upstream-invalid-response")
        #expect(verdict(.broke, Self.read, sent: true, headReceived: true) == "upstream-unreachable")
    }

    @Test("a read that was refused over HTTP/2 is tried again and draws on no budget")
    func refusedRead() {
        #expect(verdict(.refused, Self.read, sent: false) == "free: upstream-unreachable")
    }

    @Test("free tries are taken without a budget, and are bounded all the same")
    func freeRetries() async {
        let clock = TestClock()
        let policy = RetryPolicy(
            budget: RetryBudget(percent: 0, initial: 0), backoff: Backoff(first: .zero), environment: .test(clock))
        var tries = 0
        var allowed: [Bool] = []
        for _ in 0..<3 { allowed.append(await policy.allows(&tries, isFree: true)) }
        #expect(allowed == [true, true, false])
        tries = 0
        #expect(await policy.allows(&tries) == false)
    }

    @Test("what is nobody's fault upstream is told apart")
    func others() {
        for traits in [Self.read, Self.change] {
            for sent in [false, true] {
                #expect(verdict(.cancelled, traits, sent: sent) == "left")
            }
            #expect(verdict(.shutdown, traits, sent: false) == "shutting-down")
            #expect(verdict(.internalError, traits, sent: false) == "internal-error")
        }
        #expect(verdict(.shutdown, Self.read, sent: true) == "shutting-down")
        #expect(verdict(.shutdown, Self.change, sent: true) == "outcome-unknown")
        #expect(verdict(.internalError, Self.change, sent: true) == "outcome-unknown")
    }

    @Test("a call is sent again twice at most, after a pause, and only while the budget lasts")
    func retries() async {
        let clock = TestClock()
        let policy = RetryPolicy(
            budget: RetryBudget(percent: 0, initial: 3), backoff: Backoff(first: .milliseconds(100), factor: 4),
            environment: .test(clock))
        let first = Task {
            var tries = 0
            var allowed: [Bool] = []
            for _ in 0..<3 { allowed.append(await policy.allows(&tries)) }
            return allowed
        }
        try? await clock.waitForSleepers()
        clock.advance(by: .milliseconds(50))
        try? await clock.waitForSleepers()
        clock.advance(by: .milliseconds(200))
        #expect(await first.value == [true, true, false])
        let second = Task {
            var tries = 0
            let once = await policy.allows(&tries)
            return (once, await policy.allows(&tries), tries)
        }
        try? await clock.waitForSleepers()
        clock.advance(by: .seconds(1))
        #expect(await second.value == (true, false, 1), "three retries in all")
    }

    @Test("a tool that leaves during the pause is not waited for")
    func cancelled() async {
        let clock = TestClock()
        let policy = RetryPolicy(budget: RetryBudget(), backoff: Backoff(), environment: .test(clock))
        let task = Task {
            var tries = 0
            return await policy.allows(&tries)
        }
        try? await clock.waitForSleepers()
        task.cancel()
        #expect(await task.value == false)
    }
}
