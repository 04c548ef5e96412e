// What a task sleeps on until somebody rings or its time has come.

import Ground
import Synchronization

/// Wakes one task. Any thread may ring; a ring that comes before the wait is not lost.
final class SinkBell: Sendable {
    private let state = Mutex((isRung: false, waiter: CheckedContinuation<Void, Never>?.none))

    /// Ends the wait, or the next one.
    func ring() {
        let waiter = state.withLock { state in
            state.isRung = state.waiter == nil
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }

    /// Returns after a ring, or at that time; at once when its task is cancelled.
    func wait(until instant: ContinuousClock.Instant?, _ time: Time) async {
        let timer = instant.map { instant in
            Task { [weak self] in
                try? await time.sleep(instant)
                if !Task.isCancelled { self?.ring() }
            }
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isRung = state.withLock { state in
                    if state.isRung || Task.isCancelled {
                        state.isRung = false
                        return true
                    }
                    state.waiter = continuation
                    return false
                }
                if isRung { continuation.resume() }
            }
        } onCancel: {
            ring()
        }
        timer?.cancel()
    }
}
