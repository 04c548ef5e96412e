// Which answers are stored, and how long they are fresh (RFC 9111, 3 and 4.2.1).

import Testing

@testable import Caching

/// One answer and what becomes of it. `guess` is the heuristic lifetime in seconds.
struct StoringRow: Sendable, CustomTestStringConvertible {
    enum Outcome: Sendable, Equatable {
        case explicit(Int64)
        case guessed(Int64)
        case refused(CacheReason)
    }

    let sentence: String
    let lines: [String]
    let outcome: Outcome
    var guess: Int?
    var status = 200
    var needsPermission = false

    init(
        _ sentence: String, _ lines: [String], _ outcome: Outcome, guess: Int? = 30, status: Int = 200,
        needsPermission: Bool = false
    ) {
        self.sentence = sentence
        self.lines = lines
        self.outcome = outcome
        self.guess = guess
        self.status = status
        self.needsPermission = needsPermission
    }

    var testDescription: String { sentence }

    func check() {
        let verdict = RulesFixture.judge(lines, status: status, guess: guess, needsPermission: needsPermission)
        switch verdict {
        case .refuse(let reason): #expect(outcome == .refused(reason), "\(lines)")
        case .store(let freshness):
            let seconds = freshness.lifetime.components.seconds
            #expect(outcome == (freshness.isExplicit ? .explicit(seconds) : .guessed(seconds)), "\(lines)")
        }
    }
}

@Suite("What may be stored")
struct StoringTests {
    private static let tag = #"ETag: "a""#
    private static let date = "Date: Sun, 06 Nov 1994 08:49:37 GMT"

    static let storing: [StoringRow] = [
        .init("an answer that says nothing is fresh for as long as the heuristic says", [], .guessed(30)),
        .init(
            "an answer that says nothing is refused where there is no heuristic", [], .refused(.noFreshness), guess: nil
        ),
        .init(
            "an ETag alone does not make an answer storable without a heuristic", [tag], .refused(.noFreshness),
            guess: nil),
        .init("no-store refuses", ["Cache-Control: no-store"], .refused(.noStore)),
        .init("no-store refuses whatever max-age says", ["Cache-Control: max-age=60, no-store"], .refused(.noStore)),
        .init(
            "no-store on a second line refuses", ["Cache-Control: max-age=60", "cache-control: no-store"],
            .refused(.noStore)),
        .init("no-store refuses in any case", ["Cache-Control: No-STORE"], .refused(.noStore)),
        .init(
            "no-store with an argument still refuses", [#"Cache-Control: no-store="x", max-age=9"#], .refused(.noStore)),
        .init(
            "must-understand lifts no-store, for a 200 is understood",
            ["Cache-Control: no-store, must-understand, max-age=60"], .explicit(60)),
        .init(
            "must-understand lifts no-store for no guess", ["Cache-Control: no-store, must-understand"],
            .refused(.noFreshness)),
        .init(
            "must-understand in a broken line lifts nothing", ["Cache-Control: must-understand; no-store, max-age=60"],
            .refused(.noStore)),
        .init("must-understand alone changes nothing", ["Cache-Control: must-understand, max-age=60"], .explicit(60)),
        .init("private refuses", ["Cache-Control: private, max-age=60"], .refused(.isPrivate)),
        .init(
            "private refuses even beside public", ["Cache-Control: public, private, max-age=60"], .refused(.isPrivate)),
        .init(
            "private with field names is private", [#"Cache-Control: private="x-user, x-b", max-age=60"#],
            .refused(.isPrivate)),
        .init("s-maxage does not make private storable", ["Cache-Control: private, s-maxage=60"], .refused(.isPrivate)),
        .init("a cookie refuses", ["Cache-Control: max-age=60", "Set-Cookie: a=b"], .refused(.setCookie)),
        .init(
            "a cookie refuses even a public answer", ["Cache-Control: public, max-age=60", "Set-Cookie: a=b"],
            .refused(.setCookie)),
        .init("Vary: * refuses", ["Cache-Control: max-age=60", "Vary: *"], .refused(.varyAny)),
        .init("* among other names refuses", ["Cache-Control: max-age=60", "Vary: Accept, *"], .refused(.varyAny)),
        .init("a Vary that cannot be read refuses", ["Cache-Control: max-age=60", "Vary: a b"], .refused(.varyAny)),
        .init("Vary by name is storable", ["Cache-Control: max-age=60", "Vary: Accept"], .explicit(60)),
        .init("206 is a part", ["Cache-Control: max-age=60"], .refused(.partial), status: 206),
        .init(
            "a 200 with Content-Range is a part", ["Cache-Control: max-age=60", "Content-Range: bytes 0-1/2"],
            .refused(.partial)),
        .init("404 is not stored", ["Cache-Control: max-age=60"], .refused(.notOK), status: 404),
        .init("301 is not stored", ["Cache-Control: max-age=60"], .refused(.notOK), status: 301),
        .init("401 is not stored", ["Cache-Control: max-age=60"], .refused(.notOK), status: 401),
        .init("403 is not stored", ["Cache-Control: public, max-age=60"], .refused(.notOK), status: 403),
        .init("429 is not stored", ["Cache-Control: max-age=60"], .refused(.notOK), status: 429),
        .init("503 is not stored", ["Cache-Control: max-age=60"], .refused(.notOK), status: 503),
        .init("204 is not stored", ["Cache-Control: max-age=60"], .refused(.notOK), status: 204),
        .init("304 is no answer to store", ["Cache-Control: max-age=60"], .refused(.notOK), status: 304),
        .init(
            "the status is named before anything else", ["Cache-Control: no-store", "Set-Cookie: a=b"],
            .refused(.notOK), status: 500),
        .init("Pragma means nothing in answers", ["Pragma: no-cache"], .guessed(30)),
        .init("unknown directives change nothing", ["Cache-Control: immutable, no-transform, x=y"], .guessed(30)),
        .init("an empty Cache-Control says nothing", ["Cache-Control: "], .guessed(30)),
        .init("empty list elements say nothing", ["Cache-Control: , ,"], .guessed(30)),
        .init("a guess of zero is refused without a validator", [], .refused(.noFreshness), guess: 0),
        .init("a guess of zero is stored with a validator", [tag], .guessed(0), guess: 0),
        .init("a negative guess is zero", [tag], .guessed(0), guess: -5),
    ]

    @Test("stored or refused", arguments: storing)
    func store(_ row: StoringRow) { row.check() }

    static let permission: [StoringRow] = [
        .init(
            "max-age does not permit sharing an answer to Authorization", ["Cache-Control: max-age=60"],
            .refused(.needsPermission), needsPermission: true),
        .init("silence permits nothing", [tag], .refused(.needsPermission), guess: nil, needsPermission: true),
        .init(
            "Expires permits nothing", [date, "Expires: Sun, 06 Nov 1994 08:50:37 GMT"], .refused(.needsPermission),
            needsPermission: true),
        .init("public permits", ["Cache-Control: public, max-age=60"], .explicit(60), needsPermission: true),
        .init("s-maxage permits", ["Cache-Control: s-maxage=60"], .explicit(60), needsPermission: true),
        .init(
            "must-revalidate permits", ["Cache-Control: must-revalidate, max-age=60"], .explicit(60),
            needsPermission: true),
        .init(
            "proxy-revalidate does not permit", ["Cache-Control: proxy-revalidate, max-age=60"],
            .refused(.needsPermission), needsPermission: true),
        .init(
            "no-cache does not permit", ["Cache-Control: no-cache", tag], .refused(.needsPermission),
            needsPermission: true),
        .init(
            "public without freshness is refused where there is no heuristic", ["Cache-Control: public"],
            .refused(.noFreshness), guess: nil, needsPermission: true),
        .init(
            "a broken line permits nothing", ["Cache-Control: public; max-age=60", tag], .refused(.needsPermission),
            needsPermission: true),
        .init(
            "private beats a permission", ["Cache-Control: private, s-maxage=60"], .refused(.isPrivate),
            needsPermission: true),
    ]

    @Test("RFC 9111, 3.5: answers to requests with Authorization", arguments: permission)
    func permit(_ row: StoringRow) { row.check() }

    static let lifetimes: [StoringRow] = [
        .init("max-age is the lifetime", ["Cache-Control: max-age=60"], .explicit(60)),
        .init("max-age beats the heuristic, longer or shorter", ["Cache-Control: max-age=3600"], .explicit(3600)),
        .init("s-maxage beats max-age when shorter", ["Cache-Control: max-age=60, s-maxage=5"], .explicit(5)),
        .init("s-maxage beats max-age when longer", ["Cache-Control: s-maxage=600, max-age=60"], .explicit(600)),
        .init(
            "max-age beats Expires", [date, "Expires: Sun, 06 Nov 1994 09:49:37 GMT", "Cache-Control: max-age=60"],
            .explicit(60)),
        .init(
            "max-age beats an Expires that cannot be read", ["Expires: 0", "Cache-Control: max-age=60"], .explicit(60)),
        .init("s-maxage beats Expires", [date, "Expires: 0", "Cache-Control: s-maxage=7"], .explicit(7)),
        .init("max-age=0 is refused without a validator", ["Cache-Control: max-age=0"], .refused(.noFreshness)),
        .init("max-age=0 is stored with an ETag", ["Cache-Control: max-age=0", tag], .explicit(0)),
        .init(
            "max-age=0 is stored with a Last-Modified",
            ["Cache-Control: max-age=0", "Last-Modified: Sun, 06 Nov 1994 08:00:00 GMT"], .explicit(0)),
        .init(
            "an ETag without quotes is no validator", ["Cache-Control: max-age=0", "ETag: a"], .refused(.noFreshness)),
        .init(
            "a Last-Modified that is no date is no validator", ["Cache-Control: max-age=0", "Last-Modified: today"],
            .refused(.noFreshness)),
        .init("a weak ETag is a validator", ["Cache-Control: max-age=0", #"ETag: W/"a""#], .explicit(0)),
        .init("s-maxage=0 beats max-age=60", ["Cache-Control: s-maxage=0, max-age=60"], .refused(.noFreshness)),
        .init(
            "no-cache is refused without a validator", ["Cache-Control: no-cache, max-age=60"], .refused(.noFreshness)),
        .init(
            "no-cache is stored with a validator, never fresh", ["Cache-Control: max-age=60, no-cache", tag],
            .explicit(0)),
        .init(
            "no-cache with field names is no-cache", [#"Cache-Control: no-cache="Set-Cookie", max-age=60"#, tag],
            .explicit(0)),
        .init(
            "no-cache makes even unknown operations storable with a validator", ["Cache-Control: no-cache", tag],
            .explicit(0), guess: nil),
        .init("of two max-age the smaller holds", ["Cache-Control: max-age=60, max-age=5"], .explicit(5)),
        .init(
            "of two max-age the smaller holds in either order",
            ["Cache-Control: max-age=5", "Cache-Control: max-age=60"], .explicit(5)),
        .init(
            "a max-age that cannot be read beats one that can", ["Cache-Control: max-age=60, max-age=x", tag],
            .explicit(0)),
        .init("of two s-maxage the smaller holds", ["Cache-Control: s-maxage=9, s-maxage=8"], .explicit(8)),
        .init("max-age without a number is zero", ["Cache-Control: max-age", tag], .explicit(0)),
        .init("max-age with nothing behind the sign is zero", ["Cache-Control: max-age=, x", tag], .explicit(0)),
        .init("a negative max-age is zero", ["Cache-Control: max-age=-1", tag], .explicit(0)),
        .init("a signed max-age is zero", ["Cache-Control: max-age=+60", tag], .explicit(0)),
        .init("a fraction is zero", ["Cache-Control: max-age=1.5", tag], .explicit(0)),
        .init("a number with a unit is zero", ["Cache-Control: max-age=60s", tag], .explicit(0)),
        .init("a hexadecimal number is zero", ["Cache-Control: max-age=0x3C", tag], .explicit(0)),
        .init("single quotes are no quotes", ["Cache-Control: max-age='60'", tag], .explicit(0)),
        .init("a quoted number counts", [#"Cache-Control: max-age="60""#], .explicit(60)),
        .init("leading zeros count for nothing", ["Cache-Control: max-age=0060"], .explicit(60)),
        .init("names are read in any case", ["Cache-Control: MAX-Age=60"], .explicit(60)),
        .init("tabs and spaces around commas are fine", ["Cache-Control: x\t , \tmax-age=60 \t"], .explicit(60)),
        .init("space before the sign makes it stale", ["Cache-Control: max-age =60", tag], .explicit(0)),
        .init("space behind the sign makes it stale", ["Cache-Control: max-age= 60", tag], .explicit(0)),
        .init("2^31 seconds are the most", ["Cache-Control: max-age=2147483648"], .explicit(2_147_483_648)),
        .init(
            "numbers beyond 64 bits count as 2^31", ["Cache-Control: max-age=99999999999999999999999999"],
            .explicit(2_147_483_648)),
        .init(
            "a directive in a quoted string is none", [#"Cache-Control: x="a, no-store, max-age=0", max-age=60"#],
            .explicit(60)),
        .init(
            "an escaped quote does not end the string", [#"Cache-Control: x="a\", no-store", max-age=60"#],
            .explicit(60)),
        .init("a string without end hides nothing", [#"Cache-Control: x="a, no-store"#], .refused(.noStore)),
        .init("a string without end makes it stale", [#"Cache-Control: x="a, max-age=60"#, tag], .explicit(0)),
        .init("a backslash at the very end is survived", [#"Cache-Control: x="\"#, tag], .explicit(0)),
        .init("a semicolon for a comma hides nothing", ["Cache-Control: max-age=60; no-store"], .refused(.noStore)),
        .init("a space for a comma hides nothing", ["Cache-Control: max-age=60 private"], .refused(.isPrivate)),
        .init("a semicolon for a comma makes it stale", ["Cache-Control: public; max-age=60", tag], .explicit(0)),
        .init(
            "a name that only begins alike is another", ["Cache-Control: no-store-x, xno-cache, private1, max-age=60"],
            .explicit(60)),
        .init("Expires less Date is the lifetime", [date, "Expires: Sun, 06 Nov 1994 08:50:37 GMT"], .explicit(60)),
        .init(
            "Expires is counted from receipt without Date", ["Expires: Sun, 06 Nov 1994 08:50:37 GMT"], .explicit(60)),
        .init(
            "Expires is counted from receipt with a Date that is none",
            ["Date: now", "Expires: Sun, 06 Nov 1994 08:50:37 GMT"], .explicit(60)),
        .init(
            "Expires less Date does not depend on our clock, upstream's being slow",
            ["Date: Sun, 06 Nov 1994 07:00:00 GMT", "Expires: Sun, 06 Nov 1994 07:01:00 GMT"], .explicit(60)),
        .init(
            "Expires less Date does not depend on our clock, upstream's being fast",
            ["Date: Mon, 06 Nov 1995 07:00:00 GMT", "Expires: Mon, 06 Nov 1995 07:01:00 GMT"], .explicit(60)),
        .init("Expires: 0 is expired", ["Expires: 0"], .refused(.noFreshness)),
        .init("Expires: -1 is expired", ["Expires: -1", tag], .explicit(0)),
        .init("an empty Expires is expired", ["Expires: ", tag], .explicit(0)),
        .init(
            "Expires in another zone is expired", [date, "Expires: Sun, 06 Nov 1994 09:50:37 CET", tag], .explicit(0)),
        .init("Expires at Date is expired", [date, "Expires: Sun, 06 Nov 1994 08:49:37 GMT", tag], .explicit(0)),
        .init("Expires before Date is expired", [date, "Expires: Sun, 06 Nov 1994 08:00:00 GMT", tag], .explicit(0)),
        .init(
            "of two Expires the earlier holds",
            [date, "Expires: Sun, 06 Nov 1994 08:50:37 GMT", "Expires: Sun, 06 Nov 1994 08:49:47 GMT"], .explicit(10)),
        .init(
            "of two Expires one that cannot be read holds",
            [date, "Expires: Sun, 06 Nov 1994 08:50:37 GMT", "Expires: 0", tag], .explicit(0)),
        .init(
            "of two Dates the one that leaves less holds",
            [date, "Date: Sun, 06 Nov 1994 08:50:07 GMT", "Expires: Sun, 06 Nov 1994 08:50:37 GMT"], .explicit(30)),
        .init(
            "a far Expires counts as 2^31 seconds", [date, "Expires: Fri, 31 Dec 9999 23:59:59 GMT"],
            .explicit(2_147_483_648)),
        .init(
            "Expires is read in the obsolete form", [date, "Expires: Sunday, 06-Nov-94 08:50:37 GMT"], .explicit(60)),
        .init("Expires is read in asctime's form", [date, "Expires: Sun Nov  6 08:50:37 1994"], .explicit(60)),
        .init("stale-while-revalidate is no lifetime", ["Cache-Control: stale-while-revalidate=60"], .guessed(30)),
    ]

    @Test("how long an answer is fresh", arguments: lifetimes)
    func lifetime(_ row: StoringRow) { row.check() }

    @Test("reasons are tokens that a header can carry, and no two are alike")
    func reasons() {
        let values = CacheReason.allCases.map(\.rawValue)
        #expect(Set(values).count == values.count)
        for value in values { #expect(value.utf8.allSatisfy { 0x61...0x7A ~= $0 || $0 == 0x2D }, "\(value)") }
    }
}
