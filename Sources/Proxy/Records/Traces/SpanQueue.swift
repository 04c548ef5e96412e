// Spans that wait to be sent, as a value: when a batch is due, how many may wait, what becomes of a batch that could not be
// delivered. No clock, no network; `SpanExporter` is its shell.
//
// What stays true: at most one batch is under way, and no more than `capacity` spans are kept, those under way included.

struct SpanQueue: Sendable {
    typealias Instant = ContinuousClock.Instant

    /// Spans that are kept at most.
    static let capacity = 8_192
    /// So many wait for no others.
    static let batch = 512
    /// Spans that go at once, at most.
    static let largestBatch = 1_024
    /// A span waits so long for others to go along with.
    static let patience = Duration.seconds(1)
    /// After the first failure, doubling to the longest.
    static let firstPause = Duration.seconds(1)
    static let longestPause = Duration.seconds(60)
    /// The longest wait of the collector's own that is believed.
    static let longestTold = Duration.seconds(300)

    private enum Phase {
        case idle
        case sending([TraceSpan])
        /// The collector could not be reached.
        case resting(until: Instant)
    }

    private var waiting: [TraceSpan] = []
    /// When the first of those that wait has waited long enough.
    private var ripe: Instant?
    private var phase = Phase.idle
    private var pause = SpanQueue.firstPause

    /// How many are kept.
    var count: Int { if case .sending(let batch) = phase { waiting.count + batch.count } else { waiting.count } }

    /// One more. False: there is no room for it.
    mutating func add(_ span: TraceSpan) -> Bool {
        guard count < Self.capacity else { return false }
        waiting.append(span)
        if waiting.count == 1 { ripe = span.ended + Self.patience }
        return true
    }

    /// When a batch is to be taken; nil: not before something else happens.
    ///
    /// - Parameter now: a full batch is due at once.
    func due(now: Instant) -> Instant? {
        guard !waiting.isEmpty else { return nil }
        switch phase {
        case .sending: return nil
        case .resting(let until): return until
        case .idle: return waiting.count >= Self.batch ? now : ripe
        }
    }

    /// The next batch, which is under way from now on; empty while another is, or nothing waits.
    mutating func take() -> [TraceSpan] {
        if case .sending = phase { return [] }
        guard !waiting.isEmpty else { return [] }
        var batch: [TraceSpan] = []
        if waiting.count <= Self.largestBatch {
            // As it is nearly always: nothing is copied.
            swap(&batch, &waiting)
        } else {
            batch = Array(waiting.prefix(Self.largestBatch))
            waiting.removeFirst(batch.count)
        }
        ripe = waiting.first.map { $0.ended + Self.patience }
        phase = .sending(batch)
        return batch
    }

    /// The batch has arrived, or is refused for good.
    mutating func done() {
        phase = .idle
        pause = Self.firstPause
    }

    /// It could not be delivered, and is tried again later.
    ///
    /// - Parameter told: how long the collector wants to be left alone.
    mutating func failed(now: Instant, told: Duration? = nil) {
        guard case .sending(let batch) = phase else { return }
        waiting.insert(contentsOf: batch, at: 0)
        phase = .resting(until: now + max(pause, min(told ?? .zero, Self.longestTold)))
        pause = min(pause * 2, Self.longestPause)
    }

    /// Gives up all that waits. How many that were.
    mutating func clear() -> Int {
        defer { (waiting, ripe) = ([], nil) }
        return waiting.count
    }
}
