// What is counted while requests are served. All labels are bounded: names of the configuration, of our own operations and
// reasons, and three digits.

import CoreMetrics
import Ground
import RateLimiting
import Synchronization

/// Counts since the process began. Usable from every thread.
final class Traffic: Sendable {
    let registry = MetricsRegistry()
    private let total: CoreMetrics.Timer
    private let parts:
        (queue: CoreMetrics.Timer, token: CoreMetrics.Timer, audit: CoreMetrics.Timer, upstream: CoreMetrics.Timer)
    /// Found without a look into the registry, which would cost a hit more than all else here.
    private let requests = Mutex<[RequestKind: Counter]>([:])

    private struct RequestKind: Hashable {
        let caller: String
        let operation: String
        let status: Int
        let source: AnswerSource
    }

    init() {
        func timer(_ part: String) -> CoreMetrics.Timer { registry.timer(.requestSeconds, part) }
        total = registry.timer(.requestSeconds, "total")
        parts = (
            registry.timer(.requestSeconds, "queue"), registry.timer(.requestSeconds, "token"),
            registry.timer(.requestSeconds, "audit"), registry.timer(.requestSeconds, "upstream")
        )
        for scope in ["all", "api", "operation"] { registry.counter(.pauses, scope).increment(by: 0) }
    }

    /// A request has ended, `time` after it came.
    func ended(_ record: ExchangeRecord, caller: String, time: Duration) {
        let kind = RequestKind(
            caller: caller, operation: record.operation == "-" ? "unknown" : record.operation, status: record.status,
            source: record.source)
        let counter = requests.withLock { $0[kind] } ?? made(kind)
        counter.increment()
        total.recordNanoseconds(time.clampedNanoseconds)
        let times = record.times
        for (timer, part) in [
            (parts.queue, times.queueTime), (parts.token, times.tokenTime), (parts.audit, times.auditTime),
            (parts.upstream, times.upstreamTime),
        ] where part > .zero {
            timer.recordNanoseconds(part.clampedNanoseconds)
        }
    }

    private func made(_ kind: RequestKind) -> Counter {
        let counter = registry.counter(
            .requests, kind.caller, kind.operation, Self.digits(kind.status), kind.source.rawValue)
        requests.withLock { $0[kind] = counter }
        return counter
    }

    /// A call was sent; `status`: nil without an answer.
    func called(_ operation: String, status: Int?) {
        registry.counter(.upstreamCalls, operation, Self.digits(status ?? 0)).increment()
    }

    /// Bentley has asked for a pause that nobody knew of.
    func paused(_ scope: CoolDownScope) { registry.counter(.pauses, scope.kind).increment() }

    /// A record of the audit log, or one that could not be written.
    func recorded(_ event: StaticString, _ result: String) {
        registry.counter(.auditRecords, event.description, result).increment()
    }

    private static func digits(_ status: Int) -> String {
        let text = "\(min(max(status, 0), 999))"
        return String(repeating: "0", count: 3 - text.count) + text
    }
}

extension CoolDownScope {
    /// How much is closed, as a label.
    var kind: String {
        switch self {
        case .everything: "all"
        case .api: "api"
        case .operation: "operation"
        }
    }
}
