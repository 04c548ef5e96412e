// Settling outlives the tool whose call it is, but not the process: when that ends, what is not known by then is unknown,
// and is written down as that while there is still a log.

import Synchronization

/// What is being settled. Usable from every thread.
final class SettlingTasks: Sendable {
    private struct State {
        var isOver = false
        var last: UInt64 = 0
        /// How each is cancelled.
        var running: [UInt64: @Sendable () -> Void] = [:]
    }

    private let state = Mutex(State())

    /// Runs to its end although the one who asks is cancelled; is cancelled itself by `end`.
    func run<Fate: Sendable>(_ settle: @escaping @Sendable () async -> Fate) async -> Fate {
        let task = Task { await settle() }
        let number = state.withLock { state in
            if state.isOver { task.cancel() }
            state.last += 1
            state.running[state.last] = { task.cancel() }
            return state.last
        }
        let fate = await task.value
        state.withLock { _ = $0.running.removeValue(forKey: number) }
        return fate
    }

    /// From now on nothing is waited for.
    func end() {
        let running = state.withLock { state in
            state.isOver = true
            return Array(state.running.values)
        }
        for cancel in running { cancel() }
    }
}
