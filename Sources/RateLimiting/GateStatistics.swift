// How a gate stands, for the metrics.

/// A snapshot of a gate.
public struct GateStatistics: Sendable, Equatable {
    /// Calls that wait, by class.
    public struct Queued: Sendable, Equatable {
        /// Interactive calls.
        public let interactive: Int
        /// Batch calls.
        public let batch: Int
        /// The proxy's own refreshes.
        public let background: Int
        /// All of them.
        public var total: Int { interactive + batch + background }
    }

    /// One hard window.
    public struct Window: Sendable, Equatable {
        /// The limit and its span.
        public let window: GateWindow
        /// Holds for starting runs only.
        public let isForRuns: Bool
        /// Calls sent within the span.
        public let spent: Int
        /// Calls admitted and not yet sent.
        public let reserved: Int
    }

    /// One pause that upstream has asked for.
    public struct Pause: Sendable, Equatable {
        /// What is closed.
        public let scope: CoolDownScope
        /// What upstream named as the cause.
        public let cause: LimitCause
        /// Until it opens; zero while it opens by the ramp.
        public let remaining: Duration
        /// Pauses that followed each other without a quiet time between.
        public let strikes: Int
    }

    /// Permits that are out.
    public let inFlight: Int
    /// Calls that wait.
    public let queued: Queued
    /// All windows, those for runs last.
    public let windows: [Window]
    /// Those that hold or are opening.
    public let pauses: [Pause]
    /// The share of the configured pace that upstream's refusals have left, 0.05...1.
    public let learnedPace: Double
    /// The same for starting runs.
    public let learnedRunPace: Double
    /// Moving average of how long a permit is held; nil before the first came back.
    public let averageHold: Duration?
    /// What it has done.
    public let counts: GateCounts
}

extension GateState {
    /// How it stands at `now`, to which it must have been brought.
    func statistics(now: Nanoseconds) -> GateStatistics {
        func windows(_ windows: WindowSet, _ limits: [GateWindow], isForRuns: Bool) -> [GateStatistics.Window] {
            zip(windows.windows, limits).map { paced, limit in
                .init(
                    window: limit, isForRuns: isForRuns, spent: paced.window.spent, reserved: paced.window.reserved)
            }
        }
        return GateStatistics(
            inFlight: inFlight,
            queued: .init(
                interactive: room.waiting(.interactive), batch: room.waiting(.batch),
                background: room.waiting(.background)),
            windows: windows(self.windows, limits.windows, isForRuns: false)
                + windows(runWindows, limits.runWindows, isForRuns: true),
            pauses: coolDowns.entries.filter { $0.rampEnd > now }.map {
                .init(
                    scope: $0.scope, cause: $0.cause, remaining: .nanoseconds(max($0.end - now, 0)),
                    strikes: $0.strikes)
            },
            learnedPace: self.windows.pace, learnedRunPace: runWindows.pace,
            averageHold: averageHold.map { .nanoseconds(Int64($0)) }, counts: counts)
    }

    /// Nobody is in, nobody waits, nothing is closed or opening: nothing is lost with it but its counts.
    func isIdle(now: Nanoseconds) -> Bool {
        inFlight == 0 && room.count == 0 && !coolDowns.entries.contains { $0.rampEnd > now }
    }

    /// How long a call of a lane can surely not go: a pause holds, or a hard window is full.
    func pause(for lane: Lane, now: Nanoseconds) -> Duration? {
        var end = max(coolDowns.end(for: lane, now: now) ?? now, windows.hardOpening(now: now))
        if lane.countsAsRun { end = max(end, runWindows.hardOpening(now: now)) }
        return end > now ? .nanoseconds(end - now) : nil
    }
}
