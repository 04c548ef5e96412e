// When the list of runs is looked at for a lost start, and what the looks say together.

import ClashAPI
import Testing

@testable import Proxy

@Suite struct StartLooksTests {
    private typealias Milliseconds = Int
    private let start = ContinuousClock.now

    private func row(_ id: String) throws -> RunRow {
        let page = #"{"reports":[{"id":"\#(id)","configurationId":"t","status":0}]}"#
        return try #require(RunPage(Array(page.utf8), .v2)?.rows.first)
    }

    private func run(_ sight: (_ at: Milliseconds) throws -> StartLooks.Sight) rethrows -> (
        looks: [Int], fate: StartFate
    ) {
        var looks = StartLooks(now: start)
        var (at, times) = (0, [Int]())
        while true {
            switch looks.next(now: start + .milliseconds(at)) {
            case .over(let fate): return (times, fate)
            case .look:
                times.append(at)
                looks.saw(try sight(at), now: start + .milliseconds(at))
            case .wait(let until):
                let next = (until - start).components
                let wakes = Int(next.seconds) * 1000 + Int(next.attoseconds / 1_000_000_000_000_000)
                #expect(wakes > at)
                at = wakes
            }
        }
    }

    private func words(_ fate: StartFate) -> String { if case .unknown(let words) = fate { words } else { "" } }

    @Test("a run is believed when it was seen twice, half a second apart")
    func found() throws {
        let new = try row("new")
        #expect(run { _ in .page(.found(new)) } == ([0, 500], .started(new)))
        let late = run { .page($0 < 3000 ? .none : .found(new)) }
        #expect(late.looks.suffix(2) == [3000, 3500] && late.fate == .started(new))
        let last = run { .page($0 < 4000 ? .none : .found(new)) }
        #expect(last.fate == .started(new))
    }

    @Test("none in five seconds is unknown: it may come yet")
    func none() {
        let run = run { _ in .page(.none) }
        #expect(run.looks.prefix(4) == [0, 250, 500, 1000] && run.looks.allSatisfy { $0 < 5000 })
        #expect(words(run.fate).contains("no new run of the test was seen"))
    }

    @Test("another one beside it, or in its place, or its going away, makes it unknown at once")
    func unclear() throws {
        let (new, other) = (try row("new"), try row("other"))
        let two = run { .page($0 == 0 ? .found(new) : .unclear("2 runs")) }
        #expect(two.looks == [0, 500] && two.fate == .unknown("2 runs"))
        #expect(words(run { .page($0 == 0 ? .found(new) : .found(other)) }.fate).contains("two runs"))
        #expect(words(run { .page($0 == 0 ? .found(new) : .none) }.fate).contains("went away"))
    }

    @Test("looks that fail say nothing; without room for any it is over")
    func failing() throws {
        let new = try row("new")
        #expect(run { $0 < 1000 ? .nothing : .page(.found(new)) }.fate == .started(new))
        #expect(words(run { _ in .nothing }.fate).contains("could not be read"))
        let never = run { _ in .never }
        #expect(never.looks == [0] && words(never.fate).contains("no call may be made"))
        let once = run { $0 == 0 ? .page(.found(new)) : .nothing }
        #expect(words(once.fate).contains("only once"))
    }
}
