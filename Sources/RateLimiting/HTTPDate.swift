// HTTP-date in its three forms (RFC 9110 section 5.6.7) as seconds since 1970. Names are taken in any case, as RFC 9111
// section 4.2 has it for caches, and nothing else is: one space where there is one, two digits where there are two, GMT.

enum HTTPDate {
    /// Nil for anything else. `wallSeconds` settles the century of a two-digit year. The name of a day must be one, but is
    /// not compared with the date.
    static func parse(_ text: Substring.UTF8View, wallSeconds: Int64) -> Int64? {
        let text = String(Substring(text)).lowercased()
        if text.utf8.contains(where: { $0 >= 0x80 }) { return nil }
        let words = text.split(separator: " ", omittingEmptySubsequences: false)
        return switch words.count {
        case 6 where words[0].hasSuffix(","): fixed(words)
        case 6: asctime(words, day: words[2].isEmpty ? number(words[3], digits: 1) : nil)
        case 5: asctime(words, day: number(words[2], digits: 2))
        case 4: rfc850(words, wallSeconds: wallSeconds)
        default: nil
        }
    }

    private static let months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
    private static let days = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
    private static let longDays = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"]

    /// `Sun, 06 Nov 1994 08:49:37 GMT`
    private static func fixed(_ words: [Substring]) -> Int64? {
        guard days.contains(String(words[0].dropLast())), words[5] == "gmt", let day = number(words[1], digits: 2),
            let month = month(words[2]), let year = number(words[3], digits: 4), let time = time(words[4])
        else { return nil }
        return seconds(year, month, day, time)
    }

    /// `Sunday, 06-Nov-94 08:49:37 GMT`
    private static func rfc850(_ words: [Substring], wallSeconds: Int64) -> Int64? {
        let date = words[1].split(separator: "-", omittingEmptySubsequences: false)
        guard words[0].last == ",", longDays.contains(String(words[0].dropLast())), words[3] == "gmt", date.count == 3,
            let day = number(date[0], digits: 2), let month = month(date[1]), let short = number(date[2], digits: 2),
            let time = time(words[2])
        else { return nil }
        // More than fifty years ahead is the most recent year in the past that ends so.
        let thisYear = 1970 + wallSeconds / 31_556_952
        var year = thisYear - thisYear % 100 + short
        if year > thisYear + 50 { year -= 100 } else if year < thisYear - 49 { year += 100 }
        return seconds(year, month, day, time)
    }

    /// `Sun Nov  6 08:49:37 1994`
    private static func asctime(_ words: [Substring], day: Int64?) -> Int64? {
        guard days.contains(String(words[0])), let day, let month = month(words[1]),
            let time = time(words[words.count - 2]), let year = number(words[words.count - 1], digits: 4)
        else { return nil }
        return seconds(year, month, day, time)
    }

    private static func month(_ name: Substring) -> Int64? {
        months.firstIndex(of: String(name)).map { Int64($0) + 1 }
    }

    private static func number(_ text: Substring, digits: Int) -> Int64? {
        guard text.utf8.count == digits, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return Int64(text)
    }

    private static func time(_ text: Substring) -> Int64? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 3, let hour = number(parts[0], digits: 2), let minute = number(parts[1], digits: 2),
            let second = number(parts[2], digits: 2), hour < 24, minute < 60, second <= 60
        else { return nil }
        return hour * 3600 + minute * 60 + second
    }

    private static func seconds(_ year: Int64, _ month: Int64, _ day: Int64, _ time: Int64) -> Int64? {
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        let lengths: [Int64] = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        guard (1...lengths[Int(month - 1)]).contains(day) else { return nil }
        // Days since 1 March of the year 400 before year 0, with years that begin in March: a leap day is a year's last.
        let marchYear = (month > 2 ? year : year - 1) + 400
        let marchMonth = (month + 9) % 12
        let leapDays = marchYear / 4 - marchYear / 100 + marchYear / 400
        let epoch = marchYear * 365 + leapDays + (marchMonth * 153 + 2) / 5 + day - 1 - 719_468 - 146_097
        return epoch * 86_400 + time
    }
}
