// Reads dates of HTTP without Foundation. Writing them is not this module's business.

/// HTTP-date in its three forms (RFC 9110, 5.6.7).
public enum HTTPDate {
    /// Unix seconds of `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT` or `Sun Nov  6 08:49:37 1994`;
    /// nil for everything else, other zones included.
    ///
    /// The day's name must be one but is not compared with the date. A leap second counts as the second after it.
    /// A two-digit year is the one that is at most fifty years after `now`; without a clock, one of 1970 to 2069, which can
    /// only make an answer look older.
    public static func seconds(_ text: String, now: Int64? = nil) -> Int64? {
        var text = text
        return text.withUTF8 { seconds($0.span, now: now) }
    }

    static func seconds(_ bytes: Span<UInt8>, now: Int64? = nil) -> Int64? {
        let range = bytes.trimmed(0..<bytes.count)
        let latestYear = now.map { Int(1970 + $0 / 31_556_952) + 50 } ?? 2069
        var scan = DateScan(index: range.lowerBound, end: range.upperBound, latestYear: latestYear)
        guard let civil = scan.date(bytes), scan.index == scan.end else { return nil }
        return civil.unixSeconds
    }
}

/// A date and a time of day in UTC, as read.
private struct CivilDate {
    var year: Int
    var month: Int
    var day: Int
    var secondOfDay: Int

    private static let monthLengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

    /// nil for days that no month has.
    var unixSeconds: Int64? {
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        let length = month == 2 && isLeap ? 29 : Self.monthLengths[month - 1]
        guard 1...length ~= day else { return nil }
        return Int64(daysSince1970) * 86_400 + Int64(secondOfDay)
    }

    /// Years begin in March here, so that the leap day is their last.
    private var daysSince1970: Int {
        let marchYear = month > 2 ? year : year - 1
        let era = (marchYear >= 0 ? marchYear : marchYear - 399) / 400
        let yearOfEra = marchYear - era * 400
        let dayOfYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }
}

private struct DateScan {
    var index: Int
    let end: Int
    /// Of those that are written with two digits.
    let latestYear: Int

    private static let shortDays = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
    private static let longDays = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"]
    private static let months = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ]

    mutating func date(_ bytes: Span<UInt8>) -> CivilDate? {
        let start = index
        while index < end, FieldSyntax.folded(bytes[index]) &- 0x61 < 26 { index += 1 }
        let name = start..<index
        if Self.longDays.contains(where: { bytes.spells($0, in: name) }) { return obsoleteDate(bytes) }
        guard Self.shortDays.contains(where: { bytes.spells($0, in: name) }) else { return nil }
        return index < end && bytes[index] == FieldSyntax.comma ? fixedDate(bytes) : asctimeDate(bytes)
    }

    /// `, 06 Nov 1994 08:49:37 GMT`
    private mutating func fixedDate(_ bytes: Span<UInt8>) -> CivilDate? {
        guard skip(", ", bytes), let day = number(2, bytes), skip(" ", bytes), let month = month(bytes),
            skip(" ", bytes), let year = number(4, bytes), skip(" ", bytes), let time = time(bytes),
            skip(" gmt", bytes)
        else { return nil }
        return CivilDate(year: year, month: month, day: day, secondOfDay: time)
    }

    /// `, 06-Nov-94 08:49:37 GMT`
    private mutating func obsoleteDate(_ bytes: Span<UInt8>) -> CivilDate? {
        guard skip(", ", bytes), let day = number(2, bytes), skip("-", bytes), let month = month(bytes),
            skip("-", bytes), let year = number(2, bytes), skip(" ", bytes), let time = time(bytes),
            skip(" gmt", bytes)
        else { return nil }
        let sinceLatest = ((latestYear - year) % 100 + 100) % 100
        return CivilDate(year: latestYear - sinceLatest, month: month, day: day, secondOfDay: time)
    }

    /// ` Nov  6 08:49:37 1994`
    private mutating func asctimeDate(_ bytes: Span<UInt8>) -> CivilDate? {
        guard skip(" ", bytes), let month = month(bytes), skip(" ", bytes),
            let day = skip(" ", bytes) ? number(1, bytes) : number(2, bytes), skip(" ", bytes),
            let time = time(bytes), skip(" ", bytes), let year = number(4, bytes)
        else { return nil }
        return CivilDate(year: year, month: month, day: day, secondOfDay: time)
    }

    private mutating func month(_ bytes: Span<UInt8>) -> Int? {
        guard end - index >= 3 else { return nil }
        let name = index..<index + 3
        guard let found = Self.months.firstIndex(where: { bytes.spells($0, in: name) }) else { return nil }
        index += 3
        return found + 1
    }

    /// `08:49:37` as seconds of the day.
    private mutating func time(_ bytes: Span<UInt8>) -> Int? {
        guard let hour = number(2, bytes), hour < 24, skip(":", bytes), let minute = number(2, bytes), minute < 60,
            skip(":", bytes), let second = number(2, bytes), second <= 60
        else { return nil }
        return hour * 3_600 + minute * 60 + second
    }

    private mutating func number(_ digits: Int, _ bytes: Span<UInt8>) -> Int? {
        guard end - index >= digits, let value = DeltaSeconds.parse(bytes, in: index..<index + digits) else {
            return nil
        }
        index += digits
        return Int(value)
    }

    /// Passes over exactly these characters.
    private mutating func skip(_ text: String, _ bytes: Span<UInt8>) -> Bool {
        let length = text.utf8.count
        guard end - index >= length, bytes.spells(text, in: index..<index + length) else { return false }
        index += length
        return true
    }
}
