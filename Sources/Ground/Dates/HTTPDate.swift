// Dates of HTTP without Foundation (RFC 9110 section 5.6.7): three forms are read, one is written. Names are taken in any
// case, as RFC 9111 section 4.2 has it for caches, and nothing else is: one space where there is one, two digits where
// there are two, GMT.

/// HTTP-date.
package enum HTTPDate {
    /// Unix seconds of `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT` or `Sun Nov  6 08:49:37 1994`;
    /// nil for everything else, other zones included.
    ///
    /// The day's name must be one but is not compared with the date. A leap second counts as the second after it.
    /// A two-digit year is the one that is at most fifty years after `now`; without a clock, one of 1970 to 2069, which can
    /// only make an answer look older.
    package static func seconds(_ text: String, now: Int64? = nil) -> Int64? {
        var text = text
        return text.withUTF8 { seconds($0.span, now: now) }
    }

    /// The same of bytes; blanks around them count nothing.
    package static func seconds(_ bytes: Span<UInt8>, now: Int64? = nil) -> Int64? {
        let range = bytes.trimmed(0..<bytes.count)
        let latestYear = now.map { Int(1970 + $0 / 31_556_952) + 50 } ?? 2069
        var scan = DateScan(index: range.lowerBound, end: range.upperBound, latestYear: latestYear)
        guard let seconds = scan.date(bytes), scan.index == scan.end else { return nil }
        return seconds
    }

    /// `Sun, 06 Nov 1994 08:49:37 GMT`. Outside the years 0000 to 9999 the date stands still.
    package static func text(_ unixSeconds: Int64) -> String {
        let time = CivilTime(unixSeconds: unixSeconds)
        var out: [UInt8] = []
        out.reserveCapacity(29)
        out += days[time.weekday].utf8
        out.append(", ")
        out.append(time.date.day, digits: 2)
        out.append(0x20)
        out += months[time.date.month - 1].utf8
        out.append(0x20)
        out.append(time.date.year, digits: 4)
        out.append(0x20)
        out.append(time.secondOfDay / 3600, digits: 2)
        out.append(0x3A)
        out.append(time.secondOfDay / 60 % 60, digits: 2)
        out.append(0x3A)
        out.append(time.secondOfDay % 60, digits: 2)
        out.append(" GMT")
        return String(decoding: out, as: UTF8.self)
    }

    private static let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
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

    mutating func date(_ bytes: Span<UInt8>) -> Int64? {
        let start = index
        while index < end, ASCII.folded(bytes[index]) &- 0x61 < 26 { index += 1 }
        let name = start..<index
        if Self.longDays.contains(where: { bytes.spells($0, in: name) }) { return obsoleteDate(bytes) }
        guard Self.shortDays.contains(where: { bytes.spells($0, in: name) }) else { return nil }
        return index < end && bytes[index] == UInt8(ascii: ",") ? fixedDate(bytes) : asctimeDate(bytes)
    }

    /// `, 06 Nov 1994 08:49:37 GMT`
    private mutating func fixedDate(_ bytes: Span<UInt8>) -> Int64? {
        guard skip(", ", bytes), let day = number(2, bytes), skip(" ", bytes), let month = month(bytes),
            skip(" ", bytes), let year = number(4, bytes), skip(" ", bytes), let time = time(bytes),
            skip(" gmt", bytes)
        else { return nil }
        return Self.seconds(year, month, day, time)
    }

    /// `, 06-Nov-94 08:49:37 GMT`
    private mutating func obsoleteDate(_ bytes: Span<UInt8>) -> Int64? {
        guard skip(", ", bytes), let day = number(2, bytes), skip("-", bytes), let month = month(bytes),
            skip("-", bytes), let year = number(2, bytes), skip(" ", bytes), let time = time(bytes),
            skip(" gmt", bytes)
        else { return nil }
        let sinceLatest = ((latestYear - year) % 100 + 100) % 100
        return Self.seconds(latestYear - sinceLatest, month, day, time)
    }

    /// ` Nov  6 08:49:37 1994`
    private mutating func asctimeDate(_ bytes: Span<UInt8>) -> Int64? {
        guard skip(" ", bytes), let month = month(bytes), skip(" ", bytes),
            let day = skip(" ", bytes) ? number(1, bytes) : number(2, bytes), skip(" ", bytes),
            let time = time(bytes), skip(" ", bytes), let year = number(4, bytes)
        else { return nil }
        return Self.seconds(year, month, day, time)
    }

    private static func seconds(_ year: Int, _ month: Int, _ day: Int, _ time: Int) -> Int64? {
        CivilDate(year: year, month: month, day: day).map { Int64($0.daysSinceEpoch * 86_400 + time) }
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
        guard end - index >= digits, let value = bytes.number(digits: digits, at: index) else { return nil }
        index += digits
        return value
    }

    /// Passes over exactly these characters.
    private mutating func skip(_ text: String, _ bytes: Span<UInt8>) -> Bool {
        let length = text.utf8.count
        guard end - index >= length, bytes.spells(text, in: index..<index + length) else { return false }
        index += length
        return true
    }
}
