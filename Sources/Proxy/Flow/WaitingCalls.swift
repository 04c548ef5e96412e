// The calls that are in the flow, by how their callers have shown who they are: a reload that withdraws a key ends those of
// them that only wait.

import Configuration
import Synchronization

/// One for the process, whatever its configuration becomes. Usable from every thread.
final class WaitingCalls: Sendable {
    typealias ID = UInt64

    private struct State {
        var calls: [ID: (credential: Config.Credential, withdraw: @Sendable () -> Void)] = [:]
        /// What callers may show now; nil while nobody has to show anything.
        var good: Set<Config.Credential>?
        var last: ID = 0

        func isGood(_ credential: Config.Credential) -> Bool { good?.contains(credential) ?? true }
    }

    private let state = Mutex(State())

    /// A call has begun. `withdraw` is called at most once, on any thread: now, if its credential was withdrawn while it came,
    /// or later.
    func enter(_ credential: Config.Credential, withdraw: @escaping @Sendable () -> Void) -> ID? {
        let id = state.withLock { state -> ID? in
            guard state.isGood(credential) else { return nil }
            state.last += 1
            state.calls[state.last] = (credential, withdraw)
            return state.last
        }
        if id == nil { withdraw() }
        return id
    }

    /// It has ended.
    func leave(_ id: ID) { state.withLock { _ = $0.calls.removeValue(forKey: id) } }

    /// Only these callers are known from now on. Without any, nobody is asked who it is, and nothing is withdrawn.
    func keep(_ callers: [Config.Caller]) {
        let withdrawn = state.withLock { state in
            state.good = callers.isEmpty ? nil : Set(callers.map(\.credential))
            let bad = state.calls.filter { !state.isGood($0.value.credential) }
            for id in bad.keys { state.calls[id] = nil }
            return bad.values.map(\.withdraw)
        }
        for withdraw in withdrawn { withdraw() }
    }
}
