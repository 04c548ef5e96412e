// When the objects of a lost delete are looked at, and what the looks say together.

import Testing

@testable import Proxy

@Suite struct LookScheduleTests {
    private typealias Milliseconds = Int
    private let start = ContinuousClock.now

    /// Runs a schedule; each look takes `lasting` and sees what the object shows when it ends.
    private func run(
        objects: Int = 1, lasting: Milliseconds = 10,
        _ sight: (_ object: Int, _ at: Milliseconds) -> LookSchedule.Sight?
    ) -> (looks: [(object: Int, at: Milliseconds)], fate: ObjectFate, over: Milliseconds) {
        var schedule = LookSchedule(objects: objects, now: start)
        var looks: [(object: Int, at: Milliseconds)] = []
        var underWay: [(object: Int, ends: Milliseconds)] = []
        var now = 0
        func instant(_ at: Milliseconds) -> ContinuousClock.Instant { start + .milliseconds(at) }
        while true {
            while let index = underWay.firstIndex(where: { $0.ends <= now }) {
                let ended = underWay.remove(at: index)
                if let sight = sight(ended.object, ended.ends) {
                    schedule.saw(sight, of: ended.object)
                } else {
                    schedule.cannotLook()
                }
            }
            switch schedule.next(now: instant(now)) {
            case .over(let fate): return (looks, fate, now)
            case .look(let object):
                looks.append((object, now))
                underWay.append((object, now + lasting))
            case .wait(let until):
                #expect(until > instant(now))
                let next = (until - start).components
                let wakes = Int(next.seconds) * 1000 + Int(next.attoseconds / 1_000_000_000_000_000)
                now = min(wakes, underWay.map(\.ends).min() ?? .max)
            }
        }
    }

    @Test("gone at the first look is gone, at once")
    func atOnce() {
        let run = run { _, _ in .gone }
        #expect(run.looks.map(\.at) == [0] && run.fate == .gone && run.over == 10)
    }

    @Test("still there is looked at again, less and less often, until five seconds are over")
    func stillThere() {
        let run = run { _, _ in .there }
        #expect(run.looks.map(\.at) == [0, 250, 500, 1000, 2000, 3000, 4000, 4750])
        #expect(run.fate == .there && run.over == 5000)
    }

    @Test("what goes within five seconds is found to be gone", arguments: [1, 700, 2300, 3900, 4700])
    func late(after: Int) {
        let run = run { _, at in at < after ? .there : .gone }
        #expect(run.fate == .gone && run.over < after + 1100)
    }

    @Test("a look that says nothing is made again, and proves nothing")
    func nothing() {
        let run = run { _, at in at < 300 ? .there : .nothing }
        #expect(run.fate == .unknown && run.over == 5000 && run.looks.count == 8)
        #expect(self.run { _, at in at < 300 ? .nothing : .gone }.fate == .gone)
    }

    @Test("what cannot be looked at is unknown at once")
    func impossible() {
        let run = run { _, _ in nil }
        #expect(run.fate == .unknown && run.over == 10)
    }

    @Test("a look that never ends does not hold up the end")
    func hanging() {
        let run = run(lasting: 60_000) { _, _ in .gone }
        #expect(run.looks.count == 1 && run.fate == .unknown && run.over == 5000)
    }

    @Test("looks of one delete begin a quarter of a second apart, whichever of its objects they are for")
    func spacing() {
        for objects in 1...10 {
            let run = run(objects: objects, lasting: 30) { object, at in at < 300 * object ? .there : .gone }
            #expect(run.fate == .gone)
            let times = run.looks.map(\.at)
            #expect(zip(times, times.dropFirst()).allSatisfy { $1 - $0 >= 250 })
            #expect(Set(run.looks.map(\.object)).count == objects)
        }
    }

    @Test("of several objects all have to be gone, or all there, for that to be said")
    func several() {
        #expect(run(objects: 3) { _, _ in .gone }.fate == .gone)
        #expect(run(objects: 3) { _, _ in .there }.fate == .there)
        #expect(run(objects: 3) { object, _ in object == 1 ? .gone : .there }.fate == .unknown)
        #expect(run(objects: 0) { _, _ in .gone }.fate == .unknown)
    }
}
