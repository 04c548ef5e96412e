// How a gate stands, for the metrics.

import Ground

/// A snapshot of a gate.
public struct GateStatistics: Sendable, Equatable {
    /// Calls that wait, by class.
    public struct Queued: Sendable, Equatable {
        /// The proxy's own looks at what became of lost calls.
        public let settling: Int
        /// Interactive calls.
        public let interactive: Int
        /// Batch calls.
        public let batch: Int
        /// The proxy's own refreshes.
        public let background: Int
        /// All of them.
        public var total: Int { settling + interactive + batch + background }

        init(settling: Int = 0, interactive: Int, batch: Int, background: Int) {
            self.settling = settling
            self.interactive = interactive
            self.batch = batch
            self.background = background
        }
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

    /// Places that are taken.
    public let inFlight: Int
    /// Calls that wait.
    public let queued: Queued
    /// All windows of the proxy's own client, those for runs last.
    public let windows: [Window]
    /// Those that hold or are opening.
    public let pauses: [Pause]
    /// The share of the configured pace that upstream's refusals have left, 0.05...1.
    public let learnedPace: Double
    /// The same for starting runs.
    public let learnedRunPace: Double
    /// Moving average of how long a place is held; nil before the first came back.
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
        let own = books.books[ClientBooks.own]
        return GateStatistics(
            inFlight: places.taken,
            queued: .init(
                settling: room.waiting(.settling), interactive: room.waiting(.interactive),
                batch: room.waiting(.batch), background: room.waiting(.background)),
            windows: windows(own.windows, limits.windows, isForRuns: false)
                + windows(own.runWindows, limits.runWindows, isForRuns: true),
            pauses: books.pauses(now: now).map {
                .init(
                    scope: $0.scope, cause: $0.cause, remaining: .nanoseconds(max($0.end - now, 0)),
                    strikes: $0.strikes)
            },
            learnedPace: own.windows.pace, learnedRunPace: own.runWindows.pace,
            averageHold: averageHold.map { .nanoseconds(Int64($0)) }, counts: counts)
    }

    /// Nobody is in, nobody waits, nothing is closed or opening.
    func isIdle(now: Nanoseconds) -> Bool {
        places.taken == 0 && room.count == 0 && books.isQuiet(now: now)
    }

    /// How long a call of a lane can surely not go: a pause holds, or a hard window is full.
    mutating func pause(for lane: Lane, now: Nanoseconds) -> Duration? {
        let end = books.closedUntil(lane, now: now)
        return end > now ? .nanoseconds(end - now) : nil
    }
}
