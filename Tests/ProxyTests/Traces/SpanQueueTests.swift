// When spans are sent, and what becomes of them when they cannot be.

import Testing

@testable import Proxy

@Suite struct SpanQueueTests {
    private static let start = ContinuousClock.now

    private func at(_ seconds: Double) -> ContinuousClock.Instant { Self.start + .seconds(seconds) }

    private func span(_ number: Int = 1, at seconds: Double = 0) -> TraceSpan {
        TraceSpan(
            trace: TraceID(high: 1, low: 1), id: SpanID(bits: UInt64(number)), parent: nil, state: nil,
            started: Self.start, ended: at(seconds), content: .part(.queue))
    }

    @Test("a span waits a second for others, a full batch for nobody")
    func due() {
        var queue = SpanQueue()
        #expect(queue.due(now: at(0)) == nil && queue.take().isEmpty)
        #expect(queue.add(span(at: 3)) == true)
        #expect(queue.due(now: at(3)) == at(4))
        for number in 2...SpanQueue.batch { #expect(queue.add(span(number, at: 3.5)) == true) }
        #expect(queue.due(now: at(3.6)) == at(3.6))
        #expect(queue.add(span(1_000, at: 3.7)) == true)
        #expect(queue.take().map(\.id.bits) == (1...512).map { UInt64($0) } + [1_000])
        #expect(queue.add(span(1_001, at: 3.7)) == true)
        #expect(queue.due(now: at(9)) == nil, "one batch at a time")
        #expect(queue.take().isEmpty && queue.count == 514)
        queue.done()
        #expect(queue.count == 1 && queue.due(now: at(3.8)) == at(4.7))
    }

    @Test("what could not be delivered is tried again, later each time, and stays in its order")
    func backoff() {
        var queue = SpanQueue()
        for number in 1...2 { #expect(queue.add(span(number)) == true) }
        var now = 1.0
        for pause in [1.0, 2, 4, 8, 16, 32, 60, 60] {
            #expect(queue.take().count == 2)
            queue.failed(now: at(now))
            #expect(queue.due(now: at(now)) == at(now + pause))
            now += pause
        }
        #expect(queue.take().map(\.id.bits) == [1, 2])
        queue.done()
        #expect(queue.add(span(3, at: now)) == true)
        #expect(queue.take().count == 1)
        queue.failed(now: at(now), told: .seconds(20))
        #expect(queue.due(now: at(now)) == at(now + 20), "as long as the collector has told")
        #expect(queue.take().count == 1)
        queue.failed(now: at(now), told: .seconds(86_400))
        #expect(queue.due(now: at(now)) == at(now + 300))
    }

    @Test("no more wait than there is room for, those under way included")
    func bounded() {
        var queue = SpanQueue()
        for number in 1...SpanQueue.capacity { #expect(queue.add(span(number)) == true) }
        #expect(queue.add(span()) == false)
        _ = queue.take()
        #expect(queue.add(span()) == false && queue.count == SpanQueue.capacity)
        queue.done()
        #expect(queue.add(span()) == true)
        #expect(queue.clear() == SpanQueue.capacity - SpanQueue.largestBatch + 1 && queue.count == 0)
    }
}
