// Random Cache-Control values whose meaning is known by how they were made, and random bytes whose meaning nobody knows.

import Ground
import HTTPTypes
import TestSupport
import Testing

@testable import Caching

@Suite("Random directives")
struct DirectiveSoupTests {
    @Test("an answer is never fresher than its smallest bound, and what refuses wins", arguments: UInt64(1)...40)
    func knownSoup(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<250 {
            let soup = Soup(using: &random)
            let guess = random.pick([nil, 0, 30])
            let lines = soup.lines + (Bool.random(using: &random) ? [#"ETag: "a""#] : [])
            let needsPermission = random.oneIn(4)
            let verdict = RulesFixture.judge(lines, guess: guess, needsPermission: needsPermission)
            switch verdict {
            case .store(let freshness):
                #expect(!soup.refuses, "\(lines)")
                #expect(!needsPermission || soup.permits, "\(lines)")
                #expect(freshness.lifetime >= .zero && freshness.initialAge >= .zero)
                let bound = soup.bound ?? Int64(guess ?? 0)
                #expect(freshness.lifetime <= .seconds(bound), "\(lines)")
                #expect(freshness.isExplicit == (soup.bound != nil), "\(lines)")
                #expect(freshness.lifetime > .zero || lines.contains(#"ETag: "a""#), "\(lines)")
            case .refuse(let reason):
                let isBoundless = (soup.bound ?? Int64(guess ?? 0)) == 0
                #expect(soup.refuses || (needsPermission && !soup.permits) || isBoundless, "\(reason): \(lines)")
            }
        }
    }

    @Test(
        "no rubbish crashes the rules, frees what a line of its own forbids or stretches its bound",
        arguments: UInt64(1)...20)
    func rubbish(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<300 {
            let rubbish = random.rubbish()
            let forbidden = RulesFixture.judge([rubbish, "Cache-Control: private, no-store"], guess: 30)
            #expect(forbidden == .refuse(.noStore) || forbidden == .refuse(.isPrivate), "\(rubbish)")
            if case .store(let freshness) = RulesFixture.judge([rubbish, "Cache-Control: s-maxage=7"], guess: 30) {
                #expect(freshness.lifetime <= .seconds(7), "\(rubbish)")
                #expect(freshness.mustRevalidate)
            }
            let directives = RequestDirectives(RulesFixture.fields([rubbish, "Cache-Control: max-age=7, no-cache"]))
            #expect(directives.noCache && directives.maxAge.map { $0 <= .seconds(7) } == true, "\(rubbish)")
        }
    }

    @Test("no rubbish crashes the other readers", arguments: UInt64(1)...10)
    func otherRubbish(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<300 {
            let text = random.rubbish()
            let value = String(text.dropFirst("Cache-Control: ".count))
            #expect(HTTPDate.seconds(value).map { abs($0) < 300_000_000_000 } ?? true)
            let request = RulesFixture.fields(["If-None-Match: \(value)", "If-None-Match: \"own\""])
            #expect(Conditional.isNotModified(request: request, etag: "\"own\"", lastModified: value), "\(value)")
            if let names = Vary.names(in: RulesFixture.fields(["Vary: \(value)"])) {
                #expect(names.map(\.canonicalName) == names.map(\.canonicalName).sorted())
            }
            let detail = CacheStatus.forwarded(.miss, stored: false, collapsed: false, status: nil, detail: value)
            #expect(detail.headerValue.utf8.allSatisfy { 0x20...0x7E ~= $0 })
        }
    }
}

/// A Cache-Control in one or several lines, and what it means.
private struct Soup {
    private(set) var lines: [String] = []
    private var noStore = false
    private var mustUnderstand = false
    private var isPrivate = false
    private var noCache = false
    private var sharing = false
    private var sharedBounds: [Int64] = []
    private var bounds: [Int64] = []

    var refuses: Bool { isPrivate || (noStore && !mustUnderstand) || (noStore && bound == nil) }
    var permits: Bool { sharing }
    /// The smallest bound that applies, nil if upstream says nothing.
    var bound: Int64? { noCache ? 0 : sharedBounds.min() ?? bounds.min() }

    init(using random: inout SeededGenerator) {
        for _ in 0..<Int.random(in: 1...2, using: &random) {
            let elements = (0..<Int.random(in: 0...5, using: &random)).map { _ in element(using: &random) }
            lines.append("Cache-Control: " + elements.joined(separator: random.pick([",", ", ", " ,\t", ",, "])))
        }
    }

    private mutating func element(using random: inout SeededGenerator) -> String {
        switch Int.random(in: 0..<24, using: &random) {
        case 0:
            noStore = true
            return random.cased("no-store")
        case 1:
            isPrivate = true
            return random.pick([random.cased("private"), #"private="x-a, x-b""#])
        case 2:
            noCache = true
            return random.pick([random.cased("no-cache"), #"no-cache="set-cookie""#])
        case 3:
            mustUnderstand = true
            return random.cased("must-understand")
        case 4, 5:
            sharing = true
            return random.cased(random.pick(["public", "must-revalidate"]))
        case 6...8:
            sharing = true
            let (text, seconds) = random.number()
            sharedBounds.append(seconds)
            return random.cased("s-maxage") + text
        case 9...15:
            let (text, seconds) = random.number()
            bounds.append(seconds)
            return random.cased("max-age") + text
        default:
            return random.pick([
                "immutable", "", "no-transform", "x=y", #"ext="a, no-store, max-age=1""#, #"ext="\", private""#,
                "stale-if-error=9", "max-agee=1", "min-fresh=0", "proxy-revalidate", "community=UCI",
            ])
        }
    }
}

extension SeededGenerator {
    fileprivate mutating func oneIn(_ count: Int) -> Bool { Int.random(in: 0..<count, using: &self) == 0 }

    mutating func pick<Value>(_ values: [Value]) -> Value { values[Int.random(in: 0..<values.count, using: &self)] }

    mutating func cased(_ word: String) -> String {
        String(word.map { oneIn(4) ? Character($0.uppercased()) : $0 })
    }

    /// An argument and the seconds that it may count for.
    mutating func number() -> (text: String, seconds: Int64) {
        if oneIn(6) { return (pick(["", "=-1", "=x", "=1e3", #"="""#, "=0.9", "='9'", "=9x"]), 0) }
        if oneIn(12) { return ("=99999999999999999999", 2_147_483_648) }
        let seconds = Int64.random(in: 0...100, using: &self)
        return (pick(["=\(seconds)", #"="\#(seconds)""#, "=00\(seconds)"]), seconds)
    }

    /// A line of pieces that mean something, in no order that does. Without `must-understand` and `s-maxage`, which
    /// change the meaning of other lines.
    mutating func rubbish() -> String {
        let pieces = [
            "no-store", "private", "public", "max-age", "no-cache", "=", "\"", "\\", ",", ";", " ", "\t", "0",
            "99999999999999",
            "-", "W/", "*", "ä", "\u{7F}", "Sun, 06 Nov 1994", "GMT", "=\"", "\",", "stale-if-error=",
            "must-revalidate", ":",
        ]
        return "Cache-Control: " + (0..<Int.random(in: 0...12, using: &self)).map { _ in pick(pieces) }.joined()
    }
}
