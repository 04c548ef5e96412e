// The rules of one exchange with invented times: deadlines, pauses, sends and cancellations.

import Ground
import Testing

@testable import CurlTransport

@Suite struct TransferStateTests {
    private func state(
        repeatable: Bool = true, cancellation: UpstreamRequest.Cancellation = .always, hasUpload: Bool = false
    ) -> TransferState {
        TransferState(
            limits: .init(
                connect: 5, firstByte: 60, stall: 30, isRepeatable: repeatable, cancellation: cancellation),
            hasUpload: hasUpload)
    }

    @Test("each phase has its own deadline: queue, connect, head, body")
    func phases() {
        var state = self.state()
        #expect(state.deadline == nil)
        state.queued(now: 100)
        #expect(state.deadline == .init(at: 160, reason: .unreachable))
        state.connecting(now: 150)
        #expect(state.deadline == .init(at: 155, reason: .timeoutConnect))
        let mayGo = state.willSend(now: 152)
        #expect(mayGo)
        #expect(state.deadline == .init(at: 212, reason: .timeoutFirstByte))
        state.headCompleted(now: 200)
        #expect(state.deadline == .init(at: 230, reason: .timeoutStall))
        state.bodyAdvanced(now: 220)
        #expect(state.expired(now: 249) == nil)
        #expect(state.expired(now: 250) == .timeoutStall)
        state.ended()
        #expect(state.deadline == nil)
    }

    @Test("no time runs while our own reader is the slow one, and it starts afresh when the reader is back")
    func readerFull() {
        var state = self.state()
        state.connecting(now: 0)
        _ = state.willSend(now: 0)
        state.headCompleted(now: 1)
        state.readerFilled()
        #expect(state.deadline == nil)
        state.bodyAdvanced(now: 1000)
        #expect(state.deadline == .init(at: 1030, reason: .timeoutStall))
    }

    @Test("the head is waited for from the end of the upload; the upload itself may only stall")
    func upload() {
        var state = self.state(hasUpload: true)
        state.connecting(now: 0)
        _ = state.willSend(now: 10)
        #expect(state.deadline == .init(at: 40, reason: .timeoutStall))
        state.uploadAdvanced(now: 35)
        #expect(state.deadline == .init(at: 65, reason: .timeoutStall))
        state.uploadAdvanced(now: 64)
        #expect(state.deadline == .init(at: 94, reason: .timeoutStall))
        state.uploadEnded(now: 510)
        #expect(state.deadline == .init(at: 570, reason: .timeoutFirstByte))
        state.uploadAdvanced(now: 520)
        #expect(state.deadline == .init(at: 570, reason: .timeoutFirstByte))
    }

    @Test("when both bodies are under way the earlier deadline counts")
    func bothWays() {
        var state = self.state(hasUpload: true)
        state.connecting(now: 0)
        _ = state.willSend(now: 0)
        state.headCompleted(now: 10)
        #expect(state.deadline == .init(at: 30, reason: .timeoutStall))
        state.uploadAdvanced(now: 20)
        #expect(state.deadline == .init(at: 40, reason: .timeoutStall))
        state.readerFilled()
        #expect(state.deadline == .init(at: 50, reason: .timeoutStall))
    }

    @Test("a second send is refused unless the request is repeatable, and the request counts as sent")
    func secondSend() {
        var once = self.state(repeatable: false)
        once.connecting(now: 0)
        #expect(once.isSent == false)
        let first = once.willSend(now: 1)
        let second = once.willSend(now: 2)
        #expect(first)
        #expect(second == false)
        #expect(once.isSent)
        var twice = self.state()
        twice.connecting(now: 0)
        _ = twice.willSend(now: 1)
        let again = twice.willSend(now: 50)
        #expect(again)
        #expect(twice.deadline == .init(at: 110, reason: .timeoutFirstByte))
    }

    @Test("cancellation counts always, or only until the send")
    func cancellation() {
        var always = self.state()
        always.connecting(now: 0)
        _ = always.willSend(now: 0)
        let stopsAlways = always.cancel()
        #expect(stopsAlways)
        var before = self.state(cancellation: .untilSent)
        let stopsBefore = before.cancel()
        #expect(stopsBefore)
        #expect(before.isCancelled)
        var after = self.state(cancellation: .untilSent)
        after.connecting(now: 0)
        _ = after.willSend(now: 0)
        let stopsAfter = after.cancel()
        #expect(stopsAfter == false)
        #expect(after.isCancelled == false)
        var over = self.state()
        over.ended()
        let stopsOver = over.cancel()
        #expect(stopsOver == false)
    }

    @Test("huge and negative durations are harmless")
    func durations() {
        #expect(Duration.seconds(-3).nanoseconds == 0)
        #expect(Duration.milliseconds(1500).nanoseconds == 1_500_000_000)
        #expect(Duration.seconds(Int64.max / 2).nanoseconds < Int64.max / 4)
    }
}
