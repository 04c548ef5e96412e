// How a gate stands, for the metrics.

import Ground

/// A snapshot of a gate.
package struct GateStatistics: Sendable, Equatable {
    /// Calls that wait, by class.
    package struct Queued: Sendable, Equatable {
        /// The proxy's own looks at what became of lost calls.
        package let settling: Int
        /// Interactive calls.
        package let interactive: Int
        /// Batch calls.
        package let batch: Int
        /// The proxy's own refreshes.
        package let background: Int
        /// All of them.
        package var total: Int { settling + interactive + batch + background }

        init(settling: Int = 0, interactive: Int, batch: Int, background: Int) {
            self.settling = settling
            self.interactive = interactive
            self.batch = batch
            self.background = background
        }
    }

    /// One hard window.
    package struct Window: Sendable, Equatable {
        /// The limit and its span.
        package let window: GateWindow
        /// Holds for starting runs only.
        package let isForRuns: Bool
        /// Calls sent within the span.
        package let spent: Int
        /// Calls admitted and not yet sent.
        package let reserved: Int
    }

    /// One pause that upstream has asked for.
    package struct Pause: Sendable, Equatable {
        /// What is closed.
        package let scope: CoolDownScope
        /// What upstream named as the cause.
        package let cause: LimitCause
        /// Until it opens; zero while it opens by the ramp.
        package let remaining: Duration
        /// Pauses that followed each other without a quiet time between.
        package let strikes: Int
    }

    /// Places that are taken.
    package let inFlight: Int
    /// Calls that wait.
    package let queued: Queued
    /// All windows of the proxy's own client, those for runs last; where tools bring their own tokens, of the client that has
    /// used most.
    package let windows: [Window]
    /// Those that hold or are opening.
    package let pauses: [Pause]
    /// The share of the configured pace that upstream's refusals have left, 0.05...1.
    package let learnedPace: Double
    /// The same for starting runs.
    package let learnedRunPace: Double
    /// Moving average of how long a place is held; nil before the first came back.
    package let averageHold: Duration?
    /// What it has done.
    package let counts: GateCounts
}

extension GateState {
    /// How it stands at `now`, to which it must have been brought.
    func statistics(now: Nanoseconds) -> GateStatistics {
        func windows(_ windows: WindowSet, _ limits: [GateWindow], isForRuns: Bool) -> [GateStatistics.Window] {
            zip(windows.windows, limits).map { paced, limit in
                .init(
                    window: limit, isForRuns: isForRuns, spent: paced.window.spent - paced.assumed,
                    reserved: paced.window.reserved)
            }
        }
        // Of a copy: who looks passes no time.
        var books = books
        let own = books.busiest(now: now)
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
