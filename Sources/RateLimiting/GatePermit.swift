// The right to have one call upstream, with all its sends, and the place that each send takes.

import Synchronization

extension Gate {
    /// A turn among the calls that wait, and then one place after the other: as long as it is not sent, the place goes
    /// back with the permit; from the send on it lasts as long as the transfer. The compiler sees to it that a permit
    /// ends once.
    package struct Permit: ~Copyable, Sendable {
        private let gate: Gate
        private var ticket: GateState.Ticket
        /// Of the latest send.
        private var place: Place?

        init(gate: Gate, ticket: GateState.Ticket) {
            self.gate = gate
            self.ticket = ticket
        }

        /// To be called right before each send, the first and every other: when it returns the send counts in the
        /// windows. What is sent has to end the place when its transfer is over.
        ///
        /// Returns at once for the first send, unless upstream has told a pause since the permit was given. Else it
        /// waits until the call may be sent, in the place that it had among its caller's calls and within the deadline
        /// that it had; others get the slot meanwhile. After a refusal the permit holds nothing, and the call must not
        /// be sent.
        ///
        /// - Parameter waits: as in `admit`.
        @discardableResult
        package mutating func send(waits: (@Sendable (Wait) -> Void)? = nil) async throws(Refusal) -> Place {
            while true {
                if let place = trySend() { return place }
                try await again(waits)
            }
        }

        /// Waits until a send is reserved for it once more, as after `admit`: for a call whose turn was already used by
        /// another request of its own, or that upstream's pause has overtaken. Returns at once if one is.
        package mutating func renew(waits: (@Sendable (Wait) -> Void)? = nil) async throws(Refusal) {
            while !gate.mayStillSend(ticket) { try await again(waits) }
        }

        private mutating func again(_ waits: (@Sendable (Wait) -> Void)?) async throws(Refusal) {
            switch await gate.again(ticket, place, waits) {
            case .success(let ticket):
                self.ticket = ticket
                place = nil
            case .failure(let refusal):
                ticket.phase = .outside
                place = nil
                throw refusal
            }
            if Task.isCancelled { throw Refusal(reason: .cancelled, retryAfter: nil) }
        }

        /// Like `send`, without ever waiting: nil if `send` would have to, or might.
        package mutating func trySend() -> Place? {
            guard gate.sending(&ticket) else { return nil }
            let place = Place(gate: gate, ticket: ticket)
            self.place = place
            return place
        }

        /// Whether `trySend` would send now, as far as is known.
        package var maySend: Bool { gate.mayStillSend(ticket) }

        /// Upstream has answered the last send, and neither refused it for now nor its credentials: where tools bring
        /// their own tokens, this one is accepted.
        package func accepted() { if ticket.request.token != nil { gate.accepted(ticket) } }

        /// Upstream refused the last send with a 429, or a 503 that told a wait. Closes for everybody what the cause
        /// names, and says what that came to. Does not wait.
        @discardableResult
        package func refused(cause: LimitCause, retryAfter: RetryAfter) -> Closing {
            gate.refusedUpstream(ticket, cause, retryAfter)
        }

        /// The answer to the last send turns out to be too large to hold, so that its place will last as long as its tool
        /// reads. At most half of the places do; false: too many others do already, and the transfer is to be given up.
        package func becomesLong() -> Bool { place?.becomesLong() ?? true }

        /// The place of the last send; nil before the first.
        package var sent: Place? { place }

        /// Gives back what was not sent, now.
        package consuming func release() {}

        deinit { if ticket.phase == .reserved { gate.left(ticket) } }
    }

    /// One of the places upstream, from right before a send until its transfer has ended. Whoever carries the call out
    /// ends it; should nobody be left who could, it ends by itself. Safe to use from any thread.
    package final class Place: Sendable {
        private let gate: Gate
        private let ticket: GateState.Ticket
        private let isOver = Atomic<Bool>(false)

        init(gate: Gate, ticket: GateState.Ticket) {
            self.gate = gate
            self.ticket = ticket
        }

        /// The last byte was taken off, or the transfer has ended otherwise: the place goes back. Only the first call
        /// does something.
        package func end() { if claimEnd() { gate.left(ticket) } }

        /// True for the first who ends it, who then has to give it back.
        func claimEnd() -> Bool { !isOver.exchange(true, ordering: .acquiringAndReleasing) }

        /// See `Permit.becomesLong`.
        package func becomesLong() -> Bool {
            gate.becomesLong(ticket) { self.isOver.load(ordering: .acquiring) }
        }

        /// Who else wants a place; nil when this one has ended.
        package var demand: PlaceDemand? { isOver.load(ordering: .acquiring) ? nil : gate.placeDemand }

        deinit { end() }
    }
}
