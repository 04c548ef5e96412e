// Thirty tools that want five times what upstream allows, for ten minutes of the rig's clock, in front of a simulator that
// counts every call which comes before a told wait is over.

import Proxy
import Simulator
import Synchronization
import TestSupport
import Testing

@testable import Configuration

@Suite(.timeLimit(.minutes(15))) struct RateGreedyTests {
    /// Scripts ask again as soon as they are answered, from one to five threads; people think for two seconds.
    private static let scripts = 24
    private static let people = 6
    /// The tool of each thread; people come behind the scripts.
    private static let threads =
        (0..<scripts).flatMap { Array(repeating: $0, count: $0 % 5 + 1) } + Array(scripts..<scripts + people)

    @Test("thirty tools at five times the limit: nobody sees a 429, nothing is wasted, everybody gets his share")
    func knownLimit() async throws {
        let outcome = try await play(configured: "500/1m", allowed: 500, minutes: 10)
        #expect(outcome.refusedUpstream == 0, "\(outcome.summary)")
        #expect(outcome.goodput >= 0.98, "\(outcome.summary)")
        #expect(outcome.interactiveP95 <= outcome.batchP95 / 5, "\(outcome.summary)")
    }

    @Test("the same with a limit that upstream alone knows: told waits are kept, and the pace is learnt")
    func unknownLimit() async throws {
        let outcome = try await play(configured: "5000/1m", allowed: 500, minutes: 10, maxWait: "3m")
        #expect(outcome.refusedUpstream > 0, "\(outcome.summary)")
        #expect(outcome.goodput >= 0.9, "\(outcome.summary)")
    }

    // MARK: The play

    private struct Call {
        let tool: Int
        let wait: Duration
        let status: Int
    }

    private struct Outcome {
        let goodput: Double
        let jain: Double
        let refusedUpstream: Int
        let interactiveP95: Duration
        let batchP95: Duration
        let calls: Int

        var summary: String {
            "\(calls) calls, goodput \(goodput), Jain \(jain), \(refusedUpstream) upstream 429s, "
                + "p95 \(interactiveP95) interactive, \(batchP95) batch"
        }
    }

    /// What the tools did and are about to do.
    private final class Book: Sendable {
        struct Pages {
            var calls: [Call] = []
            var outstanding = 0
            /// Whoever thinks, and until when.
            var thinking: [Int: ContinuousClock.Instant] = [:]
        }

        let pages = Mutex(Pages())

        func withLock<Result>(_ body: (inout Pages) -> Result) -> Result { pages.withLock { body(&$0) } }
    }

    private func play(
        configured: String, allowed: Int, minutes: Int, maxWait: String = "30s"
    ) async throws -> Outcome {
        let names = (0..<Self.scripts).map { ("script-\($0)", "priority = \"batch\"") }
        let callers = try RateCallers(names + (0..<Self.people).map { ("person-\($0)", "") })
        var outcome: Outcome?
        try await withTrap(["rate.windows=\(configured)", "rate.max_wait=\(maxWait)"], file: callers.tables) {
            options in
            options.simulator.rateWindows = [RateWindow(limit: allowed, per: .seconds(60))]
        } _: { rig async throws in
            // The token is there before the clock runs.
            try await eventually("a token") { rig.sidecar.notReadyReasons.isEmpty }
            outcome = try await play(rig, callers, .seconds(minutes * 60), allowed: allowed * minutes)
        }
        return try #require(outcome)
    }

    private func play(
        _ rig: Rig, _ callers: RateCallers, _ length: Duration, allowed: Int
    ) async throws -> Outcome {
        let book = Book()
        let end = rig.clock.now + length
        let executed = try await withThrowingTaskGroup(of: Int?.self) { group in
            for (index, tool) in Self.threads.enumerated() {
                let isPerson = tool >= Self.scripts
                let name = isPerson ? "person-\(tool - Self.scripts)" : "script-\(tool)"
                let bytes = rig.request("GET", rig.list, [callers.key(name)])
                group.addTask {
                    let client = try rig.connect()
                    defer { client.close() }
                    while rig.clock.now < end {
                        try await call(rig, client, bytes, tool: tool, worker: index, book)
                        if isPerson { try await think(rig, worker: index, book) }
                    }
                    book.withLock { $0.thinking[index] = nil }
                    return nil
                }
            }
            group.addTask {
                while rig.clock.now < end { try await step(rig, book) }
                let executed = rig.simulator.counters.executed
                // Those who still wait are let go.
                while book.withLock({ $0.outstanding > 0 || !$0.thinking.isEmpty }) { try await step(rig, book) }
                return executed
            }
            return try await group.reduce(0) { $0 + ($1 ?? 0) }
        }
        let calls = book.withLock { $0.calls }
        #expect(calls.allSatisfy { $0.status == 200 }, "\(calls.count { $0.status != 200 }) calls were not answered")
        let shares = (0..<Self.scripts).map { tool in Double(calls.count { $0.tool == tool }) }
        let jain = Self.jain(shares)
        #expect(jain >= 0.98, "\(shares)")
        return Outcome(
            goodput: Double(executed) / Double(allowed), jain: jain,
            refusedUpstream: rig.simulator.counters.rateLimited,
            interactiveP95: Self.p95(calls.filter { $0.tool >= Self.scripts }),
            batchP95: Self.p95(calls.filter { $0.tool < Self.scripts }), calls: executed)
    }

    private func call(
        _ rig: Rig, _ client: RawClient, _ bytes: String, tool: Int, worker: Int, _ book: Book
    ) async throws {
        let asked = rig.clock.now
        book.withLock { book in
            book.outstanding += 1
            book.thinking[worker] = nil
        }
        let answer = try await client.exchange(bytes)
        let wait = rig.clock.now - asked
        book.withLock { book in
            book.outstanding -= 1
            book.calls.append(Call(tool: tool, wait: wait, status: answer.status))
        }
    }

    private func think(_ rig: Rig, worker: Int, _ book: Book) async throws {
        let due = rig.clock.now + .seconds(2)
        book.withLock { $0.thinking[worker] = due }
        try await rig.clock.sleep(until: due)
    }

    /// Moves the clock a little and waits until nothing is under way: whoever may call has called, whoever could go has
    /// been answered.
    private func step(_ rig: Rig, _ book: Book) async throws {
        rig.clock.advance(by: .milliseconds(200))
        let now = rig.clock.now
        let deadline = ContinuousClock.now + .seconds(20)
        while true {
            let text = try await rig.admin("/metrics").text
            let isQuiet = book.withLock { book in
                text.contains("\nclash_proxy_in_flight 0\n") && !book.thinking.values.contains { $0 <= now }
                    && Self.queued(text) == book.outstanding
            }
            if isQuiet { return }
            guard ContinuousClock.now < deadline else { throw RawClient.Trouble(description: "never quiet: \(text)") }
            await Task.yield()
        }
    }

    private static func queued(_ text: String) -> Int {
        text.split(separator: "\n").reduce(0) { sum, line in
            guard line.hasPrefix("clash_proxy_queue_depth{") else { return sum }
            return sum + (line.split(separator: " ").last.flatMap { Int($0) } ?? 0)
        }
    }

    /// 1 when all have the same, 1/n when one has all.
    private static func jain(_ shares: [Double]) -> Double {
        let sum = shares.reduce(0, +)
        return sum * sum / (Double(shares.count) * shares.reduce(0) { $0 + $1 * $1 })
    }

    private static func p95(_ calls: [Call]) -> Duration {
        let waits = calls.map(\.wait).sorted()
        return waits.isEmpty ? .zero : waits[waits.count * 95 / 100]
    }
}
