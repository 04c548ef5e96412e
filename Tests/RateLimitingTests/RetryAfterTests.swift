// What upstream's answers say about a wait, and which limit they name.

import Ground
import TestSupport
import Testing

@testable import RateLimiting

@Suite("Retry-After")
struct RetryAfterTests {
    /// 2026-11-22 10:00:00 UTC.
    private static let now: Int64 = 1_795_341_600

    @Test(
        "seconds from one to a day are believed, everything else counts as missing",
        arguments: [
            ("1", 1), ("30", 30), (" 5\t", 5), ("007", 7), ("86400", 86_400), (nil, nil), ("", nil), ("  \t", nil),
            ("0", nil), ("-5", nil), ("+5", nil), ("86401", nil), ("99999999999999999999999999", nil),
            ("5s", nil), ("soon", nil), ("١", nil), ("0x10", nil), ("1e3", nil), (",", nil), (" , ,", nil),
            ("1.5", 2), ("59.000", 59), ("59.0001", 60), ("0.2", 1), ("0.0", nil), ("86400.1", nil), ("5.", nil),
            (".5", nil), ("1.2.3", nil), ("1.-2", nil),
        ] as [(String?, Int?)])
    func seconds(value: String?, expected: Int?) {
        let expected = expected.map { RetryAfter.told(.seconds($0)) } ?? .unusable
        #expect(RetryAfter(value.map { [$0] } ?? [], wallSeconds: Self.now) == expected)
    }

    @Test(
        "of several values, or of a list, the longest that can be believed counts",
        arguments: [
            (["5", "10"], 10), (["10", "5"], 10), (["5, 10"], 10), (["10 ,5,"], 10), ([",5", "", "7.1"], 8),
            (["5", "86401"], 5), (["soon, 5"], 5), (["0, -1"], nil), (["", "  "], nil),
            (["Sun, 22 Nov 2026 10:00:30 GMT, 5"], 30), (["45, Sun, 22 Nov 2026 10:00:30 GMT"], 45),
            (["5", "Sunday, 22-Nov-26 10:00:30 GMT,Sun Nov 22 10:00:50 2026"], 50),
            (["Sun, 5"], nil), (["Sun"], nil), (["5, Sun"], 5), (["5, Sun, 22 Nov 2026"], 5),
        ] as [([String], Int?)])
    func several(values: [String], expected: Int?) {
        let expected = expected.map { RetryAfter.told(.seconds($0)) } ?? .unusable
        #expect(RetryAfter(values, wallSeconds: Self.now) == expected)
    }

    @Test("an older field counts only where the newer one is missing, blank or not to be believed")
    func older() {
        for missing in [[], [""], [" ", ","], ["soon"], ["0"], ["86401"]] {
            #expect(RetryAfter(missing, older: ["100"], wallSeconds: Self.now) == .told(.seconds(100)), "\(missing)")
        }
        #expect(RetryAfter(["5"], older: ["100"], wallSeconds: Self.now) == .told(.seconds(5)))
        #expect(!RetryAfter.isTold(["", " \t"]) && !RetryAfter.isTold([]) && RetryAfter.isTold(["", "0"]))
    }

    @Test(
        "a date counts from the answer's own Date, whatever our clock says",
        arguments: [
            ("Sun, 22 Nov 2026 10:00:30 GMT", "Sun, 22 Nov 2026 10:00:00 GMT", 30),
            ("Sun, 22 Nov 2026 10:00:30 GMT", "Sun, 22 Nov 2026 09:59:00 GMT", 90),
            ("Sunday, 22-Nov-26 10:00:30 GMT", "Sun, 22 Nov 2026 10:00:10 GMT", 20),
            ("Sun Nov 22 10:00:30 2026", "Sunday, 22-Nov-26 10:00:00 GMT", 30),
            ("Mon Nov  2 10:00:30 2026", "Mon, 02 Nov 2026 10:00:00 GMT", 30),
            ("Thu, 31 Dec 2026 23:59:60 GMT", "Thu, 31 Dec 2026 23:59:00 GMT", 60),
            ("Fri, 01 Jan 2027 00:00:05 GMT", "Thu, 31 Dec 2026 23:59:55 GMT", 10),
            ("Tue, 29 Feb 2028 00:00:05 GMT", "Mon, 28 Feb 2028 23:59:55 GMT", 10),
            // Without a Date that can be read, our own clock has to do.
            ("Sun, 22 Nov 2026 10:00:30 GMT", nil, 30),
            ("Sun, 22 Nov 2026 10:00:30 GMT", "yesterday", 30),
            // Past, now, more than a day ahead.
            ("Sun, 22 Nov 2026 10:00:00 GMT", "Sun, 22 Nov 2026 10:00:01 GMT", nil),
            ("Sun, 22 Nov 2026 10:00:00 GMT", "Sun, 22 Nov 2026 10:00:00 GMT", nil),
            ("Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 22 Nov 2026 10:00:00 GMT", nil),
            ("Mon, 23 Nov 2026 10:00:01 GMT", "Sun, 22 Nov 2026 10:00:00 GMT", nil),
            // No dates.
            ("Sun, 22 Nov 2026 10:00:30", nil, nil), ("Sun, 31 Feb 2027 10:00:30 GMT", nil, nil),
            ("Sun, 22 Nov 2026 24:00:30 GMT", nil, nil), ("2026-11-22T10:00:30Z", nil, nil),
            ("Sun, 22 Nov 2026 10:00:30 CET", nil, nil), ("Son, 22 Nov 2026 10:00:30 GMT", nil, nil),
            ("Sun, 22 Nov 2026 10:0a:30 GMT", nil, nil), ("Sun, 00 Nov 2026 10:00:30 GMT", nil, nil),
        ] as [(String, String?, Int?)])
    func dates(value: String, date: String?, expected: Int?) {
        let expected = expected.map { RetryAfter.told(.seconds($0)) } ?? .unusable
        #expect(RetryAfter([value], date: date, wallSeconds: Self.now) == expected)
    }

    @Test("the cause is the widest that is named, and the application alone is only a name")
    func causes() {
        #expect(LimitCause(tier: nil, api: nil, operation: nil, application: nil) == .unknown)
        #expect(LimitCause(tier: "Community", api: nil, operation: nil, application: "cid") == .tier)
        #expect(LimitCause(tier: nil, api: nil, operation: "run", application: "cid") == .operation)
        #expect(LimitCause(tier: nil, api: "clash", operation: "run", application: "cid") == .api)
        #expect(LimitCause(tier: "Community", api: "clash", operation: "run", application: nil) == .tier)
        #expect(LimitCause(tier: nil, api: nil, operation: nil, application: "cid") == .application)
        #expect(LimitCause(tier: " ", api: "", operation: "run", application: nil) == .operation)
    }
}
