// The calls that are in the flow, by how their callers have shown who they are: a reload that withdraws a key, or an
// issuer, ends those of them that only wait.

import Configuration
import Synchronization

/// One for the process, whatever its configuration becomes. Usable from every thread.
final class WaitingCalls: Sendable {
    typealias ID = UInt64

    /// What a caller has shown.
    enum Proof: Hashable {
        case credential(Config.Credential)
        /// A token of the issuer with this URL.
        case token(issuer: String)
    }

    private struct State {
        var calls: [ID: (proof: Proof, withdraw: @Sendable () -> Void)] = [:]
        /// What callers may show now; nil while nobody has to show anything.
        var good: Set<Proof>?
        var last: ID = 0

        func isGood(_ proof: Proof) -> Bool { good?.contains(proof) ?? true }
    }

    private let state = Mutex(State())

    /// A call has begun. `withdraw` is called at most once, on any thread: now, if its credential was withdrawn while it came,
    /// or later.
    func enter(_ proof: Proof, withdraw: @escaping @Sendable () -> Void) -> ID? {
        let id = state.withLock { state -> ID? in
            guard state.isGood(proof) else { return nil }
            state.last += 1
            state.calls[state.last] = (proof, withdraw)
            return state.last
        }
        if id == nil { withdraw() }
        return id
    }

    /// It has ended.
    func leave(_ id: ID) { state.withLock { _ = $0.calls.removeValue(forKey: id) } }

    /// Only these callers and issuers are known from now on. Without any, nobody is asked who it is, and nothing is withdrawn.
    func keep(_ callers: [Config.Caller], _ issuers: [Config.Issuer] = []) {
        let withdrawn = state.withLock { state in
            state.good =
                callers.isEmpty && issuers.isEmpty
                ? nil
                : Set(
                    callers.map { .credential($0.credential) }
                        + issuers.compactMap(\.url).map { .token(issuer: $0.description) })
            let bad = state.calls.filter { !state.isGood($0.value.proof) }
            for id in bad.keys { state.calls[id] = nil }
            return bad.values.map(\.withdraw)
        }
        for withdraw in withdrawn { withdraw() }
    }
}
