// Wall-clock time as the log writes it: RFC 3339, UTC, always six digits of a second, so that every stamp has the same
// length and sorts as text. Nothing here reads a clock.

import Ground

/// A point of wall-clock time, in whole microseconds, UTC.
public struct AuditTime: Sendable, Hashable, Comparable {
    /// Since 1970-01-01T00:00:00Z. Years 0000 to 9999 can be written.
    public var microseconds: Int64

    /// Makes a point of time from microseconds since 1970-01-01T00:00:00Z.
    public init(microseconds: Int64) {
        self.microseconds = microseconds
    }

    /// Makes a point of time; what is finer than a microsecond is cut off.
    public init(seconds: Int64, nanoseconds: Int32) {
        self.microseconds = seconds * 1_000_000 + Int64(nanoseconds) / 1000
    }

    /// Reads an RFC 3339 section 5.6 `date-time`, with any offset and up to nanoseconds; nil if it is none.
    public init?(_ text: String) {
        guard let time = RFC3339.time(text) else { return nil }
        self.init(seconds: time.seconds, nanoseconds: time.nanoseconds)
    }

    /// As the log writes it: `2026-11-22T07:41:03.004211Z`.
    public var text: String { RFC3339.text(wallTime, digits: 6) }

    /// Earlier comes first.
    public static func < (left: AuditTime, right: AuditTime) -> Bool { left.microseconds < right.microseconds }

    static let textLength = 27

    /// The same point of time as the rest of the house has it.
    var wallTime: WallTime {
        let second = microseconds >= 0 ? microseconds / 1_000_000 : -((-microseconds + 999_999) / 1_000_000)
        return WallTime(seconds: second, nanoseconds: Int32((microseconds - second * 1_000_000) * 1000))
    }

    func append(to out: inout [UInt8]) { RFC3339.append(wallTime, digits: 6, to: &out) }
}
