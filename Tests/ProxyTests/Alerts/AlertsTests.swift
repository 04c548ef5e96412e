// How alerts are delivered, without a network: tries, order, bounds, and what a sink tells.

import Ground
import Logging
import Synchronization
import TestSupport
import Testing

@testable import Configuration
@testable import Proxy

/// A webhook that answers as it is told.
private final class FakeWebhook: DocumentPosting {
    private let state = Mutex((results: [PostResult](), posts: [(url: String, text: String)](), gate: Latch?.none))

    init(_ results: PostResult..., gate: Latch? = nil) { state.withLock { ($0.results, $0.gate) = (results, gate) } }

    var posts: [String] { state.withLock { $0.posts.map(\.text) } }

    func post(_ url: String, _ json: [UInt8], patience: Duration) async -> PostResult {
        let (result, gate) = state.withLock { state in
            state.posts.append((url, String(decoding: json, as: UTF8.self)))
            return (state.results.isEmpty ? .answered(200, retryAfter: nil) : state.results.removeFirst(), state.gate)
        }
        await gate?.wait()
        return result
    }
}

@Suite(.timeLimit(.minutes(1))) struct AlertsTests {
    private let clock = TestClock()
    private let registry = MetricsRegistry()
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private func alerts(_ webhook: FakeWebhook) -> Alerts {
        let alerts = Alerts(
            environment: .test(clock), documents: webhook, registry: registry, logger: logger)
        var config = Config.Alerts()
        config.webhook = Secret("https://hooks.example.com/s3cret")
        alerts.change(to: config)
        return alerts
    }

    private func count(_ kind: String, _ result: String) -> Int {
        for sample in registry.samples where sample.labels == [kind, result] {
            if case .number(let number) = sample.value { return Int(number) }
        }
        return 0
    }

    @Test("an alert is JSON with time, kind, severity, state, text and details")
    func json() async throws {
        let webhook = FakeWebhook()
        alerts(webhook).begun(
            .budget, "x", .warning, "80% of \"x\"", [.init("window", "x\u{1b}"), .init("id", nil)])
        try await eventually("it is posted") { webhook.posts.count == 1 }
        #expect(
            webhook.posts == [
                #"{"time":"1994-11-06T08:49:37.000Z","kind":"budget","severity":"warning","state":"begun","text":"80% of \"x\"","details":{"window":"x\u001b"}}"#
            ])
    }

    @Test("whatever a fact holds, an alert stays small enough for a pipe")
    func size() {
        let alert = Alert(
            kind: .unknownOutcome, subject: "", severity: .warning, text: "",
            details: (0..<8).map { .init("\($0)", String(repeating: "\u{1}\u{301}\u{301}", count: 50_000)) })
        #expect(alert.json(at: WallTime(seconds: 0)).count < 60_000)
    }

    @Test("a webhook is tried three times, one second and five seconds apart, and then no more")
    func tries() async throws {
        let webhook = FakeWebhook(
            .failed("x"), .answered(500, retryAfter: nil), .answered(204, retryAfter: nil), .failed("a"), .failed("b"),
            .failed("c"))
        let alerts = alerts(webhook)
        for (index, result) in ["delivered", "failed"].enumerated() {
            alerts.begun(.pause, result, .warning, result, [])
            try await eventually("the first try") { webhook.posts.count == 3 * index + 1 }
            try await clock.waitForSleeper(until: clock.now + .seconds(1))
            clock.advance(by: .seconds(1))
            try await eventually("the second try") { webhook.posts.count == 3 * index + 2 }
            try await clock.waitForSleeper(until: clock.now + .seconds(5))
            clock.advance(by: .seconds(5))
            try await eventually("it has ended") { count("pause", result) == 1 }
            #expect(webhook.posts.count == 3 * index + 3)
        }
    }

    @Test("while a webhook hangs nobody waits, and what there is no room for is dropped and counted")
    func bounded() async throws {
        let gate = Latch()
        let webhook = FakeWebhook(gate: gate)
        let alerts = alerts(webhook)
        alerts.begun(.protected, "first", .warning, "", [], lasts: false)
        try await eventually("it is under way") { webhook.posts.count == 1 }
        for index in 0..<(AlertLane.capacity + 10) {
            alerts.begun(.protected, "\(index)", .warning, "\(index)", [], lasts: false)
        }
        try await eventually("ten are dropped") { count("protected", "dropped") == 10 }
        gate.open()
        try await eventually("the rest arrives") { count("protected", "delivered") == AlertLane.capacity + 1 }
        #expect(webhook.posts.last?.contains("\"text\":\"\(AlertLane.capacity - 1)\"") == true, "in their order")
        alerts.begun(.protected, "first", .warning, "", [], lasts: false)
        #expect(count("protected", "held") == 1)
    }

    @Test("what began again too soon is told when ten minutes are over")
    func later() async throws {
        let webhook = FakeWebhook()
        let alerts = alerts(webhook)
        alerts.begun(.token, "t", .critical, "one", [])
        alerts.over(.token, "t", "two")
        alerts.begun(.token, "t", .critical, "three", [])
        try await eventually("two are told") { webhook.posts.count == 2 }
        try await clock.waitForSleeper(until: clock.now + .seconds(600))
        clock.advance(by: .seconds(600))
        try await eventually("the third") { webhook.posts.count == 3 }
        #expect(webhook.posts[1].contains("\"state\":\"over\"") && webhook.posts[2].contains("three"))
    }

    @Test("a sink that is down is told after a minute, and its return; one that is back sooner is not")
    func sink() async throws {
        let webhook = FakeWebhook()
        let events = EventLog(
            logger: logger, environment: .test(clock), windows: [], alerts: alerts(webhook))
        events.sink(.down(sink: "siem", trouble: "found no route"))
        try await clock.waitForSleeper(until: clock.now + .seconds(60))
        clock.advance(by: .seconds(59))
        events.sink(.up(sink: "siem", after: .seconds(1)))
        try await clock.waitForNoSleepers()
        events.sink(.down(sink: "siem", trouble: "found no route"))
        events.sink(.down(sink: "siem", trouble: "still found no route"))
        try await clock.waitForSleeper(until: clock.now + .seconds(60))
        clock.advance(by: .seconds(60))
        try await eventually("it is told") { webhook.posts.count == 1 }
        events.sink(.up(sink: "siem", after: .seconds(1)))
        try await eventually("and its end") { webhook.posts.count == 2 }
        #expect(webhook.posts[0].contains(#""kind":"sink","severity":"warning","state":"begun""#))
        #expect(webhook.posts[0].contains(#""details":{"sink":"siem","error":"it found no route"}"#))
        #expect(webhook.posts[1].contains(#""state":"over""#))
    }

    @Test("what is critical passes a delivery that hangs, and what waits; what is about one thing stays in its order")
    func urgent() async throws {
        let gate = Latch()
        let first = Latch()
        let told = Mutex<[String]>([])
        let lane = AlertLane { _, _ in }
        lane.change { json in
            let text = String(decoding: json, as: UTF8.self)
            told.withLock { $0.append(text) }
            if text == "hangs" { await gate.wait() }
            if text == "down" { await first.wait() }
            return nil
        }
        func add(_ subject: String, _ severity: Alert.Severity, _ text: String) {
            lane.add(
                Alert(kind: .token, subject: subject, severity: severity, text: text, details: []), Array(text.utf8))
        }
        add("a", .warning, "hangs")
        try await eventually("it is under way") { told.withLock { $0 } == ["hangs"] }
        add("b", .warning, "waits")
        add("c", .critical, "down")
        add("c", .info, "back")
        add("c", .critical, "down again")
        add("d", .critical, "other")
        try await eventually("two passed") { Set(told.withLock { $0 }) == ["hangs", "down", "other"] }
        first.open()
        gate.open()
        await lane.end()
        let order = told.withLock { $0 }
        #expect(order.count == 6 && order.contains("waits"))
        #expect(order.filter { ["down", "back", "down again"].contains($0) } == ["down", "back", "down again"])
    }
}
