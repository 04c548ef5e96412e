// The three forms of dates (RFC 9110, 5.6.7).

import Testing

@testable import Caching

@Suite("Dates in header fields")
struct HTTPDateTests {
    @Test(
        "the three forms mean the same",
        arguments: [
            "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
            " Sun, 06 Nov 1994 08:49:37 GMT\t", "sun, 06 nov 1994 08:49:37 gmt", "Mon, 06 Nov 1994 08:49:37 GMT",
        ])
    func forms(text: String) { #expect(HTTPDate.seconds(text) == 784_111_777) }

    @Test(
        "known instants",
        arguments: [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Wed, 31 Dec 1969 23:59:59 GMT", -1),
            ("Tue, 29 Feb 2000 00:00:00 GMT", 951_782_400),
            ("Wed, 01 Mar 2000 00:00:00 GMT", 951_868_800),
            ("Thu, 29 Feb 2024 12:00:00 GMT", 1_709_208_000),
            ("Tue, 19 Jan 2038 03:14:08 GMT", 2_147_483_648),
            ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799),
            ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_800),
            ("Thursday, 01-Jan-70 00:00:00 GMT", 0),
            ("Tuesday, 01-Jan-69 00:00:00 GMT", 3_124_224_000),
            ("Thu Dec 31 23:59:59 2026", 1_798_761_599),
        ] as [(String, Int64)])
    func instants(text: String, seconds: Int64) { #expect(HTTPDate.seconds(text) == seconds) }

    @Test(
        "what is no HTTP-date is none",
        arguments: [
            "", " ", "0", "-1", "784111777", "Sun", "Sun,", "Sun, ", "Sun, 06 Nov 1994", "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 Nov 1994 08:49:37 +0000", "Sun, 06 Nov 1994 08:49:37 GMT x",
            "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 94 08:49:37 GMT", "Sun,06 Nov 1994 08:49:37 GMT",
            "Sun, 31 Nov 1994 08:49:37 GMT", "Sun, 00 Nov 1994 08:49:37 GMT", "Mon, 29 Feb 2100 00:00:00 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT", "Sun, 06 Nov 1994 08:60:00 GMT", "Sun, 06 Nov 1994 08:49:61 GMT",
            "Son, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nop 1994 08:49:37 GMT", "Sun, -6 Nov 1994 08:49:37 GMT",
            "Sun Nov 6 08:49:37 1994", "Sun Nov  6 08:49:37 1994 GMT", "Sunday, 06-Nov-1994 08:49:37 GMT",
            "1994-11-06T08:49:37Z", "Sun, 06 Nov 1994 08:49:3", "Sünday, 06-Nov-94 08:49:37 GMT",
        ])
    func invalid(text: String) { #expect(HTTPDate.seconds(text) == nil) }

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
