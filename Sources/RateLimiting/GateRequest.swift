// What a gate is told of a call that asks for its turn.

/// One call that asks to be sent upstream.
package struct GateRequest: Sendable, Hashable {
    /// Who goes first when not all can go. Lower classes keep a share: see `ClassOrder`.
    package enum Priority: Int, Sendable, CaseIterable {
        /// The proxy's own looks at what became of a lost call: before everybody, and ahead of the pace.
        case settling
        /// Somebody waits for the answer.
        case interactive
        /// A script waits for it.
        case batch
        /// Nobody waits for it: the proxy's own refreshes.
        case background
    }

    /// The API that the call belongs to, as far as upstream limits one by itself.
    package enum API: String, Sendable, CaseIterable {
        /// Clash detection v1.
        case v1
        /// Clash detection v2.
        case v2
        /// Anything else below an allowed prefix.
        case other
    }

    /// A token that a tool brought, as far as the gate must know it.
    package struct Token: Sendable, Hashable {
        /// Tells tokens apart; never the token itself.
        package let id: String
        /// The client that the token says it belongs to, which nobody has verified, or a name of its own.
        package let client: String

        /// A token.
        package init(id: String, client: String) {
            self.id = id
            self.client = client
        }

        /// Of calls without a token that could be told apart.
        static let none = Token(id: "", client: "")

        /// Whether upstream's answer can say something about it.
        var canBeAccepted: Bool { !id.isEmpty }
    }

    /// Callers share the gate fairly by this name, and no caller holds more places than its share.
    package var caller: String
    /// Who calls as far as the network can tell, where callers cannot prove who they are: turns are shared fairly
    /// between these first, then between the callers of each. Nil: callers are known.
    package var peer: String?
    /// What the call is sent with where tools bring their own tokens, and so whose windows it spends.
    package var token: Token?
    /// The most places that the caller holds at once; 0: three quarters of all, at least one; nil: no limit of its own.
    package var maxInFlight: Int?
    /// Hard windows of the caller alone, the same in all of its calls; none: it has no limit of its own.
    package var windows: [GateWindow] = []
    /// Its answer is known to be too large to hold, so that the place will last as long as the tool reads.
    package var isLong = false
    /// The caller's share to that of others; 1...1000.
    package private(set) var weight: Int
    /// The class it waits in.
    package var priority: Priority
    /// Name of the operation. Upstream may pause one alone. From a bounded set: each name seen is remembered.
    package var operation: String
    /// Upstream may pause one alone.
    package var api: API
    /// Counts against the run windows too.
    package var countsAsRun: Bool
    /// A write, run or delete: goes before the same caller's reads.
    package var changes: Bool
    /// The longest it would wait; nil, or longer than the gate's `maxWait`: that.
    package var wait: Duration?
    /// A hash of what it asks for: the same call that was refused is known by it when it comes again. Nil: each is another.
    package var content: Int?

    /// A call; only a weight out of range is changed.
    package init(
        caller: String, weight: Int = 1, priority: Priority = .interactive, operation: String, api: API = .v2,
        countsAsRun: Bool = false, changes: Bool = false, wait: Duration? = nil, maxInFlight: Int? = nil,
        peer: String? = nil, token: Token? = nil
    ) {
        self.caller = caller
        self.maxInFlight = maxInFlight
        self.peer = peer
        self.token = token
        self.weight = min(max(weight, 1), 1000)
        self.priority = priority
        self.operation = operation
        self.api = api
        self.countsAsRun = countsAsRun
        self.changes = changes
        self.wait = wait
    }
}

/// What can be closed by itself: calls of one lane of a caller are let through or held alike.
struct Lane: Sendable, Hashable {
    let operation: String
    let api: GateRequest.API
    let countsAsRun: Bool
    /// Keeps to the hard windows and not to the pace.
    let isUrgent: Bool
    let isLong: Bool
    let token: GateRequest.Token?
}

extension GateRequest {
    var lane: Lane {
        Lane(
            operation: operation, api: api, countsAsRun: countsAsRun, isUrgent: priority == .settling, isLong: isLong,
            token: token)
    }

    /// By which name turns are shared first.
    var queue: String { peer ?? caller }
}
