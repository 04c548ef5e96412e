// Conditional requests of tools, and 304s of upstream (RFC 9110, 13; RFC 9111, 4.3).

import Testing

@testable import Caching

struct ConditionalRow: Sendable, CustomTestStringConvertible {
    let sentence: String
    let lines: [String]
    let etag: String
    let isNotModified: Bool

    init(_ sentence: String, _ lines: [String], etag: String = "\"abc\"", _ isNotModified: Bool) {
        self.sentence = sentence
        self.lines = lines
        self.etag = etag
        self.isNotModified = isNotModified
    }

    var testDescription: String { sentence }
}

@Suite("Conditional requests")
struct ConditionalTests {
    private static let modified = "Sun, 06 Nov 1994 08:49:37 GMT"

    static let rows: [ConditionalRow] = [
        .init("no precondition, no 304", [], false),
        .init("the same tag", [#"If-None-Match: "abc""#], true),
        .init("another tag", [#"If-None-Match: "abd""#], false),
        .init("a tag that only begins alike", [#"If-None-Match: "ab""#], false),
        .init("tags differ by case", [#"If-None-Match: "ABC""#], false),
        .init("a weak tag matches a strong one", [#"If-None-Match: W/"abc""#], true),
        .init("a strong tag matches a weak one", [#"If-None-Match: "abc""#], etag: #"W/"abc""#, true),
        .init("a small w is no weak tag", [#"If-None-Match: w/"abc""#], false),
        .init("any of a list", [#"If-None-Match: "x", W/"y" ,"abc""#], true),
        .init("none of a list", [#"If-None-Match: "x", "y""#], false),
        .init("any of several lines", [#"If-None-Match: "x""#, #"If-None-Match: "abc""#], true),
        .init("a comma in a tag does not divide it", [#"If-None-Match: "x,"abc","#], false),
        .init("a tag with a comma matches", [#"If-None-Match: "b", "a,b""#], etag: #""a,b""#, true),
        .init("a star matches whatever is stored", ["If-None-Match: *"], true),
        .init("a star in a list is nothing", [#"If-None-Match: "x", *"#], false),
        .init("a tag without quotes matches nothing", ["If-None-Match: abc"], false),
        .init("a tag without its end matches nothing", [#"If-None-Match: "abc"#], false),
        .init("rubbish before a tag hides only itself", [#"If-None-Match: rubbish, "abc""#], true),
        .init("an empty list matches nothing", ["If-None-Match: "], false),
        .init("the empty tag is a tag", [#"If-None-Match: """#], etag: "\"\"", true),
        .init("not modified since its very date", ["If-Modified-Since: \(modified)"], true),
        .init("not modified since a later date", ["If-Modified-Since: Sun, 06 Nov 1994 09:00:00 GMT"], true),
        .init("modified since an earlier date", ["If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT"], false),
        .init("dates are compared in any form", ["If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT"], true),
        .init("a date that is none is ignored", ["If-Modified-Since: 2099-01-01"], false),
        .init("two dates are ignored", ["If-Modified-Since: \(modified)", "If-Modified-Since: \(modified)"], false),
        .init(
            "a tag that differs beats a date that fits", [#"If-None-Match: "x""#, "If-Modified-Since: \(modified)"],
            false),
        .init(
            "an empty If-None-Match beats a date that fits", ["If-Modified-Since: \(modified)", "If-None-Match: "],
            false),
        .init(
            "a tag that fits beats a date that does not",
            ["If-Modified-Since: Sun, 06 Nov 1994 08:00:00 GMT", #"If-None-Match: "abc""#], true),
        .init("If-Match is not for caches", [#"If-Match: "abc""#], false),
    ]

    @Test("304 or not", arguments: rows)
    func notModified(_ row: ConditionalRow) {
        let request = RulesFixture.fields(row.lines)
        #expect(
            Conditional.isNotModified(request: request, etag: row.etag, lastModified: Self.modified)
                == row.isNotModified)
    }

    @Test("without a Last-Modified that is a date no If-Modified-Since holds", arguments: [nil, "", "0"])
    func noLastModified(lastModified: String?) {
        let request = RulesFixture.fields(["If-Modified-Since: Fri, 31 Dec 9999 23:59:59 GMT"])
        #expect(!Conditional.isNotModified(request: request, etag: "\"a\"", lastModified: lastModified))
    }

    @Test(
        "preconditions are seen by name",
        arguments: [
            ("If-None-Match", true), ("if-match", true), ("IF-MODIFIED-SINCE", true), ("If-Unmodified-Since", true),
            ("If-Range", true), ("If-Nothing-Match", false), ("Accept", false), ("If-Some1", false),
        ])
    func preconditions(name: String, expected: Bool) {
        #expect(Conditional.hasPreconditions(RulesFixture.fields(["Accept: a", "\(name): x"])) == expected)
    }

    @Test(
        "a 304 is believed only about what is stored",
        arguments: [
            ([#"ETag: "a""#], [#"ETag: "a""#], true),
            ([#"ETag: "a""#], [#"ETag: "b""#], false),
            ([#"ETag: "a""#], [#"ETag: W/"a""#], true),
            ([#"ETag: W/"a""#], [#"ETag: W/"a""#], true),
            ([#"ETag: W/"a""#], [#"ETag: W/"b""#], false),
            (["ETag: a"], ["ETag: a"], true),
            (["ETag: a"], ["ETag: b"], false),
            (["Last-Modified: \(modified)"], [#"ETag: "a""#], false),
            (["Last-Modified: \(modified)"], ["Last-Modified: \(modified)"], true),
            (["Last-Modified: \(modified)"], ["Last-Modified: Sun, 06 Nov 1994 08:49:38 GMT"], false),
            (
                [#"ETag: "a""#, "Last-Modified: \(modified)"],
                [#"ETag: "b""#, "Last-Modified: \(modified)"], false
            ),
            ([#"ETag: "a""#], [], true),
            ([#"ETag: "a""#], ["Last-Modified: \(modified)"], true),
        ] as [([String], [String], Bool)])
    func confirms(stored: [String], notModified: [String], expected: Bool) {
        #expect(
            Conditional.confirms(stored: RulesFixture.fields(stored), by: RulesFixture.fields(notModified)) == expected,
            "\(stored) \(notModified)")
    }
}
