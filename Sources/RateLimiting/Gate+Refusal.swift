// Why a gate let somebody not in. The wait in it is what the tool is told as `Retry-After`.

extension Gate {
    /// What a refusal by upstream has closed.
    public struct Closing: Sendable, Equatable {
        /// How much of the gate.
        public let scope: CoolDownScope
        /// What upstream named as the cause.
        public let cause: LimitCause
        /// For how long from now.
        public let remaining: Duration

        /// A closing, such as one that was found in `statistics`.
        public init(scope: CoolDownScope, cause: LimitCause, remaining: Duration) {
            self.scope = scope
            self.cause = cause
            self.remaining = remaining
        }
    }

    /// Why a permit was not given.
    public struct Refusal: Error, Sendable, Equatable {
        /// The kinds of refusal.
        public enum Reason: String, Sendable {
            /// As many wait already as may.
            case queueFull = "queue-full"
            /// It would take, or has taken, longer than the caller wanted to wait.
            case deadline
            /// Upstream told a pause that lasts longer than the caller wanted to wait.
            case coolDown = "cool-down"
            /// The waiting task was cancelled.
            case cancelled
            /// Upstream told a pause, and the gate only observes.
            case observing
        }

        /// Why.
        public let reason: Reason
        /// After how long another try is likely to succeed, at least a second; nil when nobody is there to try.
        /// Differs from one refused call to the next, and is never shorter than a pause that upstream told.
        public let retryAfter: Duration?
    }
}
