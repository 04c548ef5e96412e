// The right to have one call upstream, with all its sends.

extension Gate {
    /// A place among the calls that are in flight. It goes back to its gate when it ends: at the end of its scope or
    /// when it is released, whichever comes first, and the compiler sees to it that this happens once.
    public struct Permit: ~Copyable, Sendable {
        private let gate: Gate
        private var ticket: GateState.Ticket

        init(gate: Gate, ticket: GateState.Ticket) {
            self.gate = gate
            self.ticket = ticket
        }

        /// To be called right before each send, the first and every other: when it returns the send counts in the
        /// windows.
        ///
        /// Returns at once for the first send, unless upstream has told a pause since the permit was given. Else it
        /// waits until the call may be sent, in the place that it had among its caller's calls and within the deadline
        /// that it had; others get the slot meanwhile. After a refusal the permit holds nothing, and the call must not
        /// be sent.
        public mutating func send() async throws(Refusal) {
            while !trySend() { try await again() }
        }

        /// Waits until a send is reserved for it once more, as after `admit`: for a call whose turn was already used by
        /// another request of its own, or that upstream's pause has overtaken. Returns at once if one is.
        public mutating func renew() async throws(Refusal) {
            while !gate.mayStillSend(ticket) { try await again() }
        }

        private mutating func again() async throws(Refusal) {
            switch await gate.again(ticket) {
            case .success(let ticket): self.ticket = ticket
            case .failure(let refusal):
                ticket.phase = .outside
                throw refusal
            }
            if Task.isCancelled { throw Refusal(reason: .cancelled, retryAfter: nil) }
        }

        /// Like `send`, without ever waiting: false if `send` would have to, or might.
        public mutating func trySend() -> Bool { gate.sending(&ticket) }

        /// Upstream refused the last send with a 429, or a 503 that told a wait. Closes for everybody what the cause
        /// names, and says what that came to. Does not wait.
        @discardableResult
        public func refused(cause: LimitCause, retryAfter: RetryAfter) -> Closing {
            gate.refusedUpstream(ticket, cause, retryAfter)
        }

        /// Gives it back now.
        public consuming func release() {}

        deinit { gate.left(ticket) }
    }
}
