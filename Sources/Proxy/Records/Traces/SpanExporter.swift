// Brings spans to the collector: in batches, beside all requests, and never in their way. What finds no room is dropped and
// counted; a collector that is down is told once and tried again.

import CoreMetrics
import Ground
import Synchronization

/// The shell of `SpanQueue`. Usable from every thread.
final class SpanExporter: Sendable {
    private struct State {
        var queue = SpanQueue()
        var timer: DeadlineTimer
        /// Where spans go; nil: nowhere.
        var endpoint: String?
        /// The batch that is under way.
        var sending: Task<Void, Never>?
        /// What is wrong with the collector, once it was told.
        var trouble: String?
        /// Lost since the trouble began.
        var lost = 0
        var hasEnded = false
    }

    /// What an operator should hear of.
    enum News: Equatable, Sendable {
        /// Spans cannot be delivered, and why.
        case down(String)
        /// They can again; so many were lost.
        case back(lost: Int)
    }

    private static let patience = Duration.seconds(10)

    private let documents: any DocumentPosting
    private let environment: Environment
    private let json: SpanJSON
    private let dropped: Counter
    private let tell: @Sendable (News) -> Void
    private let state: Mutex<State>

    /// - Parameters:
    ///   - dropped: counts spans that never got to the collector.
    ///   - tell: called on any thread.
    init(
        documents: any DocumentPosting, environment: Environment, json: SpanJSON, dropped: Counter,
        tell: @escaping @Sendable (News) -> Void
    ) {
        (self.documents, self.environment, self.json) = (documents, environment, json)
        (self.dropped, self.tell) = (dropped, tell)
        state = Mutex(State(timer: DeadlineTimer(time: environment.time)))
        dropped.increment(by: 0)
    }

    /// Where spans go from now on; nil: nowhere, and those that wait are given up.
    func change(endpoint: String?) {
        let lost = state.withLock { state in
            if state.endpoint != endpoint { state.trouble = nil }
            state.endpoint = endpoint
            return endpoint == nil ? state.queue.clear() : 0
        }
        if lost > 0 { dropped.increment(by: lost) }
    }

    /// One more span. Takes a lock for a moment, and no time else.
    func add(_ span: TraceSpan) {
        let isKept = state.withLock { state in
            guard !state.hasEnded, state.endpoint != nil, state.queue.add(span) else {
                state.lost += 1
                return false
            }
            arm(&state, now: span.ended)
            return true
        }
        if !isKept { dropped.increment() }
    }

    /// Sends what waits, for as long as that takes and at most so long; nothing is taken after that.
    func end(within limit: Duration) async {
        let deadline = environment.now() + limit
        await withTaskGroup(of: Void.self) { group in
            group.addTask { [self] in await flush() }
            group.addTask { [environment] in try? await environment.sleep(deadline) }
            await group.next()
            group.cancelAll()
            let (sending, lost) = state.withLock { state in
                state.hasEnded = true
                state.timer.cancel()
                let count = state.queue.count
                _ = state.queue.clear()
                return (state.sending, count)
            }
            sending?.cancel()
            if lost > 0 { dropped.increment(by: lost) }
        }
    }

    // MARK: Sending

    private func arm(_ state: inout State, now: ContinuousClock.Instant) {
        guard let due = state.queue.due(now: now), !state.timer.fires(by: due) else { return }
        state.timer.pull(to: due) { [weak self] in self?.fire() }
    }

    private func fire() {
        state.withLock { state in
            guard state.timer.fired() else { return }
            begin(&state)
        }
    }

    private func begin(_ state: inout State) {
        guard !state.hasEnded, let endpoint = state.endpoint else { return }
        let batch = state.queue.take()
        guard !batch.isEmpty else { return }
        state.sending = Task.detached { [self] in
            _ = await send(batch, to: endpoint)
            self.state.withLock { state in
                state.sending = nil
                if !state.hasEnded { arm(&state, now: environment.now()) }
            }
        }
    }

    /// One batch after the other until none is left, or one cannot be delivered.
    private func flush() async {
        let running = state.withLock { state in
            state.timer.cancel()
            return state.sending
        }
        await running?.value
        while !Task.isCancelled {
            let (endpoint, batch) = state.withLock { ($0.endpoint, $0.endpoint == nil ? [] : $0.queue.take()) }
            guard let endpoint, !batch.isEmpty, await send(batch, to: endpoint) else { return }
        }
    }

    /// Whether it arrived.
    private func send(_ batch: [TraceSpan], to endpoint: String) async -> Bool {
        // What the clocks show now is good for all of a batch: spans are seconds old.
        let body = json.document(batch, now: environment.now(), wallTime: environment.wallTime())
        let result = await documents.post(endpoint, body, patience: Self.patience)
        let now = environment.now()
        switch result {
        case .answered(200..<300, _):
            let lost = state.withLock { state -> Int? in
                state.queue.done()
                guard state.trouble != nil else { return nil }
                defer { (state.trouble, state.lost) = (nil, 0) }
                return state.lost
            }
            if let lost { tell(.back(lost: lost)) }
            return true
        case .answered(let status, let wait) where [408, 429, 502, 503, 504].contains(status):
            report("answers with status \(status)") { $0.failed(now: now, told: wait) }
        case .answered(let status, _):
            // It will not take these, however often it is asked.
            dropped.increment(by: batch.count)
            report("answers with status \(status)", lost: batch.count) { $0.done() }
        case .failed(let why):
            report(why) { $0.failed(now: now) }
        }
        return false
    }

    private func report(_ trouble: String, lost: Int = 0, _ change: (inout SpanQueue) -> Void) {
        let isNews = state.withLock { state in
            change(&state.queue)
            defer { state.trouble = state.trouble ?? trouble }
            if state.trouble == nil { state.lost = 0 }
            state.lost += lost
            return state.trouble == nil && !state.hasEnded
        }
        if isNews { tell(.down(trouble)) }
    }
}

/// Somebody who takes small documents by POST: a collector, a webhook.
protocol DocumentPosting: Sendable {
    /// Sends JSON; returns when there is an answer, or none within `patience`. `url` may be a secret, and is in no answer.
    func post(_ url: String, _ json: [UInt8], patience: Duration) async -> PostResult
}

/// What came of a document.
enum PostResult: Sendable, Equatable {
    case answered(Int, retryAfter: Duration?)
    /// In words; holds no URL.
    case failed(String)
}
