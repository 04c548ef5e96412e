// The calendar: days since 1970 and dates, either way.

/// A day of the proleptic Gregorian calendar, computed in eras of 400 years that begin on the first of March, so that
/// the leap day is a year's last.
package struct CivilDate: Equatable, Sendable {
    /// Any, the one before year 1 being 0.
    package let year: Int
    /// 1 to 12.
    package let month: Int
    /// From 1.
    package let day: Int

    /// Nil for a day that no calendar has, such as the 30th of February.
    package init?(year: Int, month: Int, day: Int) {
        let date = CivilDate(unchecked: (year, month, day))
        // Such a day comes back as another one.
        guard (1...12).contains(month), CivilDate(daysSinceEpoch: date.daysSinceEpoch) == date else { return nil }
        self = date
    }

    private init(unchecked date: (year: Int, month: Int, day: Int)) {
        (year, month, day) = date
    }

    /// The day that is so many days after 1970-01-01.
    package init(daysSinceEpoch: Int) {
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

    /// Days since 1970-01-01; negative before.
    package var daysSinceEpoch: Int {
        let shiftedYear = month <= 2 ? year - 1 : year
        let era = (shiftedYear >= 0 ? shiftedYear : shiftedYear - 399) / 400
        let yearOfEra = shiftedYear - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }
}

/// A date and a time of day in UTC, to the second, of the years 0000 to 9999: what dates as text can say.
package struct CivilTime: Equatable, Sendable {
    /// Its day.
    package let date: CivilDate
    /// 0 to 86,399.
    package let secondOfDay: Int
    /// 0 is Sunday.
    package let weekday: Int

    private static let range: ClosedRange<Int64> = -62_167_219_200...253_402_300_799

    /// What a clock shows so many seconds after 1970-01-01T00:00:00Z. Outside the years 0000 to 9999 it stands still.
    package init(unixSeconds: Int64) {
        let seconds = Int(min(max(unixSeconds, Self.range.lowerBound), Self.range.upperBound))
        let day = seconds >= 0 ? seconds / 86_400 : -((-seconds + 86_399) / 86_400)
        date = CivilDate(daysSinceEpoch: day)
        secondOfDay = seconds - day * 86_400
        // 1970 began on a Thursday.
        weekday = (day % 7 + 11) % 7
    }
}
