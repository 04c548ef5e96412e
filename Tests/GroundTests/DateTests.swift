// The calendar, dates of HTTP and RFC 3339.

import Ground
import TestSupport
import Testing

@Suite("Dates")
struct DateTests {
    @Test("each day of four centuries follows the one before, in number, date and weekday")
    func everyDay() throws {
        // From Friday, 31 December 1897.
        let first = try #require(CivilDate(year: 1897, month: 12, day: 31)).daysSinceEpoch
        #expect(first == -26_298)
        for day in first..<first + 146_097 {
            let date = CivilDate(daysSinceEpoch: day)
            let next = CivilDate(daysSinceEpoch: day + 1)
            let isSuccessor =
                next == CivilDate(year: date.year, month: date.month, day: date.day + 1)
                || next.day == 1
                    && (next.month == date.month + 1 && next.year == date.year
                        || next.month == 1 && date.month == 12 && next.year == date.year + 1)
            guard isSuccessor, date.daysSinceEpoch == day,
                CivilTime(unixSeconds: Int64(day) * 86_400).weekday == (5 + day - first) % 7
            else {
                Issue.record("\(date)")
                break
            }
        }
        #expect(CivilDate(daysSinceEpoch: first + 146_097) == CivilDate(year: 2297, month: 12, day: 31))
    }

    @Test(
        "days that no month has are none",
        arguments: [
            (2023, 2, 29), (2100, 2, 29), (2024, 2, 30), (2024, 4, 31), (2024, 1, 0), (2024, 0, 1), (2024, 13, 1),
        ])
    func noDay(year: Int, month: Int, day: Int) {
        #expect(CivilDate(year: year, month: month, day: day) == nil)
    }

    // MARK: HTTP

    @Test("the three forms of dates, and nothing else, are read as the seconds that they are")
    func httpDates() {
        for (text, seconds) in HTTPDates.valid {
            #expect(HTTPDate.seconds(text, now: HTTPDates.now) == seconds, "\(text)")
        }
        for text in HTTPDates.invalid { #expect(HTTPDate.seconds(text, now: HTTPDates.now) == nil, "\(text)") }
    }

    @Test("blanks around a date count nothing, and without a clock two digits are 1970 to 2069")
    func leniency() {
        #expect(HTTPDate.seconds(" Sun, 06 Nov 1994 08:49:37 GMT\t") == 784_111_777)
        #expect(HTTPDate.seconds("Thursday, 01-Jan-70 00:00:00 GMT") == 0)
        #expect(HTTPDate.seconds("Tuesday, 01-Jan-69 00:00:00 GMT") == 3_124_224_000)
    }

    @Test(
        "dates are written right across eras, leap days and ends of years",
        arguments: [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"), (1_078_012_799, "Sat, 28 Feb 2004 23:59:59 GMT"),
            (1_709_164_800, "Thu, 29 Feb 2024 00:00:00 GMT"), (1_798_761_599, "Thu, 31 Dec 2026 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"), (-1, "Wed, 31 Dec 1969 23:59:59 GMT"),
            (-86_400 * 365, "Wed, 01 Jan 1969 00:00:00 GMT"), (-62_167_219_200, "Sat, 01 Jan 0000 00:00:00 GMT"),
            (.max, "Fri, 31 Dec 9999 23:59:59 GMT"), (.min, "Sat, 01 Jan 0000 00:00:00 GMT"),
        ] as [(Int64, String)])
    func httpText(seconds: Int64, text: String) {
        #expect(HTTPDate.text(seconds) == text)
    }

    @Test("what is written is read back")
    func httpRoundTrip() {
        var random = SeededGenerator(seed: 11)
        for _ in 0..<2000 {
            let seconds = Int64.random(in: -62_167_219_200...253_402_300_799, using: &random)
            #expect(HTTPDate.seconds(HTTPDate.text(seconds)) == seconds)
        }
    }

    // MARK: RFC 3339

    @Test(
        "times are read as RFC 3339 says",
        arguments: [
            ("1970-01-01T00:00:00Z", 0, 0), ("2026-11-22T07:41:03.004211Z", 1_795_333_263, 4_211_000),
            ("2026-11-22T09:41:03.004211999+02:00", 1_795_333_263, 4_211_999),
            ("2026-11-22T05:11:03-02:30", 1_795_333_263, 0), ("2024-02-29t23:59:60z", 1_709_251_200, 0),
            ("1969-12-31T23:59:59.5Z", -1, 500_000_000),
        ] as [(String, Int64, Int32)])
    func times(text: String, seconds: Int64, nanoseconds: Int32) {
        #expect(RFC3339.time(text) == WallTime(seconds: seconds, nanoseconds: nanoseconds))
    }

    @Test(
        "what is no time is refused",
        arguments: [
            "", "2026-11-22", "2026-02-30T00:00:00Z", "2026-13-01T00:00:00Z", "2026-11-22T24:00:00Z",
            "2026-11-22T07:41:03", "2026-11-22 07:41:03Z", "2026-11-22T07:41:03.Z", "2h", "2026-11-22T07:41:03Zx",
            "2026-11-22T07:60:03Z", "2026-11-22T07:41:61Z", "2026-11-22T07:41:03+24:00", "2026-11-22T07:41:03+02:60",
            "2026-11-22T07:41:03+0200", "2026-11-22T07:41:03.0123456789Z", "-026-11-22T07:41:03Z",
        ])
    func noTime(text: String) {
        #expect(RFC3339.time(text) == nil)
    }

    @Test("a time is written with as many digits as wanted, cut off and not rounded")
    func digits() {
        let time = WallTime(seconds: 1_769_903_999, nanoseconds: 987_654_321)
        #expect(RFC3339.text(time.seconds) == "2026-01-31T23:59:59Z")
        #expect(RFC3339.text(time, digits: 1) == "2026-01-31T23:59:59.9Z")
        #expect(RFC3339.text(time, digits: 3) == "2026-01-31T23:59:59.987Z")
        #expect(RFC3339.text(time, digits: 6) == "2026-01-31T23:59:59.987654Z")
        #expect(RFC3339.text(time, digits: 9) == "2026-01-31T23:59:59.987654321Z")
        #expect(RFC3339.text(WallTime(seconds: 0, nanoseconds: 1_000_000), digits: 3) == "1970-01-01T00:00:00.001Z")
        #expect(RFC3339.text(WallTime(seconds: .max), digits: 3) == "9999-12-31T23:59:59.000Z")
    }

    @Test("a time is written so that it reads back the same, in any year, and sorts as text")
    func roundTrip() {
        var random = SeededGenerator(seed: 7)
        var earlier = WallTime(seconds: 0)
        for _ in 0..<2000 {
            let time = WallTime(
                seconds: Int64.random(in: -62_167_219_200...253_402_300_799, using: &random),
                nanoseconds: Int32.random(in: 0..<1_000_000_000, using: &random))
            let text = RFC3339.text(time, digits: 9)
            #expect(RFC3339.time(text) == time)
            #expect((text < RFC3339.text(earlier, digits: 9)) == (time < earlier))
            earlier = time
        }
    }
}
