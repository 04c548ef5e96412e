// What counts as news for the application log, and how values stand in text lines.

import Logging
import RateLimiting
import Testing
import Tokens

@testable import Proxy

@Suite struct NewsTests {
    private let start = ContinuousClock.now
    private var book = PauseBook()
    private var tally = RefusalTally()
    private func tag(_ id: String) -> RequestTag { RequestTag(id: id, caller: "c") }
    private func at(_ seconds: Double) -> ContinuousClock.Instant { start + .seconds(seconds) }

    @Test("a pause begins once, is told again only when it becomes much longer, and ends once")
    mutating func pauses() {
        let all = PauseBook.Key(gate: nil, scope: .everything)
        let one = PauseBook.Key(gate: nil, scope: .operation("v1.tests.list"))
        #expect(book.closed(all, until: at(10), tag: tag("a"), now: at(0)) == .begun(former: nil))
        #expect(book.closed(all, until: at(9), tag: tag("b"), now: at(0)) == .known, "it never ends earlier")
        #expect(book.closed(all, until: at(11), tag: tag("c"), now: at(1)) == .known, "refused together")
        #expect(book.closed(one, until: at(5), tag: tag("d"), now: at(1)) == .begun(former: nil), "scopes are apart")
        #expect(book.closed(all, until: at(60), tag: tag("e"), now: at(2)) == .longer)
        #expect(book.over(all, now: at(59)) == nil && book.end(of: all) == at(60))
        #expect(book.over(all, now: at(60)) == PauseBook.Pause(end: at(60), tag: tag("a")))
        #expect(book.over(all, now: at(61)) == nil && book.end(of: all) == nil)
        #expect(
            book.closed(one, until: at(99), tag: tag("f"), now: at(70))
                == .begun(former: .init(end: at(5), tag: tag("d"))))
    }

    @Test("refusals of one kind are told once a minute, with their number")
    mutating func refusals() {
        #expect(tally.refused("deadline", now: at(0)) == 1)
        for second in 1..<60 { #expect(tally.refused("deadline", now: at(Double(second))) == nil) }
        #expect(tally.refused("queue-full", now: at(30)) == 1, "kinds are apart")
        #expect(tally.refused("deadline", now: at(60)) == 60)
        #expect(tally.refused("deadline", now: at(61)) == nil)
    }

    @Test("what a burst was refused is told when its minute is over, or when the process ends")
    mutating func burst() {
        for call in 0..<50 { #expect(tally.refused("deadline", now: at(0)) == (call == 0 ? 1 : nil)) }
        #expect(tally.end(of: "deadline") == at(60) && tally.over("deadline", now: at(59)) == nil)
        #expect(tally.over("deadline", now: at(60)) == 49)
        #expect(tally.end(of: "deadline") == at(120) && tally.over("deadline", now: at(120)) == nil)
        #expect(tally.end(of: "deadline") == nil, "a minute without any is the last")
        for kind in ["b", "a", "a", "b", "b"] { _ = tally.refused(kind, now: at(200)) }
        #expect(tally.rest().map { "\($0.kind) \($0.count)" } == ["a 1", "b 2"] && tally.rest().isEmpty)
    }

    @Test(
        "upstream's tier is held against the configured windows",
        arguments: [
            ("iTwin Platform Community", ["5000/60"], true), ("iTwin Platform Trial", ["5000/60"], true),
            ("Community", ["500/60"], true), ("Community", ["500/60", "5000/3600"], nil),
            ("COMMUNITY", ["8/1", "5000/3600"], nil), ("Community", ["83/60"], nil), ("Community", [], true),
            ("iTwin Platform Premium", ["5000/60"], nil), ("Basic", ["80/1"], nil), ("Custom", ["6000/60"], true),
            ("Premium", ["500/60", "5000/3600"], false), (" ", ["99999/1"], nil),
        ] as [(String, [String], Bool?)])
    func tiers(tier: String, windows: [String], isTooWide: Bool?) {
        let windows = windows.map { text in
            let parts = text.split(separator: "/").compactMap { Int($0) }
            return GateWindow(limit: parts[0], span: .seconds(parts[1]))
        }
        #expect(TierWatch.judge(tier, windows)?.isTooWide == isTooWide)
        let watch = TierWatch(windows: windows)
        #expect(watch.seen(tier)?.isTooWide == isTooWide)
        #expect(watch.seen("\(tier) of another") != nil || isTooWide == nil)
        #expect(watch.seen(tier) == nil, "each is judged once")
    }

    @Test("a value of a text line is in quotes unless it is one plain word, and nothing breaks out of it")
    func words() {
        for plain in ["x", "127.0.0.1", "a=b", "v2.reports.list", "/a%22b?"] { #expect(LogWord.text(plain) == plain) }
        #expect(LogWord.text("") == "\"\"")
        #expect(LogWord.text("night job") == "\"night job\"")
        #expect(LogWord.text("a\"b") == "\"a\\\"b\"" && LogWord.text("a\\b") == "\"a\\\\b\"")
        #expect(LogWord.text("a\n2026 forged") == "\"a\\n2026 forged\"")
        #expect(LogWord.text("\u{1B}[2J\u{9B}2J\u{202E}é") == "\"\\u001b[2J\\u009b2J\\u202eé\"")
    }
}
