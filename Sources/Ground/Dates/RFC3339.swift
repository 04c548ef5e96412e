// RFC 3339 section 5.6 `date-time`: written in UTC with a fixed number of digits, so that stamps sort as text; read
// strictly, because what a person types as a time must never be half understood.

/// Dates as logs write them.
package enum RFC3339 {
    /// Appends `2026-11-22T07:41:03.004Z`, with `digits` (1 to 9) of the second's fraction; what is finer is cut off.
    /// Outside the years 0000 to 9999 the date stands still.
    package static func append(_ time: WallTime, digits: Int, to out: inout [UInt8]) {
        appendSecond(time.seconds, to: &out)
        out.append(0x2E)
        var fraction = Int(time.nanoseconds)
        for _ in digits..<9 { fraction /= 10 }
        out.append(fraction, digits: digits)
        out.append(0x5A)
    }

    /// The text of `append(_:digits:to:)`.
    package static func text(_ time: WallTime, digits: Int) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(21 + digits)
        append(time, digits: digits, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// `2026-11-22T07:41:03Z`: of what is told to the second.
    package static func text(_ unixSeconds: Int64) -> String {
        var bytes: [UInt8] = []
        appendSecond(unixSeconds, to: &bytes)
        bytes.append(0x5A)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Appends `2026-11-22T07:41:03`: the stem, for those who write the fraction themselves.
    package static func appendSecond(_ unixSeconds: Int64, to out: inout [UInt8]) {
        let time = CivilTime(unixSeconds: unixSeconds)
        out.append(time.date.year, digits: 4)
        out.append(0x2D)
        out.append(time.date.month, digits: 2)
        out.append(0x2D)
        out.append(time.date.day, digits: 2)
        out.append(0x54)
        out.append(time.secondOfDay / 3600, digits: 2)
        out.append(0x3A)
        out.append(time.secondOfDay / 60 % 60, digits: 2)
        out.append(0x3A)
        out.append(time.secondOfDay % 60, digits: 2)
    }

    /// The time that a text says, with any offset and up to nine digits of a fraction; nil if it says none. A leap
    /// second counts as the second after it.
    package static func time(_ text: String) -> WallTime? {
        var parser = DateTimeParser(Array(text.utf8))
        return parser.parse()
    }
}

private struct DateTimeParser {
    private let bytes: [UInt8]
    private var index = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    mutating func parse() -> WallTime? {
        guard let day = parseDate(), take(0x54, or: 0x74), let second = parseClock(),
            let nanoseconds = parseFraction(), let offset = parseOffset(), index == bytes.count
        else { return nil }
        return WallTime(seconds: Int64(day * 86_400 + second - offset), nanoseconds: Int32(nanoseconds))
    }

    private mutating func parseDate() -> Int? {
        guard let year = number(digits: 4), take(0x2D), let month = number(digits: 2), take(0x2D),
            let day = number(digits: 2)
        else { return nil }
        return CivilDate(year: year, month: month, day: day)?.daysSinceEpoch
    }

    private mutating func parseClock() -> Int? {
        guard let hour = number(digits: 2), hour < 24, take(0x3A), let minute = number(digits: 2), minute < 60,
            take(0x3A), let second = number(digits: 2), second <= 60
        else { return nil }
        return hour * 3600 + minute * 60 + second
    }

    private mutating func parseFraction() -> Int? {
        guard take(0x2E) else { return 0 }
        var value = 0
        var digits = 0
        while digits < 9, let digit = number(digits: 1) {
            value = value * 10 + digit
            digits += 1
        }
        guard digits > 0 else { return nil }
        for _ in digits..<9 { value *= 10 }
        return value
    }

    private mutating func parseOffset() -> Int? {
        if take(0x5A, or: 0x7A) { return 0 }
        let isNegative = take(0x2D)
        guard isNegative || take(0x2B), let hours = number(digits: 2), hours < 24, take(0x3A),
            let minutes = number(digits: 2), minutes < 60
        else { return nil }
        let seconds = hours * 3600 + minutes * 60
        return isNegative ? -seconds : seconds
    }

    private mutating func take(_ byte: UInt8, or other: UInt8? = nil) -> Bool {
        guard index < bytes.count, bytes[index] == byte || bytes[index] == other else { return false }
        index += 1
        return true
    }

    private mutating func number(digits: Int) -> Int? {
        guard let value = bytes.span.number(digits: digits, at: index) else { return nil }
        index += digits
        return value
    }
}
