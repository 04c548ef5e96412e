// What a gate has done since it was made.

/// Counters of a gate; they only ever grow.
public struct GateCounts: Sendable, Equatable {
    /// Calls that went without waiting.
    public internal(set) var admittedAtOnce = 0
    /// Calls that went after a wait; a call that is sent again counts each time.
    public internal(set) var admittedAfterWait = 0
    /// The sum of their waits.
    public internal(set) var waited: Duration = .zero
    /// Calls refused since too many waited.
    public internal(set) var refusedQueueFull = 0
    /// Calls refused since their wait would be, or was, too long.
    public internal(set) var refusedDeadline = 0
    /// Calls refused since upstream's pause would outlast them.
    public internal(set) var refusedCoolDown = 0
    /// Calls refused because all places, or all that their caller may have, were taken.
    public internal(set) var refusedPlaces = 0
    /// Calls refused because upstream was down.
    public internal(set) var refusedDown = 0
    /// Callers that left while they waited.
    public internal(set) var leftWaiting = 0
    /// Refusals by upstream: 429, and 503 with `Retry-After`.
    public internal(set) var refusedUpstream = 0
    /// Calls that asked to be sent once more.
    public internal(set) var resent = 0
    /// Where nothing is held: calls that would have waited.
    public internal(set) var wouldHaveWaited = 0
    /// Where nothing is held: the sum of the waits there would have been.
    public internal(set) var wouldHaveWaitedFor: Duration = .zero
    /// Where nothing is held: calls that would have been refused.
    public internal(set) var wouldHaveBeenRefused = 0
}
