// Dates as the API writes them: ISO 8601 in bodies, IMF-fixdate (RFC 9110 section 5.6.7) in headers.
// Proleptic Gregorian arithmetic on days since 1970, so no calendar library is loaded.

/// Formatting of points in time given as durations since 1970-01-01T00:00:00Z.
enum Timestamps {
    /// `2026-11-22T06:50:03.120Z`
    static func iso8601(_ time: Duration) -> String {
        let parts = Civil(time)
        let date = "\(pad(parts.year, 4))-\(pad(parts.month, 2))-\(pad(parts.day, 2))"
        return "\(date)T\(parts.clock).\(pad(time.millisecondsOfSecond, 3))Z"
    }

    /// `2026-11-22 06:50:03Z`, as v1 puts it into run names.
    static func runName(_ time: Duration) -> String {
        let parts = Civil(time)
        return "\(pad(parts.year, 4))-\(pad(parts.month, 2))-\(pad(parts.day, 2)) \(parts.clock)Z"
    }

    /// `Sun, 22 Nov 2026 06:50:03 GMT`
    static func httpDate(_ time: Duration) -> String {
        let parts = Civil(time)
        let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][Int(parts.dayNumber % 7)]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let date = "\(pad(parts.day, 2)) \(months[Int(parts.month) - 1]) \(pad(parts.year, 4))"
        return "\(weekday), \(date) \(parts.clock) GMT"
    }

    private struct Civil {
        let dayNumber: Int64
        let year: Int64
        let month: Int64
        let day: Int64
        let clock: String

        /// Times before 1970 are shown as 1970.
        init(_ time: Duration) {
            let seconds = max(0, time.wholeSeconds)
            dayNumber = seconds / 86_400
            let inDay = seconds % 86_400
            clock = "\(pad(inDay / 3600, 2)):\(pad(inDay / 60 % 60, 2)):\(pad(inDay % 60, 2))"
            // Days are counted from 0000-03-01, so that the leap day ends a year of the 400-year era.
            let shifted = dayNumber + 719_468
            let era = shifted / 146_097
            let inEra = shifted % 146_097
            let yearOfEra = (inEra - inEra / 1460 + inEra / 36_524 - inEra / 146_096) / 365
            let inYear = inEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
            let marchMonth = (5 * inYear + 2) / 153
            day = inYear - (153 * marchMonth + 2) / 5 + 1
            month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
            year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        }
    }

    private static func pad(_ value: Int64, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
