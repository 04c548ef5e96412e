// The end of a call that others wait for: it comes once, and who asks later hears of it at once.

import Ground
import Synchronization

/// What came of a call, for those who did not make it.
enum CallOutcome: Sendable {
    case answered(KeptAnswer)
    /// It was sent, and nobody knows.
    case failed(Failure)
    /// It surely was not carried out.
    case notDone
}

/// Usable from every thread.
final class CallEnd: Sendable {
    private struct State {
        var outcome: CallOutcome?
        var waiting: [UInt64: CheckedContinuation<CallOutcome?, Never>] = [:]
        var last: UInt64 = 0
    }

    /// Its correlation id.
    let id: String
    private let state = Mutex(State())

    init(id: String) { self.id = id }

    /// The first word counts.
    func end(_ outcome: CallOutcome) {
        let waiting = state.withLock { state in
            guard state.outcome == nil else { return [CheckedContinuation<CallOutcome?, Never>]() }
            state.outcome = outcome
            defer { state.waiting = [:] }
            return Array(state.waiting.values)
        }
        for continuation in waiting { continuation.resume(returning: outcome) }
    }

    /// Nil when the deadline came first, or the task was cancelled.
    func wait(until deadline: ContinuousClock.Instant?, _ time: Time) async -> CallOutcome? {
        guard let deadline else { return await wait() }
        return await withTaskGroup(of: CallOutcome?.self) { group in
            group.addTask { await self.wait() }
            group.addTask {
                try? await time.sleep(deadline)
                return nil
            }
            defer { group.cancelAll() }
            return await group.next() ?? nil
        }
    }

    private func wait() async -> CallOutcome? {
        let number = state.withLock { state in
            state.last += 1
            return state.last
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let (outcome, isOver) = state.withLock { state -> (CallOutcome?, Bool) in
                    if let outcome = state.outcome { return (outcome, true) }
                    if Task.isCancelled { return (nil, true) }
                    state.waiting[number] = continuation
                    return (nil, false)
                }
                if isOver { continuation.resume(returning: outcome) }
            }
        } onCancel: {
            state.withLock { $0.waiting.removeValue(forKey: number) }?.resume(returning: nil)
        }
    }
}
