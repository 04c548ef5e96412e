// Wall-clock time as the log writes it: RFC 3339, UTC, always six digits of a second, so that every stamp has the same
// length and sorts as text. Nothing here reads a clock.

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
        var parser = DateTimeParser(Array(text.utf8))
        guard let microseconds = parser.parse() else { return nil }
        self.microseconds = microseconds
    }

    /// As the log writes it: `2026-11-22T07:41:03.004211Z`.
    public var text: String {
        var bytes: [UInt8] = []
        append(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Earlier comes first.
    public static func < (left: AuditTime, right: AuditTime) -> Bool { left.microseconds < right.microseconds }

    static let textLength = 27

    func append(to out: inout [UInt8]) {
        let earliest: Int64 = -62_167_219_200
        let latest: Int64 = 253_402_300_799
        let second = Self.floorDivide(microseconds, 1_000_000)
        let fraction = microseconds - second * 1_000_000
        let clamped = min(max(second, earliest), latest)
        let day = Self.floorDivide(clamped, 86_400)
        let ofDay = clamped - day * 86_400
        let date = CivilDate(daysSinceEpoch: day)
        Self.append(date.year, digits: 4, to: &out)
        out.append(0x2D)
        Self.append(date.month, digits: 2, to: &out)
        out.append(0x2D)
        Self.append(date.day, digits: 2, to: &out)
        out.append(0x54)
        Self.append(ofDay / 3600, digits: 2, to: &out)
        out.append(0x3A)
        Self.append(ofDay / 60 % 60, digits: 2, to: &out)
        out.append(0x3A)
        Self.append(ofDay % 60, digits: 2, to: &out)
        out.append(0x2E)
        Self.append(fraction, digits: 6, to: &out)
        out.append(0x5A)
    }

    private static func append(_ number: Int64, digits: Int, to out: inout [UInt8]) {
        var divisor: Int64 = 1
        for _ in 1..<digits { divisor *= 10 }
        while divisor > 0 {
            out.append(0x30 + UInt8(number / divisor % 10))
            divisor /= 10
        }
    }

    private static func floorDivide(_ number: Int64, _ divisor: Int64) -> Int64 {
        number >= 0 ? number / divisor : -((-number + divisor - 1) / divisor)
    }
}

/// A day of the proleptic Gregorian calendar, computed in eras of 400 years that begin on the first of March.
struct CivilDate: Equatable {
    var year: Int64
    var month: Int64
    var day: Int64

    init(year: Int64, month: Int64, day: Int64) {
        self.year = year
        self.month = month
        self.day = day
    }

    init(daysSinceEpoch: Int64) {
        let shifted = daysSinceEpoch + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    var daysSinceEpoch: Int64 {
        let shiftedYear = month <= 2 ? year - 1 : year
        let era = (shiftedYear >= 0 ? shiftedYear : shiftedYear - 399) / 400
        let yearOfEra = shiftedYear - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }
}
