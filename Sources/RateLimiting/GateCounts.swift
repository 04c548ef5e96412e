// What a gate has done since it was made.

/// Counters of a gate; they only ever grow.
package struct GateCounts: Sendable, Equatable {
    /// Calls that went without waiting.
    package internal(set) var admittedAtOnce = 0
    /// Calls that went after a wait; a call that is sent again counts each time.
    package internal(set) var admittedAfterWait = 0
    /// The sum of their waits.
    package internal(set) var waited: Duration = .zero
    /// Calls refused since too many waited.
    package internal(set) var refusedQueueFull = 0
    /// Calls refused since their wait would be, or was, too long.
    package internal(set) var refusedDeadline = 0
    /// Calls refused since upstream's pause would outlast them.
    package internal(set) var refusedCoolDown = 0
    /// Calls refused because all places, or all that their caller may have, were taken.
    package internal(set) var refusedPlaces = 0
    /// Calls refused because their caller's own windows were full.
    package internal(set) var refusedCaller = 0
    /// Calls refused because upstream was down.
    package internal(set) var refusedDown = 0
    /// Calls refused by the gate, for whatever reason.
    package var refused: Int {
        refusedQueueFull + refusedDeadline + refusedCoolDown + refusedPlaces + refusedCaller + refusedDown
    }
    /// Callers that left while they waited.
    package internal(set) var leftWaiting = 0
    /// Refusals by upstream: 429, and 503 with `Retry-After`.
    package internal(set) var refusedUpstream = 0
    /// Calls that asked to be sent once more.
    package internal(set) var resent = 0
    /// Where nothing is held: calls that would have waited.
    package internal(set) var wouldHaveWaited = 0
    /// Where nothing is held: the sum of the waits there would have been.
    package internal(set) var wouldHaveWaitedFor: Duration = .zero
    /// Where nothing is held: calls that would have been refused.
    package internal(set) var wouldHaveBeenRefused = 0
}
