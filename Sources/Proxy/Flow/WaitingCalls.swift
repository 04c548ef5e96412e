// The calls that are in the flow, by how their callers have shown who they are: a reload that withdraws a key, or an
// issuer, ends those of them that only wait; so it does with what its rules would not let in.

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

    private struct Call {
        let proof: Proof?
        let judge: @Sendable () -> Void
        let withdraw: @Sendable () -> Void
    }

    private struct State {
        var calls: [ID: Call] = [:]
        /// What a reload has put in force; nil before the first.
        var rules: FrontDesk?
        /// What callers may show now; nil while nobody has to show anything.
        var good: Set<Proof>?
        var last: ID = 0

        func isGood(_ proof: Proof?) -> Bool { proof.flatMap { good?.contains($0) } ?? true }
    }

    private let state = Mutex(State())

    /// A call has begun. `withdraw` is called at most once, on any thread: now, if its credential was withdrawn while it came,
    /// or later.
    ///
    /// - Parameters:
    ///   - proof: nil: its caller had to show nothing.
    ///   - judge: is called whenever other rules have come in force, on any thread.
    func enter(
        _ proof: Proof?, judge: @escaping @Sendable () -> Void = {}, withdraw: @escaping @Sendable () -> Void
    ) -> ID? {
        let id = state.withLock { state -> ID? in
            guard state.isGood(proof) else { return nil }
            state.last += 1
            state.calls[state.last] = Call(proof: proof, judge: judge, withdraw: withdraw)
            return state.last
        }
        if id == nil { withdraw() }
        return id
    }

    /// It has ended.
    func leave(_ id: ID) { state.withLock { _ = $0.calls.removeValue(forKey: id) } }

    /// The rules in force, where they are others than these.
    func rules(insteadOf rules: FrontDesk) -> FrontDesk? {
        state.withLock { $0.rules }.flatMap { $0.edition === rules.edition ? nil : $0 }
    }

    /// What has not been sent is judged by these rules from now on.
    func change(rules: FrontDesk) { state.withLock { $0.rules = rules } }

    /// Only these callers and issuers are known from now on, and who stays is judged anew. Without any, nobody is asked who it is, and nothing is withdrawn.
    func keep(_ callers: [Config.Caller], _ issuers: [Config.Issuer] = []) {
        let told = state.withLock { state in
            state.good =
                callers.isEmpty && issuers.isEmpty
                ? nil
                : Set(
                    callers.map { .credential($0.credential) }
                        + issuers.compactMap(\.url).map { .token(issuer: $0.description) })
            let bad = state.calls.filter { !state.isGood($0.value.proof) }
            for id in bad.keys { state.calls[id] = nil }
            return bad.values.map(\.withdraw) + state.calls.values.map(\.judge)
        }
        for tell in told { tell() }
    }
}
