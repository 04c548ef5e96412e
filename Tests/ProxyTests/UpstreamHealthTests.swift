// When an upstream that is down is looked at: the shell of `Outage`, on a hand-moved clock.

import CurlTransport
import Ground
import HTTPTypes
import Logging
import RateLimiting
import Synchronization
import TestSupport
import Testing

@testable import Proxy

@Suite(.timeLimit(.minutes(1))) struct UpstreamHealthTests {
    /// Each attempt to connect hangs until its time is over, which passes on the clock.
    private final class Hanging: Upstream {
        let began = Mutex<[Duration]>([])
        private let clock: TestClock
        private let lasting: Duration

        init(_ clock: TestClock, lasting: Duration) { (self.clock, self.lasting) = (clock, lasting) }

        func execute(_ request: UpstreamRequest) async throws(TransferFailure) -> UpstreamResponse {
            throw TransferFailure(reason: .timeoutConnect, sent: false)
        }

        func connect(to origin: Origin) async throws(TransferFailure) {
            began.withLock { $0.append(clock.elapsed) }
            try? await clock.sleep(until: clock.now + lasting)
            throw TransferFailure(reason: .timeoutConnect, sent: false)
        }
    }

    @Test(
        "the time from look to look counts from the beginning of one, however long that takes",
        arguments: [(0, [1, 3, 7, 15, 30, 45]), (5, [1, 6, 11, 19, 34, 49]), (20, [1, 21, 41, 61, 81, 101])])
    func looks(lasting: Int, at expected: [Int]) async throws {
        let clock = TestClock()
        let environment = Environment.test(clock)
        let upstream = Hanging(clock, lasting: .seconds(lasting))
        let events = EventLog(
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, environment: environment, windows: [])
        let gate = Gate(limits: GateLimits(windows: []), time: environment.time, seed: 1)
        let origin = try #require(Origin(url: "https://api.bentley.com"))
        let health = UpstreamHealth(
            transport: upstream, origin: origin, gate: gate, events: events, environment: environment)
        for _ in 0..<Outage.limit {
            health.failed(TransferFailure(reason: .timeoutConnect, sent: false), tag: nil)
        }
        while upstream.began.withLock({ $0.count }) < expected.count {
            try await clock.waitForSleepers()
            if let next = clock.nextDeadline { clock.advance(to: next) }
        }
        health.end()
        #expect(upstream.began.withLock { $0 } == expected.map { .seconds($0) })
    }
}
