// The three date forms of HTTP (RFC 9110, section 5.6.7): IMF-fixdate, RFC 850 and asctime, as seconds since 1970.

enum HTTPDate {
    private static let months: [String] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
    private static let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let longDays = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]

    /// Nil for anything else. `wallSeconds` settles the century of a two-digit year. Names of days are not checked
    /// against the date.
    static func parse(_ text: Substring.UTF8View, wallSeconds: Int64) -> Int64? {
        let words = Substring(text).split(separator: " ", omittingEmptySubsequences: true)
        switch words.count {
        case 6: return fixed(words)
        case 5: return asctime(words)
        case 4: return rfc850(words, wallSeconds: wallSeconds)
        default: return nil
        }
    }

    /// `Sun, 06 Nov 1994 08:49:37 GMT`
    private static func fixed(_ words: [Substring]) -> Int64? {
        guard words[0].last == ",", days.contains(String(words[0].dropLast())), isUTC(words[5]),
            let day = number(words[1], digits: 2...2), let month = month(words[2]),
            let year = number(words[3], digits: 4...4), let time = time(words[4])
        else { return nil }
        return seconds(year, month, day, time)
    }

    /// `Sunday, 06-Nov-94 08:49:37 GMT`
    private static func rfc850(_ words: [Substring], wallSeconds: Int64) -> Int64? {
        let date = words[1].split(separator: "-", omittingEmptySubsequences: false)
        guard words[0].last == ",", longDays.contains(String(words[0].dropLast())), isUTC(words[3]), date.count == 3,
            let day = number(date[0], digits: 2...2), let month = month(date[1]),
            let short = number(date[2], digits: 2...2), let time = time(words[2])
        else { return nil }
        // More than fifty years ahead is the most recent year in the past that ends so.
        let thisYear = 1970 + wallSeconds / 31_556_952
        var year = thisYear - thisYear % 100 + short
        if year > thisYear + 50 { year -= 100 } else if year < thisYear - 49 { year += 100 }
        return seconds(year, month, day, time)
    }

    /// `Sun Nov  6 08:49:37 1994`
    private static func asctime(_ words: [Substring]) -> Int64? {
        guard days.contains(String(words[0])), let month = month(words[1]), let day = number(words[2], digits: 1...2),
            let time = time(words[3]), let year = number(words[4], digits: 4...4)
        else { return nil }
        return seconds(year, month, day, time)
    }

    private static func isUTC(_ zone: Substring) -> Bool { zone == "GMT" || zone == "UTC" }

    private static func month(_ name: Substring) -> Int64? {
        months.firstIndex(of: String(name)).map { Int64($0) + 1 }
    }

    private static func number(_ text: Substring, digits: ClosedRange<Int>) -> Int64? {
        guard digits.contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return Int64(text)
    }

    private static func time(_ text: Substring) -> Int64? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 3, let hour = number(parts[0], digits: 2...2),
            let minute = number(parts[1], digits: 2...2),
            let second = number(parts[2], digits: 2...2), hour < 24, minute < 60, second <= 60
        else { return nil }
        return hour * 3600 + minute * 60 + second
    }

    private static func seconds(_ year: Int64, _ month: Int64, _ day: Int64, _ time: Int64) -> Int64? {
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        let lengths: [Int64] = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        guard year >= 1, (1...lengths[Int(month - 1)]).contains(day) else { return nil }
        // Days since 1970 with years that begin in March, so that a leap day is a year's last.
        let marchYear = month > 2 ? year : year - 1
        let marchMonth = (month + 9) % 12
        let leapDays = marchYear / 4 - marchYear / 100 + marchYear / 400
        let epoch = marchYear * 365 + leapDays + (marchMonth * 153 + 2) / 5 + day - 1 - 719_468
        return epoch * 86_400 + time
    }
}
