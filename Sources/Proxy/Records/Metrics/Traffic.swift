// What is counted, and for a while remembered, while requests are served. All labels are bounded: names of the configuration, of
// our own operations and reasons, and three digits.

import CoreMetrics
import Ground
import RateLimiting
import Synchronization

/// Counts since the process began, and what happened last. Usable from every thread.
final class Traffic: Sendable {
    let registry = MetricsRegistry()
    let recent = RecentRequests()
    let deletes = RecentDeletes()
    let callers = CallerTallies()
    private let total: CoreMetrics.Timer
    private let parts:
        (queue: CoreMetrics.Timer, token: CoreMetrics.Timer, audit: CoreMetrics.Timer, upstream: CoreMetrics.Timer)
    private let requests = KnownCounters<RequestKind>()
    private let calls = KnownCounters<CallKind>()

    private struct RequestKind: Hashable {
        let caller: String
        let operation: String
        let status: Int
        let source: AnswerSource

        /// By the lengths and ends of names, which tell nearly all apart: to hash the names costs a hit more than the rest.
        func hash(into hasher: inout Hasher) {
            let caller = UInt(truncatingIfNeeded: caller.utf8.count) << 8 | UInt(caller.utf8.last ?? 0)
            let operation = UInt(truncatingIfNeeded: operation.utf8.count) << 8 | UInt(operation.utf8.last ?? 0)
            hasher.combine(caller << 40 ^ operation << 12 ^ UInt(truncatingIfNeeded: status))
        }
    }

    private struct CallKind: Hashable {
        let operation: String
        let status: Int
    }

    init() {
        func timer(_ part: String) -> CoreMetrics.Timer { registry.timer(.requestSeconds, part) }
        total = registry.timer(.requestSeconds, "total")
        parts = (
            registry.timer(.requestSeconds, "queue"), registry.timer(.requestSeconds, "token"),
            registry.timer(.requestSeconds, "audit"), registry.timer(.requestSeconds, "upstream")
        )
        for scope in ["all", "api", "operation"] { registry.counter(.pauses, scope).increment(by: 0) }
        for by in ["joined", "replayed", "in_progress", "reused"] {
            registry.counter(.repeatedCalls, by).increment(by: 0)
        }
        for result in ["started", "unknown"] { registry.counter(.settledStarts, result).increment(by: 0) }
    }

    /// A request has ended, `time` after it came.
    func ended(_ record: ExchangeRecord, caller: String, time: Duration) {
        let kind = RequestKind(
            caller: caller, operation: record.operation == "-" ? "unknown" : record.operation, status: record.status,
            source: record.source)
        requests.counter(kind) {
            registry.counter(.requests, caller, kind.operation, Self.digits(kind.status), kind.source.rawValue)
        }.increment()
        callers.ended(caller, waited: record.times.queueTime, calls: record.attempts)
        total.recordNanoseconds(time.clampedNanoseconds)
        Self.record(record.times.queueTime, parts.queue)
        Self.record(record.times.tokenTime, parts.token)
        Self.record(record.times.auditTime, parts.audit)
        Self.record(record.times.upstreamTime, parts.upstream)
    }

    private static func record(_ part: Duration, _ timer: CoreMetrics.Timer) {
        if part > .zero { timer.recordNanoseconds(part.clampedNanoseconds) }
    }

    /// What one caller has asked for since the process began.
    struct Requests: Sendable, Equatable {
        var all = 0
        /// Refused for what limits, rights or rules say: by upstream with 401, 403 or 429, by us with 409, 422, 428 or 503
        /// as well.
        var refused = 0
    }

    private static let refusals: Set = ["401", "403", "429"]
    private static let ownRefusals: Set = ["409", "422", "428", "503"]

    /// By the labels of callers.
    var requestsByCaller: [String: Requests] {
        registry.samples.reduce(into: [:]) { callers, sample in
            guard sample.name == MetricFamily.requests.name, case .number(let number) = sample.value,
                sample.labels.count == 4
            else { return }
            callers[sample.labels[0], default: Requests()].all += Int(number)
            let isOurs = sample.labels[3] == AnswerSource.proxy.rawValue
            if Self.refusals.contains(sample.labels[2]) || isOurs && Self.ownRefusals.contains(sample.labels[2]) {
                callers[sample.labels[0], default: Requests()].refused += Int(number)
            }
        }
    }

    /// A call was sent; `status`: nil without an answer.
    func called(_ operation: String, status: Int?) {
        calls.counter(CallKind(operation: operation, status: status ?? 0)) {
            registry.counter(.upstreamCalls, operation, Self.digits(status ?? 0))
        }.increment()
    }

    /// A call was not sent because it was another one's again.
    func repeated(_ by: StaticString) { registry.counter(.repeatedCalls, by.description).increment() }

    /// The runs of a test were looked at for a start whose answer was lost.
    func settledStart(_ result: StaticString) { registry.counter(.settledStarts, result.description).increment() }

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

/// Counters that were used before, found without a look into the registry, which would cost a hit more than all else here.
private final class KnownCounters<Kind: Hashable & Sendable>: Sendable {
    private let known = Mutex<[Kind: Counter]>([:])

    func counter(_ kind: Kind, _ make: () -> Counter) -> Counter {
        if let counter = known.withLock({ $0[kind] }) { return counter }
        let counter = make()
        known.withLock { $0[kind] = counter }
        return counter
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
