// Where callers and the writer's thread meet: one lock around the state, the continuations of those who wait, one bell.
// Continuations are resumed outside the lock.

import Ground
import Synchronization

final class WriterCore: Sendable {
    typealias Verdict = WriterState.Verdict

    struct Shared: Sendable {
        var state: WriterState
        var waiters: [UInt64: CheckedContinuation<Verdict, Never>] = [:]
        var lastID: UInt64 = 0
        var isSleeping = false
        var status: AuditStatus
    }

    let options: AuditOptions
    let bell = Doorbell()
    let shared: Mutex<Shared>

    init(options: AuditOptions, _ chain: ChainWriter) {
        self.options = options
        var limits = WriterState.Limits()
        limits.maxOpenIntents = options.maxOpenIntents
        let status = AuditStatus(
            health: .ready, head: chain.head, noted: chain.head, file: chain.place?.file.text ?? "", openIntents: 0,
            waiting: 0,
            records: 1,
            batches: 1, failures: 0)
        shared = Mutex(Shared(state: WriterState(limits: limits), status: status))
    }

    // MARK: Callers

    var status: AuditStatus {
        shared.withLock { shared in
            var status = shared.status
            status.openIntents = shared.state.openIntents
            status.waiting = shared.state.waiting
            status.health =
                switch shared.state.phase {
                case .closed: .closed
                case .broken(let breakage): .broken(breakage.trouble)
                case .ready: shared.state.shortage.map { .broken($0.trouble) } ?? .ready
                }
            return status
        }
    }

    /// Returns when the record is durable or has failed, or when the calling task is cancelled.
    func submit(_ draft: RecordDraft) async -> Verdict {
        let id = shared.withLock { shared in
            shared.lastID += 1
            return shared.lastID
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { enter(WriterEntry(id: id, draft: draft), $0) }
        } onCancel: {
            cancel(id)
        }
    }

    private func enter(_ entry: WriterEntry, _ continuation: CheckedContinuation<Verdict, Never>) {
        let now = options.now()
        // A task that is cancelled from here on finds the waiter, because the flag is set before the handler runs.
        let (verdict, rings) = shared.withLock { shared -> (Verdict?, Bool) in
            let isCancelled = Task.isCancelled
            if isCancelled, entry.draft.event.permits { return (.refused(.giveUp), false) }
            if let verdict = shared.state.add(entry, now: now) { return (verdict, false) }
            if !isCancelled { shared.waiters[entry.id] = continuation }
            defer { shared.isSleeping = false }
            return (isCancelled ? .kept(.giveUp) : nil, shared.isSleeping)
        }
        if rings { bell.ring() }
        if let verdict { continuation.resume(returning: verdict) }
    }

    private func cancel(_ id: UInt64) {
        let waiter = shared.withLock { shared in
            let waiter = shared.waiters.removeValue(forKey: id)
            if waiter != nil { shared.state.abandon(id) }
            return waiter
        }
        waiter?.resume(returning: .kept(.giveUp))
    }

    /// Ends the thread once everything is written, `last` at the end.
    func close(_ last: RecordDraft?) {
        shared.withLock { shared in
            shared.lastID += 1
            let id = shared.lastID
            shared.state.close(last.map { WriterEntry(id: id, draft: $0) })
            shared.isSleeping = false
        }
        bell.ring()
    }

    /// Makes the thread look at the clock again.
    func wake() {
        bell.ring()
    }
}
