// RFC 3339 section 5.6 `date-time`, read strictly: what a person types as --since must never be half understood.

struct DateTimeParser {
    private let bytes: [UInt8]
    private var index = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// Microseconds since 1970-01-01T00:00:00Z; a leap second counts as the second after it.
    mutating func parse() -> Int64? {
        guard let day = parseDate(), take(0x54, or: 0x74), let second = parseClock(),
            let microseconds = parseFraction(), let offset = parseOffset(), index == bytes.count
        else { return nil }
        return (day * 86_400 + second - offset) * 1_000_000 + microseconds
    }

    private mutating func parseDate() -> Int64? {
        guard let year = number(digits: 4), take(0x2D), let month = number(digits: 2), take(0x2D),
            let day = number(digits: 2)
        else { return nil }
        let date = CivilDate(year: year, month: month, day: day)
        // A day that does not exist, such as the 30th of February, comes back as another one.
        guard (1...12).contains(month), CivilDate(daysSinceEpoch: date.daysSinceEpoch) == date else { return nil }
        return date.daysSinceEpoch
    }

    private mutating func parseClock() -> Int64? {
        guard let hour = number(digits: 2), hour < 24, take(0x3A), let minute = number(digits: 2), minute < 60,
            take(0x3A), let second = number(digits: 2), second <= 60
        else { return nil }
        return hour * 3600 + minute * 60 + second
    }

    private mutating func parseFraction() -> Int64? {
        guard take(0x2E) else { return 0 }
        var value: Int64 = 0
        var digits = 0
        while let digit = number(digits: 1) {
            if digits < 6 { value = value * 10 + digit }
            digits += 1
        }
        guard (1...9).contains(digits) else { return nil }
        for _ in min(digits, 6)..<6 { value *= 10 }
        return value
    }

    private mutating func parseOffset() -> Int64? {
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

    private mutating func number(digits: Int) -> Int64? {
        guard index + digits <= bytes.count else { return nil }
        var value: Int64 = 0
        for byte in bytes[index..<index + digits] {
            guard byte &- 0x30 < 10 else { return nil }
            value = value * 10 + Int64(byte - 0x30)
        }
        index += digits
        return value
    }
}
