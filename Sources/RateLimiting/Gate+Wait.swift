// What a call waits for at the gate, for whoever asks later why it was slow or refused.

extension Gate {
    /// What stands in a call's way.
    package enum Obstacle: Sendable, Equatable {
        /// A window of the upstream client is full.
        case window(GateWindow, isForRuns: Bool)
        /// A window has room, but calls are spread over it and it is not this one's turn.
        case pace(GateWindow, isForRuns: Bool)
        /// A window of the caller's own is full.
        case callerWindow(GateWindow)
        /// Upstream has asked for a pause, or what it closed opens by a ramp.
        case pause(CoolDownScope, LimitCause)
        /// All places upstream are taken: so many.
        case places(Int)
        /// As many answers too large to hold are under way as may be.
        case longPlaces
        /// The caller has as many calls under way as it may.
        case callerPlaces
        /// Upstream is down.
        case down
        /// Nothing but those who came before.
        case others
    }

    /// Calls of one caller, or from one address, that go first.
    package struct Ahead: Sendable, Equatable {
        /// As `GateRequest.caller`, or `GateRequest.peer` where turns are shared between addresses.
        package let caller: String
        /// How many.
        package let calls: Int
    }

    /// How a call stood when it came, or when it was refused.
    package struct Wait: Sendable, Equatable {
        /// What was in its way and lasts longest.
        package let obstacle: Obstacle
        /// Until that is over; nil where nobody can know.
        package let opens: Duration?
        /// Its turn among those that wait, 1 being the next; nil where it was not counted, or kept the place that it had.
        package var place: Int?
        /// Whose calls go first, at most eight callers, the most calls first.
        package var ahead: [Ahead] = []
    }
}
