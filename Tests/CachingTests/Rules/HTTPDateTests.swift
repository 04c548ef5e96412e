// The three forms of dates (RFC 9110, 5.6.7).

import TestSupport
import Testing

@testable import Caching

@Suite("Dates in header fields")
struct HTTPDateTests {
    @Test("the three forms of dates, and nothing else, are read as the seconds that they are")
    func table() {
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

    @Test("each day of four centuries follows the one before")
    func everyDay() {
        let names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        // Found by asking for all days that a month could have: those it has not are nil.
        var previous = HTTPDate.seconds("Fri, 31 Dec 1897 00:00:00 GMT")
        var days = 0
        for year in 1898..<2298 {
            for month in names {
                for day in 1...31 {
                    let text = "Mon, \(day < 10 ? "0" : "")\(day) \(month) \(year) 00:00:00 GMT"
                    guard let seconds = HTTPDate.seconds(text) else { continue }
                    if seconds - (previous ?? 0) != 86_400 { Issue.record("\(text)") }
                    previous = seconds
                    days += 1
                }
            }
        }
        #expect(days == 146_097)
    }
}
