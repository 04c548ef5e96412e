// What a gate is told of a call that asks for its turn.

/// One call that asks to be sent upstream.
public struct GateRequest: Sendable, Hashable {
    /// Who goes first when not all can go. Lower classes keep a share: see `ClassOrder`.
    public enum Priority: Int, Sendable, CaseIterable {
        /// Somebody waits for the answer.
        case interactive
        /// A script waits for it.
        case batch
        /// Nobody waits for it: the proxy's own refreshes.
        case background
    }

    /// The API that the call belongs to, as far as upstream limits one by itself.
    public enum API: String, Sendable, CaseIterable {
        /// Clash detection v1.
        case v1
        /// Clash detection v2.
        case v2
        /// Anything else below an allowed prefix.
        case other
    }

    /// Callers share the gate fairly by this name.
    public var caller: String
    /// The caller's share to that of others; 1...1000.
    public private(set) var weight: Int
    /// The class it waits in.
    public var priority: Priority
    /// Name of the operation. Upstream may pause one alone. From a bounded set: each name seen is remembered.
    public var operation: String
    /// Upstream may pause one alone.
    public var api: API
    /// Counts against the run windows too.
    public var countsAsRun: Bool
    /// A write, run or delete: goes before the same caller's reads.
    public var changes: Bool
    /// The longest it would wait; nil, or longer than the gate's `maxWait`: that.
    public var wait: Duration?

    /// A call; only a weight out of range is changed.
    public init(
        caller: String, weight: Int = 1, priority: Priority = .interactive, operation: String, api: API = .v2,
        countsAsRun: Bool = false, changes: Bool = false, wait: Duration? = nil
    ) {
        self.caller = caller
        self.weight = min(max(weight, 1), 1000)
        self.priority = priority
        self.operation = operation
        self.api = api
        self.countsAsRun = countsAsRun
        self.changes = changes
        self.wait = wait
    }
}

/// What can be closed by itself: calls of one lane are let through or held alike.
struct Lane: Sendable, Hashable {
    let operation: String
    let api: GateRequest.API
    let countsAsRun: Bool
}

extension GateRequest {
    var lane: Lane { Lane(operation: operation, api: api, countsAsRun: countsAsRun) }
}
