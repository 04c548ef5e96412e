// Points of time, durations as numbers, and the one timer.

import Ground
import Synchronization
import TestSupport
import Testing

@Suite("Time")
struct TimeTests {
    @Test("a point of time and its span since 1970 are the same, before it as well")
    func sinceEpoch() {
        let cases: [(WallTime, Duration, Int64)] = [
            (WallTime(seconds: 0), .zero, 0),
            (WallTime(seconds: 1, nanoseconds: 5_999_999), .nanoseconds(1_005_999_999), 1005),
            (WallTime(seconds: -1, nanoseconds: 999_999_999), .nanoseconds(-1), -1),
            (WallTime(seconds: -2, nanoseconds: 500_000_000), .milliseconds(-1500), -1500),
        ]
        for (time, span, milliseconds) in cases {
            #expect(time.sinceEpoch == span && WallTime(sinceEpoch: span) == time)
            #expect(time.millisecondsSinceEpoch == milliseconds)
        }
        #expect(
            WallTime(seconds: 1, nanoseconds: 900_000_000) + .milliseconds(200)
                == WallTime(seconds: 2, nanoseconds: 100_000_000))
        #expect(WallTime(seconds: 1, nanoseconds: 2) < WallTime(seconds: 1, nanoseconds: 3))
        #expect(WallTime(seconds: 1, nanoseconds: 3) < WallTime(seconds: 2))
    }

    @Test("durations become whole numbers, cut off towards zero and never beyond their limits")
    func durations() {
        #expect(Duration.milliseconds(1500).clampedNanoseconds == 1_500_000_000)
        #expect(Duration.nanoseconds(-7).clampedNanoseconds == -7)
        #expect((Duration.nanoseconds(7) + .nanoseconds(1) / 2).clampedNanoseconds == 7)
        #expect(Duration.seconds(Int64.max / 2).clampedNanoseconds == 3_155_760_000 * 1_000_000_000)
        #expect(Duration.seconds(Int64.min / 2).clampedNanoseconds == -3_155_760_000 * 1_000_000_000)
        #expect(
            Duration.microseconds(2_999).wholeMilliseconds == 2 && Duration.microseconds(-2_999).wholeMilliseconds == -2
        )
        #expect(Duration.microseconds(2_999).tenthsOfMilliseconds == 29)
        for milliseconds in [0, 1, -1, 999, -999, .max, .min, .max / 1_000 * 1_000] {
            #expect(Duration.milliseconds(milliseconds).wholeMilliseconds == milliseconds)
        }
        #expect(Duration.seconds(Int64.max / 2).wholeMilliseconds == .max)
        #expect(Duration.seconds(Int64.min / 2).wholeMilliseconds == .min)
        #expect(Duration.seconds(Int64.max / 2).tenthsOfMilliseconds == 31_557_600_000_000)
    }

    @Test("the machine's wall clock says what other libraries read from it")
    func wallClock() {
        // After this was written, and before the year 9999.
        let time = Time.system.wallTime()
        #expect((1_795_000_000..<253_402_300_800).contains(time.seconds))
        #expect((0..<1_000_000_000).contains(time.nanoseconds))
        #expect((0..<1).contains(Time.system.random()))
    }
}

/// An owner as `DeadlineTimer` wants them.
private final class Owner: Sendable {
    let clock = TestClock()
    let fires = Mutex(0)
    let timer: Mutex<DeadlineTimer>

    init() {
        let clock = clock
        timer = Mutex(DeadlineTimer(time: Time(now: { clock.now }, sleep: { try await clock.sleep(until: $0) })))
    }

    func set(_ offset: Duration?) {
        let due = offset.map { clock.instant($0) }
        timer.withLock { $0.set(to: due) { self.fire() } }
    }

    func pull(_ offset: Duration) {
        let due = clock.instant(offset)
        timer.withLock { $0.pull(to: due) { self.fire() } }
    }

    func fires(by offset: Duration) -> Bool { timer.withLock { $0.fires(by: clock.instant(offset)) } }

    private func fire() {
        timer.withLock { timer in
            guard timer.fired() else { return }
            fires.withLock { $0 += 1 }
        }
    }

    var due: Duration? {
        timer.withLock { $0.due }.map { clock.instant(.zero).duration(to: $0) }
    }

    /// Moves the clock and returns when the timer's task has ended.
    func pass(_ span: Duration) async {
        let task = timer.withLock { $0.task }
        clock.advance(by: span)
        await task?.value
    }
}

@Suite("The deadline timer")
struct DeadlineTimerTests {
    @Test("it fires once, when its time has come, and is not armed any more")
    func fires() async throws {
        let owner = Owner()
        owner.set(.seconds(5))
        #expect(owner.due == .seconds(5))
        try await owner.clock.waitForSleeper(until: owner.clock.instant(.seconds(5)))
        owner.clock.advance(by: .seconds(4))
        #expect(owner.fires.withLock { $0 } == 0 && owner.clock.sleeperCount == 1)
        await owner.pass(.seconds(1))
        #expect(owner.fires.withLock { $0 } == 1 && owner.due == nil)
    }

    @Test("set moves it either way, and nil ends it; what it was set to before does not fire")
    func set() async throws {
        let owner = Owner()
        owner.set(.seconds(5))
        owner.set(.seconds(3))
        owner.set(.seconds(9))
        try await owner.clock.waitForSleeper(until: owner.clock.instant(.seconds(9)))
        owner.clock.advance(by: .seconds(8))
        #expect(owner.fires.withLock { $0 } == 0 && owner.due == .seconds(9))
        await owner.pass(.seconds(1))
        #expect(owner.fires.withLock { $0 } == 1)
        owner.set(.seconds(20))
        let task = owner.timer.withLock { $0.task }
        owner.set(nil)
        await task?.value
        owner.clock.advance(by: .seconds(60))
        #expect(owner.fires.withLock { $0 } == 1 && owner.due == nil && owner.clock.sleeperCount == 0)
    }

    @Test("set to what it is set to already, it goes on sleeping")
    func unchanged() async throws {
        let owner = Owner()
        owner.set(.seconds(5))
        let first = owner.timer.withLock { $0.task }
        owner.set(.seconds(5))
        #expect(first == owner.timer.withLock { $0.task } && first?.isCancelled == false)
        await owner.pass(.seconds(5))
        #expect(owner.fires.withLock { $0 } == 1)
    }

    @Test("pull moves it to an earlier time only")
    func pull() async throws {
        let owner = Owner()
        #expect(!owner.fires(by: .seconds(5)))
        owner.pull(.seconds(5))
        #expect(owner.fires(by: .seconds(5)) && owner.fires(by: .seconds(6)) && !owner.fires(by: .seconds(4)))
        owner.pull(.seconds(7))
        #expect(owner.due == .seconds(5))
        owner.pull(.seconds(2))
        #expect(owner.due == .seconds(2))
        await owner.pass(.seconds(2))
        #expect(owner.fires.withLock { $0 } == 1 && owner.due == nil)
        owner.clock.advance(by: .seconds(10))
        #expect(owner.clock.sleeperCount == 0)
    }

    @Test("one that was replaced while it waited for its owner's lock does not count")
    func replacedWhileFiring() async throws {
        let owner = Owner()
        owner.set(.seconds(1))
        let first = owner.timer.withLock { $0.task }
        // With the lock held its time comes, and it is replaced.
        owner.timer.withLock { timer in
            owner.clock.advance(by: .seconds(1))
            timer.set(to: owner.clock.instant(.seconds(9))) {}
        }
        await first?.value
        #expect(owner.fires.withLock { $0 } == 0 && owner.due == .seconds(9))
        owner.set(nil)
    }
}
