// Points of wall-clock time.

/// A point of wall-clock time, UTC, to the nanosecond.
package struct WallTime: Sendable, Hashable, Comparable {
    /// Whole seconds since 1970-01-01T00:00:00Z, rounded down.
    package var seconds: Int64
    /// 0..<1,000,000,000.
    package var nanoseconds: Int32

    /// Makes a point of time from its two parts.
    package init(seconds: Int64, nanoseconds: Int32 = 0) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }

    /// Makes the point of time that is so long after 1970-01-01T00:00:00Z; what is finer than a nanosecond is cut off.
    package init(sinceEpoch: Duration) {
        let (seconds, attoseconds) = sinceEpoch.components
        let nanoseconds = Int32(attoseconds / 1_000_000_000)
        // Both parts of a negative duration are negative.
        self.seconds = nanoseconds < 0 ? seconds - 1 : seconds
        self.nanoseconds = nanoseconds < 0 ? nanoseconds + 1_000_000_000 : nanoseconds
    }

    /// The time since 1970-01-01T00:00:00Z; negative before.
    package var sinceEpoch: Duration { .seconds(seconds) + .nanoseconds(Int64(nanoseconds)) }

    /// Whole milliseconds since 1970-01-01T00:00:00Z, rounded down.
    package var millisecondsSinceEpoch: Int64 { seconds * 1_000 + Int64(nanoseconds) / 1_000_000 }

    /// The point of time that is so much later.
    package static func + (time: WallTime, span: Duration) -> WallTime { WallTime(sinceEpoch: time.sinceEpoch + span) }

    /// Earlier comes first.
    package static func < (left: WallTime, right: WallTime) -> Bool {
        (left.seconds, left.nanoseconds) < (right.seconds, right.nanoseconds)
    }
}
