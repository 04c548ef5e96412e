// What a gate holds to.

/// At most `limit` calls in any span of the length `span`.
package struct GateWindow: Sendable, Hashable {
    /// Calls; at least 1.
    package let limit: Int
    /// A millisecond or longer.
    package let span: Duration

    /// A window; values out of range are put at the nearest end.
    package init(limit: Int, span: Duration) {
        self.limit = max(limit, 1)
        self.span = max(span, .milliseconds(1))
    }
}

/// The limits of one gate.
package struct GateLimits: Sendable, Equatable {
    /// Hold for every call, all at once; empty: none.
    package let windows: [GateWindow]
    /// Hold for starting runs, besides the others; empty: none.
    package let runWindows: [GateWindow]
    /// Permits out at the same time; at least 1.
    package let maxInFlight: Int
    /// Calls that may wait; 0 refuses whatever cannot go at once.
    package let maxQueue: Int
    /// The longest that any call waits.
    package let maxWait: Duration
    /// Only counts what would have waited or been refused; holds nothing.
    package let observe: Bool

    /// Limits; values out of range are put at the nearest end.
    package init(
        windows: [GateWindow], runWindows: [GateWindow] = [], maxInFlight: Int = 16, maxQueue: Int = 1000,
        maxWait: Duration = .seconds(30), observe: Bool = false
    ) {
        self.windows = windows
        self.runWindows = runWindows
        self.maxInFlight = max(maxInFlight, 1)
        self.maxQueue = max(maxQueue, 0)
        self.maxWait = max(maxWait, .zero)
        self.observe = observe
    }
}
