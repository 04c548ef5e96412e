// Dates as text, without Foundation: IMF-fixdate for HTTP, RFC 3339 for log lines.

/// A civil date and time in UTC (proleptic Gregorian).
struct CivilTime {
    var year: Int
    var month: Int
    var day: Int
    var hour: Int
    var minute: Int
    var second: Int
    /// 0 = Sunday.
    var weekday: Int

    /// Splits seconds since 1970 into a civil date (days-from-civil algorithm run backwards).
    init(unixSeconds: Int64) {
        let days = Int(unixSeconds >= 0 ? unixSeconds / 86_400 : (unixSeconds - 86_399) / 86_400)
        let rest = Int(unixSeconds) - days * 86_400
        hour = rest / 3_600
        minute = rest % 3_600 / 60
        second = rest % 60
        weekday = ((days % 7) + 11) % 7
        let shifted = days + 719_468  // days since 0000-03-01
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
        month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    private static let weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7).
    var httpDate: String {
        "\(Self.weekdays[weekday]), \(day.padded(2)) \(Self.months[month - 1]) \(year.padded(4)) "
            + "\(hour.padded(2)):\(minute.padded(2)):\(second.padded(2)) GMT"
    }

    /// `1994-11-06T08:49:37` without fraction and zone.
    var rfc3339Stem: String {
        "\(year.padded(4))-\(month.padded(2))-\(day.padded(2))T\(hour.padded(2)):\(minute.padded(2)):\(second.padded(2))"
    }
}

extension WallTime {
    /// RFC 3339 in UTC with milliseconds: `2026-01-31T23:59:59.123Z`.
    var rfc3339Milliseconds: String {
        CivilTime(unixSeconds: seconds).rfc3339Stem + "." + (Int(nanoseconds) / 1_000_000).padded(3) + "Z"
    }
}

extension Int {
    /// Decimal text with leading zeros up to `width` digits. For non-negative numbers.
    func padded(_ width: Int) -> String {
        let digits = String(self)
        return digits.utf8.count >= width ? digits : String(repeating: "0", count: width - digits.utf8.count) + digits
    }
}
