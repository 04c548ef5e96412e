import Testing

@testable import Audit

@Suite("The writer's rules")
struct WriterStateTests {
    private let start = ContinuousClock.now
    private let full = AuditUnavailable(.diskFull, "write f: No space left on device")

    private func entry(_ id: UInt64, _ event: RecordEvent, bytes: Int = 100) -> WriterEntry {
        let call = EncodedCall(id: [], members: [UInt8](repeating: 0x20, count: bytes))
        return WriterEntry(id: id, draft: RecordDraft(event: event, call: call, intent: 1, tail: []))
    }

    private func ids(_ work: WriterState.Work) -> [UInt64]? {
        if case .write(let batch) = work { batch.map(\.id) } else { nil }
    }

    @Test("everything that comes while a batch is written goes into the next one, in order")
    func groupCommit() {
        var state = WriterState()
        _ = state.add(entry(1, .intent), now: start)
        #expect(ids(state.next(now: start)) == [1])
        for id in 2...5 { _ = state.add(entry(UInt64(id), id == 4 ? .denied : .intent), now: start) }
        #expect(state.wrote(first: 8) == [.init(id: 1, verdict: .written(seq: 8))])
        #expect(ids(state.next(now: start)) == [2, 3, 4, 5])
        #expect(state.wrote(first: 9).map(\.verdict) == (9...12).map { .written(seq: $0) })
        #expect(state.next(now: start) == .wait(until: nil))
    }

    @Test("a batch ends before it gets bigger than the limit, but one record always fits")
    func batchLimit() {
        var state = WriterState()
        _ = state.add(entry(1, .intent, bytes: 2 << 20), now: start)
        _ = state.add(entry(2, .intent, bytes: 600 << 10), now: start)
        _ = state.add(entry(3, .intent, bytes: 600 << 10), now: start)
        #expect(ids(state.next(now: start)) == [1])
        _ = state.wrote(first: 1)
        #expect(ids(state.next(now: start)) == [2])
    }

    @Test("when a batch fails its intents are refused, outcomes are kept and come first after the repair")
    func failure() {
        var state = WriterState()
        _ = state.add(entry(1, .outcome), now: start)
        _ = state.add(entry(2, .intent), now: start)
        _ = state.next(now: start)
        _ = state.add(entry(3, .intent), now: start)
        _ = state.add(entry(4, .outcome), now: start)
        let verdicts = state.failed(full, now: start)
        var told = full
        told.retryAfter = .milliseconds(100)
        #expect(
            verdicts == [
                .init(id: 1, verdict: .kept(told)), .init(id: 2, verdict: .refused(told)),
                .init(id: 3, verdict: .refused(told)), .init(id: 4, verdict: .kept(told)),
            ])
        #expect(state.next(now: start + .milliseconds(99)) == .wait(until: start + .milliseconds(100)))
        #expect(state.next(now: start + .milliseconds(100)) == .repair)
        _ = state.add(entry(5, .intent), now: start + .milliseconds(100))
        state.repaired(noted: 0)
        #expect(ids(state.next(now: start + .milliseconds(100))) == [1, 4, 5])
    }

    @Test("while it is broken an intent is refused at once with the wait until the next try")
    func refusedWhileBroken() {
        var state = WriterState()
        _ = state.failed(full, now: start)
        var told = full
        told.retryAfter = .milliseconds(60)
        #expect(state.add(entry(1, .intent), now: start + .milliseconds(40)) == .refused(told))
        #expect(state.add(entry(2, .outcome), now: start + .milliseconds(40)) == .kept(full))
        #expect(state.add(entry(3, .intent), now: start + .milliseconds(100)) == nil)
    }

    @Test(
        "what permits something is refused like an intent when it cannot be written, and never kept for later",
        arguments: [RecordEvent.approvalAsked, .approved, .approvalDenied, .archiveRemoved])
    func permits(_ event: RecordEvent) {
        var state = WriterState()
        _ = state.add(entry(1, event), now: start)
        _ = state.add(entry(2, .outcome), now: start)
        _ = state.next(now: start)
        var told = full
        told.retryAfter = .milliseconds(100)
        #expect(state.failed(full, now: start).map(\.verdict) == [.refused(told), .kept(told)])
        #expect(state.add(entry(3, event), now: start) == .refused(told))
        #expect(ids(state.next(now: start + .milliseconds(100))) == nil)
        state.repaired(noted: 0)
        #expect(ids(state.next(now: start + .milliseconds(100))) == [2])
        _ = state.wrote(first: 1)
        _ = state.add(entry(4, event), now: start + .seconds(1))
        #expect(ids(state.next(now: start + .seconds(1))) == [4])
        #expect(state.lacksSpace(full, now: start + .seconds(1)).batch.isEmpty)
    }

    @Test("the wait between tries doubles up to two seconds and starts anew after a repair")
    func backoff() {
        var state = WriterState()
        var now = start
        var waits: [Duration] = []
        for _ in 0..<7 {
            _ = state.failed(full, now: now)
            guard case .broken(let breakage) = state.phase else { break }
            waits.append(now.duration(to: breakage.retryAt))
            now = breakage.retryAt
        }
        #expect(waits == [100, 200, 400, 800, 1600, 2000, 2000].map { .milliseconds($0) })
        state.repaired(noted: 0)
        _ = state.failed(full, now: now)
        #expect(state.next(now: now) == .wait(until: now + .milliseconds(100)))
    }

    @Test("an intent given up before it is written never is; one given up later gets an outcome of its own")
    func abandoned() {
        var state = WriterState()
        _ = state.add(entry(1, .intent), now: start)
        _ = state.next(now: start)
        _ = state.add(entry(2, .intent), now: start)
        state.abandon(1)
        state.abandon(2)
        _ = state.wrote(first: 30)
        guard case .write(let batch) = state.next(now: start) else {
            Issue.record("nothing is written")
            return
        }
        #expect(batch.map(\.draft.event) == [.outcome] && batch[0].draft.intent == 30)
        #expect(String(decoding: batch[0].draft.tail, as: UTF8.self).contains(#""result":"not_sent""#))
        _ = state.wrote(first: 31)
        #expect(state.openIntents == 0 && state.next(now: start) == .wait(until: nil))
    }

    @Test("an outcome whose caller is gone is written all the same")
    func abandonedOutcome() {
        var state = WriterState()
        _ = state.add(entry(1, .outcome), now: start)
        state.abandon(1)
        #expect(ids(state.next(now: start)) == [1])
    }

    @Test("no more intents than allowed are open, counted from the wait in the queue to the written outcome")
    func maxOpen() {
        var limits = WriterState.Limits()
        limits.maxOpenIntents = 2
        var state = WriterState(limits: limits)
        _ = state.add(entry(1, .intent), now: start)
        _ = state.next(now: start)
        _ = state.add(entry(2, .intent), now: start)
        #expect(isTooMany(state.add(entry(3, .intent), now: start)))
        _ = state.wrote(first: 1)
        _ = state.next(now: start)
        _ = state.wrote(first: 2)
        #expect(isTooMany(state.add(entry(4, .intent), now: start)))
        _ = state.add(entry(5, .outcome), now: start)
        _ = state.next(now: start)
        #expect(isTooMany(state.add(entry(6, .intent), now: start)))
        _ = state.wrote(first: 3)
        #expect(state.add(entry(7, .intent), now: start) == nil)
    }

    private func isTooMany(_ verdict: WriterState.Verdict?) -> Bool {
        if case .refused(let trouble) = verdict { trouble.cause == .tooManyOpen } else { false }
    }

    @Test("denials are kept up to a number, and those that are not are counted")
    func denials() {
        var limits = WriterState.Limits()
        limits.maxKeptDenials = 2
        var state = WriterState(limits: limits)
        _ = state.failed(full, now: start)
        let verdicts = (1...4).map { state.add(entry(UInt64($0), .denied), now: start) }
        #expect(verdicts == [.kept(full), .kept(full), .refused(full), .refused(full)])
        #expect(state.lostDenials == 2)
        state.repaired(noted: 2)
        #expect(state.lostDenials == 0)
    }

    @Test("when only the reserve is left, outcomes are written and intents refused until there is space")
    func shortage() {
        var state = WriterState()
        _ = state.add(entry(1, .outcome), now: start)
        _ = state.add(entry(2, .intent), now: start)
        _ = state.next(now: start)
        let (batch, settlements) = state.lacksSpace(full, now: start)
        #expect(batch.map(\.id) == [1] && settlements.map(\.id) == [2])
        _ = state.wrote(first: 1)
        #expect(state.phase == .ready)
        #expect(state.add(entry(3, .intent), now: start) != nil)
        #expect(state.add(entry(4, .outcome), now: start) == nil)
        #expect(ids(state.next(now: start)) == [4])
        _ = state.wrote(first: 2)
        #expect(state.next(now: start) == .wait(until: start + .milliseconds(100)))
        #expect(state.next(now: start + .milliseconds(100)) == .probe)
        state.hasSpace()
        #expect(state.add(entry(5, .intent), now: start) == nil)
    }

    @Test("closing writes what waits and the last record, then finishes and takes nothing more")
    func closing() {
        var state = WriterState()
        _ = state.add(entry(1, .outcome), now: start)
        state.close(entry(2, .closed))
        #expect(ids(state.next(now: start)) == [1, 2])
        _ = state.wrote(first: 1)
        #expect(state.next(now: start) == .finish)
        guard case .refused(let trouble) = state.add(entry(3, .intent), now: start) else {
            Issue.record("an intent after the end")
            return
        }
        #expect(trouble.cause == .closed)
    }

    @Test("closing a broken log tries once more and then ends")
    func closingBroken() {
        var state = WriterState()
        _ = state.failed(full, now: start)
        _ = state.add(entry(1, .outcome), now: start)
        state.close(entry(2, .closed))
        #expect(state.next(now: start) == .repair)
        _ = state.failed(full, now: start)
        #expect(state.next(now: start) == .finish)
    }
}
