// How old an answer is on arrival, and whether it may be served stale later (RFC 9111, 4.2.3 and 4.2.4; RFC 5861).

import HTTPTypes
import Testing

@testable import Caching

struct AgeRow: Sendable, CustomTestStringConvertible {
    let sentence: String
    let lines: [String]
    let delay: Duration
    let age: Duration

    init(_ sentence: String, _ lines: [String], delay: Duration = .zero, is age: Duration) {
        self.sentence = sentence
        self.lines = lines
        self.delay = delay
        self.age = age
    }

    var testDescription: String { sentence }
}

struct StaleRow: Sendable, CustomTestStringConvertible {
    let sentence: String
    let control: String
    let mustRevalidate: Bool
    let whileRevalidate: Int?
    let ifError: Int?

    init(_ sentence: String, _ control: String, must: Bool = false, swr: Int? = nil, sie: Int? = nil) {
        self.sentence = sentence
        self.control = control
        mustRevalidate = must
        whileRevalidate = swr
        ifError = sie
    }

    var testDescription: String { sentence }
}

@Suite("How old an answer is and how stale it may get")
struct AgeTests {
    static let ages: [AgeRow] = [
        .init("without Date and Age an answer is new", [], is: .zero),
        .init("the time since Date is its age", ["Date: Sun, 06 Nov 1994 08:49:27 GMT"], is: .seconds(10)),
        .init(
            "a Date ahead of our clock makes it no younger than new", ["Date: Sun, 06 Nov 1994 09:49:37 GMT"], is: .zero
        ),
        .init(
            "a Date ahead of our clock takes nothing from Age", ["Date: Mon, 06 Nov 1995 08:49:37 GMT", "Age: 20"],
            is: .seconds(20)),
        .init("a Date that cannot be read is as none", ["Date: yesterday"], is: .zero),
        .init("Age counts", ["Age: 20"], is: .seconds(20)),
        .init(
            "Age and the time the answer took add up", ["Age: 20"], delay: .milliseconds(1500),
            is: .milliseconds(21_500)),
        .init("the time the answer took counts without Age", [], delay: .milliseconds(300), is: .milliseconds(300)),
        .init(
            "the larger of both calculations holds: Date", ["Date: Sun, 06 Nov 1994 08:48:37 GMT", "Age: 20"],
            is: .seconds(60)),
        .init(
            "the larger of both calculations holds: Age", ["Date: Sun, 06 Nov 1994 08:49:27 GMT", "Age: 20"],
            is: .seconds(20)),
        .init(
            "Date and the time it took do not add up", ["Date: Sun, 06 Nov 1994 08:49:27 GMT"], delay: .seconds(4),
            is: .seconds(10)),
        .init("of an Age list the first member counts", ["Age: 20, 500"], is: .seconds(20)),
        .init("of two Age lines the older counts", ["Age: 20", "Age: 500"], is: .seconds(500)),
        .init("an Age that is no number is ignored", ["Age: twenty"], is: .zero),
        .init("a negative Age is ignored", ["Age: -20"], is: .zero),
        .init("an empty Age is ignored", ["Age: "], is: .zero),
        .init("a huge Age counts as 2^31", ["Age: 99999999999999999999"], is: .seconds(2_147_483_648)),
        .init(
            "a Date of long ago counts as 2^31 at most", ["Date: Thu, 01 Jan 1900 00:00:00 GMT"],
            is: .seconds(2_147_483_648)),
        .init(
            "of two Dates the older counts",
            ["Date: Sun, 06 Nov 1994 08:49:37 GMT", "Date: Sun, 06 Nov 1994 08:49:07 GMT"], is: .seconds(30)),
        .init("a negative time the answer took is none", ["Age: 5"], delay: .seconds(-3), is: .seconds(5)),
    ]

    @Test("age on arrival", arguments: ages)
    func age(_ row: AgeRow) {
        let verdict = RulesFixture.judge(row.lines, guess: 30, delay: row.delay)
        #expect(verdict == .store(Freshness(lifetime: .seconds(30), initialAge: row.age)))
    }

    @Test("a clock of ours at the ends of time is survived", arguments: [Int64.min, .max, 0])
    func extremeClocks(now: Int64) {
        let fields = RulesFixture.fields([
            "Date: Sun, 06 Nov 1994 08:49:37 GMT", "Expires: Sun, 06 Nov 1994 08:50:37 GMT",
        ])
        let verdict = StoringRules.judge(
            status: 200, fields: fields, heuristic: nil, needsPermission: false, receivedAt: now,
            responseDelay: .seconds(Int64.max))
        let cap = Duration.seconds(Int64(2_147_483_648))
        #expect(verdict == .store(Freshness(lifetime: .seconds(60), initialAge: cap, isExplicit: true)))
    }

    static let stale: [StaleRow] = [
        .init("max-age alone leaves stale use to us", "max-age=60"),
        .init("must-revalidate forbids it", "max-age=60, must-revalidate", must: true),
        .init("proxy-revalidate forbids it", "max-age=60, Proxy-Revalidate", must: true),
        .init("s-maxage forbids it, as proxy-revalidate does", "s-maxage=60", must: true),
        .init("no-cache forbids it", "no-cache", must: true),
        .init("max-age=0 does not forbid it", "max-age=0"),
        .init("a broken line forbids it", "max-age=60; x", must: true),
        .init(
            "the bounds of RFC 5861 are read", "max-age=6, stale-while-revalidate=30, stale-if-error=600", swr: 30,
            sie: 600),
        .init("of two bounds the smaller holds", "max-age=6, stale-if-error=9, stale-if-error=8", sie: 8),
        .init(
            "a bound that cannot be read is zero", "max-age=6, stale-while-revalidate=x, stale-if-error", swr: 0,
            sie: 0),
        .init("a huge bound counts as 2^31", "max-age=6, stale-if-error=99999999999", sie: 2_147_483_648),
        .init(
            "must-revalidate is told beside the bounds", "max-age=6, stale-if-error=9, must-revalidate", must: true,
            sie: 9),
    ]

    @Test("stale use", arguments: stale)
    func staleUse(_ row: StaleRow) throws {
        let verdict = RulesFixture.judge(["Cache-Control: \(row.control)", #"ETag: "a""#])
        guard case .store(let freshness) = verdict else {
            Issue.record("\(verdict)")
            return
        }
        #expect(freshness.mustRevalidate == row.mustRevalidate)
        #expect(freshness.staleWhileRevalidate == row.whileRevalidate.map { .seconds($0) })
        #expect(freshness.staleIfError == row.ifError.map { .seconds($0) })
    }
}
