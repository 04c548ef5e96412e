// Why a gate let somebody not in. The wait in it is what the tool is told as `Retry-After`.

extension Gate {
    /// What a refusal by upstream has closed.
    package struct Closing: Sendable, Equatable {
        /// How much of the gate.
        package let scope: CoolDownScope
        /// What upstream named as the cause.
        package let cause: LimitCause
        /// For how long from now.
        package let remaining: Duration
        /// Whose calls: a client, or one token. Nil where the proxy's own client is the only one.
        package let whose: String?

        /// A closing, such as one that was found in `statistics`.
        package init(scope: CoolDownScope, cause: LimitCause, remaining: Duration, whose: String? = nil) {
            self.scope = scope
            self.cause = cause
            self.remaining = remaining
            self.whose = whose
        }
    }

    /// Why a permit was not given.
    package struct Refusal: Error, Sendable, Equatable {
        /// The kinds of refusal.
        package enum Reason: String, Sendable {
            /// As many wait already as may.
            case queueFull = "queue-full"
            /// It would take, or has taken, longer than the caller wanted to wait.
            case deadline
            /// Upstream told a pause that lasts longer than the caller wanted to wait.
            case coolDown = "cool-down"
            /// All places upstream are taken by calls under way; no rate is the cause.
            case places
            /// The caller has as many calls under way as it may.
            case share = "caller-places"
            /// The caller's own windows are full.
            case caller = "caller-windows"
            /// Upstream is down: it refuses connections, or they break off.
            case upstreamRefuses = "upstream-refuses"
            /// Upstream is down: attempts to connect hang.
            case upstreamHangs = "upstream-hangs"
            /// The waiting task was cancelled.
            case cancelled
            /// Upstream told a pause, and the gate only observes.
            case observing
        }

        /// Why.
        package let reason: Reason
        /// After how long another try is likely to succeed, at least a second; nil when nobody is there to try.
        /// Differs from one refused call to the next, and is never shorter than a pause that upstream told. A second
        /// where places are the cause: nobody knows when one will be free.
        package let retryAfter: Duration?
        /// The limit that is the cause, where it is the caller's own.
        package var limit: CallerLimit?
        /// What was in its way when it was refused; nil where nothing had to be.
        package var wait: Wait?
    }

    /// A limit that holds for one caller.
    package struct CallerLimit: Sendable, Equatable {
        /// Whose.
        package let caller: String
        /// The window that is full; nil where it is the number of its calls under way.
        package let window: GateWindow?
    }
}
