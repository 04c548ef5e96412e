// What tools ask of the cache (RFC 9111, 5.2.1 and 5.4).

import Testing

@testable import Caching

struct RequestRow: Sendable, CustomTestStringConvertible {
    let sentence: String
    let lines: [String]
    let expected: RequestDirectives

    init(_ sentence: String, _ lines: [String], _ change: (inout RequestDirectives) -> Void = { _ in }) {
        self.sentence = sentence
        self.lines = lines
        var expected = RequestDirectives.none
        change(&expected)
        self.expected = expected
    }

    var testDescription: String { sentence }
}

@Suite("What a tool asks of the cache")
struct RequestDirectivesTests {
    static let rows: [RequestRow] = [
        .init("a request without the headers asks nothing", ["Accept: application/json", "X-Cache-Control: no-store"]),
        .init("no-cache", ["Cache-Control: no-cache"]) { $0.noCache = true },
        .init("no-store, in any case", ["cache-control: NO-Store"]) { $0.noStore = true },
        .init("only-if-cached", ["Cache-Control: only-if-cached"]) { $0.onlyIfCached = true },
        .init("several at once, over several lines", ["Cache-Control: no-cache, no-store", "Cache-Control: max-age=0"])
        {
            $0.noCache = true
            $0.noStore = true
            $0.maxAge = .zero
        },
        .init("max-age", ["Cache-Control: max-age=5"]) { $0.maxAge = .seconds(5) },
        .init("of two max-age the smaller", ["Cache-Control: max-age=5, max-age=3"]) { $0.maxAge = .seconds(3) },
        .init("a max-age that cannot be read is zero", ["Cache-Control: max-age=soon"]) { $0.maxAge = .zero },
        .init("min-fresh", ["Cache-Control: min-fresh=\"7\""]) { $0.minFresh = .seconds(7) },
        .init("of two min-fresh the larger", ["Cache-Control: min-fresh=3, min-fresh=5"]) { $0.minFresh = .seconds(5) },
        .init("a min-fresh that cannot be read asks nothing", ["Cache-Control: min-fresh, min-fresh=x"]),
        .init("max-stale stretches nothing", ["Cache-Control: max-stale, max-stale=60"]),
        .init("stale-if-error stretches nothing", ["Cache-Control: stale-if-error=60"]),
        .init(
            "directives of answers mean nothing here", ["Cache-Control: public, private, must-revalidate, s-maxage=0"]),
        .init("Pragma: no-cache asks for no-cache", ["Pragma: No-Cache"]) { $0.noCache = true },
        .init("Pragma is a list", ["Pragma: x=\"no-cache\", y", "Pragma: z, no-cache"]) { $0.noCache = true },
        .init("another Pragma asks nothing", ["Pragma: x=\"no-cache\""]),
        .init("Pragma does not count beside Cache-Control", ["Pragma: no-cache", "Cache-Control: max-age=60"]) {
            $0.maxAge = .seconds(60)
        },
        .init("a broken line hides nothing", ["Cache-Control: max-age=60; no-cache"]) {
            $0.maxAge = .seconds(60)
            $0.noCache = true
        },
    ]

    @Test("directives", arguments: rows)
    func directives(_ row: RequestRow) {
        #expect(RequestDirectives(RulesFixture.fields(row.lines)) == row.expected)
    }
}
