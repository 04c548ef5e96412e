// The gate with its lock, timer and suspended callers.

import Ground
import Synchronization
import TestSupport
import Testing

@testable import RateLimiting

extension Gate {
    /// Whether somebody would be let in now.
    var isOpen: Bool {
        guard let permit = tryAdmit(call()) else { return false }
        permit.release()
        return true
    }
}

/// Runs the tasks that prefer it only when the test says so.
private final class HandExecutor: TaskExecutor {
    private let jobs = Mutex<[UnownedJob]>([])

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        jobs.withLock { $0.append(job) }
    }

    func runAll() {
        while let job = jobs.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) {
            job.runSynchronously(on: asUnownedTaskExecutor())
        }
    }
}

/// How many are inside, and the most that ever were.
private final class Crowd: Sendable {
    private let count = Mutex((now: 0, most: 0))

    var most: Int { count.withLock { $0.most } }

    func enter() {
        count.withLock {
            $0.now += 1
            $0.most = max($0.most, $0.now)
        }
    }

    func leave() { count.withLock { $0.now -= 1 } }
}

@Suite("The gate", .timeLimit(.minutes(8)))
struct GateTests {
    private let clock = TestClock()

    private func gate(
        permits: Int = 1, windows: [GateWindow] = [], queue: Int = 5000, wait: Int = 30, observe: Bool = false
    ) -> Gate {
        let clock = clock
        return Gate(
            limits: GateLimits(
                windows: windows, maxInFlight: permits, maxQueue: queue, maxWait: .seconds(wait), observe: observe),
            time: Time(now: { clock.now }, sleep: { try await clock.sleep(until: $0) }), seed: 1)
    }

    @Test("a permit goes back once: at the end of its scope, when it is released, or with an error")
    func scopes() async throws {
        struct Broken: Error {}
        let gate = gate(permits: 3)
        do {
            let permit = try await gate.admit(call())
            let second = gate.tryAdmit(call())
            #expect(gate.statistics.inFlight == 2)
            second?.release()
            #expect(gate.statistics.inFlight == 1, "the other is held to the end of its scope")
            _ = permit
        }
        #expect(gate.statistics.inFlight == 0)
        await #expect(throws: Broken.self) {
            var permit = try await gate.admit(call())
            try await permit.send()
            throw Broken()
        }
        #expect(gate.statistics.inFlight == 0 && gate.isIdle)
    }

    @Test("a wait ends when somebody leaves, or at its deadline with a refusal")
    func waits() async throws {
        let gate = gate()
        let permit = try await gate.admit(call())
        let patient = Task.immediate { _ = try await gate.admit(call()) }
        let hasty = Task.immediate { _ = try await gate.admit(call(wait: .seconds(5))) }
        #expect(gate.statistics.queued.total == 2)
        try await clock.waitForSleeper(until: clock.instant(.seconds(5)))
        clock.advance(by: .seconds(5))
        let refusal = try await #require(throws: Gate.Refusal.self) { try await hasty.value }
        #expect(refusal.withoutWait == Gate.Refusal(reason: .places, retryAfter: .seconds(1)))
        permit.release()
        try await patient.value
        #expect(gate.isIdle)
    }

    @Test("the timer lets in those whom the pace allows, one after the other")
    func pace() async throws {
        let gate = gate(permits: 100, windows: [GateWindow(limit: 60, span: .seconds(60))])
        for _ in 0..<10 { #expect(gate.isOpen, "what is not sent is not spent") }
        var permits = 0
        while var permit = gate.tryAdmit(call()) {
            try await permit.send()
            permits += 1
        }
        #expect(permits == 3)
        let callers = (0..<4).map { _ in
            Task.immediate {
                var permit = try await gate.admit(call())
                try await permit.send()
            }
        }
        // The even interval is a little above a second, since two phantom calls and three real ones went ahead.
        for caller in callers {
            try await clock.waitForSleepers(1)
            clock.advance(by: .milliseconds(1300))
            try await caller.value
        }
        #expect(gate.statistics.windows[0].spent == 7)
    }

    @Test("a refused call waits out the pause inside its permit and is sent again, others have its slot meanwhile")
    func resend() async throws {
        let gate = gate(permits: 1, windows: [GateWindow(limit: 6000, span: .seconds(60))])
        let attempts = Mutex<[Duration]>([])
        let clock = clock
        let caller = Task.immediate {
            var permit = try await gate.admit(call(operation: "v2.runs.start", changes: true))
            for attempt in 0..<2 {
                try await permit.send()
                attempts.withLock { $0.append(clock.elapsed) }
                if attempt == 0 { permit.refused(cause: .operation, retryAfter: .told(.seconds(7))) }
            }
        }
        #expect(gate.statistics.queued.total == 1 && gate.statistics.inFlight == 0)
        do {
            var other = try await gate.admit(call())
            try await other.send()
        }
        try await clock.waitForSleepers(1)
        clock.advance(by: .seconds(7))
        #expect(gate.statistics.queued.total == 1, "never early; a little jitter comes on top")
        try await clock.waitForSleepers(1)
        clock.advance(by: .seconds(1))
        try await caller.value
        #expect(attempts.withLock { $0 } == [.zero, .seconds(8)])
        let report = gate.statistics
        #expect(report.windows[0].spent == 3 && report.inFlight == 0 && report.counts.resent == 1)
    }

    @Test("a call refused upstream for longer than it may wait gets its refusal at once and gives everything back")
    func tooLong() async throws {
        let gate = gate()
        var permit = try await gate.admit(call())
        try await permit.send()
        permit.refused(cause: .unknown, retryAfter: .told(.seconds(31)))
        var refusal: Gate.Refusal?
        do throws(Gate.Refusal) { try await permit.send() } catch { refusal = error }
        #expect(refusal?.reason == .coolDown && refusal?.retryAfter ?? .zero >= .seconds(31))
        #expect(gate.statistics.inFlight == 0)
        #expect(gate.pause(for: call()) ?? .zero >= .seconds(31))
        permit.release()
        #expect(gate.statistics.inFlight == 0, "not given back twice")
    }

    @Test("every further send of a permit takes its turn, in the place that the call had")
    func furtherSends() async throws {
        let gate = gate()
        var permit = try await gate.admit(call("mine"))
        let sends = [permit.trySend() != nil, permit.trySend() != nil]
        #expect(sends == [true, false])
        let later = Task.immediate { _ = try await gate.admit(call("mine")) }
        try await permit.send()
        #expect(gate.statistics.inFlight == 1 && gate.statistics.queued.total == 1)
        permit.release()
        try await later.value
    }

    @Test("a cancelled caller frees its place at once and is passed over")
    func cancellation() async throws {
        let gate = gate(queue: 2)
        let permit = try await gate.admit(call())
        let leaving = Task.immediate { _ = try await gate.admit(call()) }
        let staying = Task.immediate { _ = try await gate.admit(call()) }
        leaving.cancel()
        #expect(gate.statistics.queued.total == 1)
        await #expect(throws: Gate.Refusal(reason: .cancelled, retryAfter: nil)) { try await leaving.value }
        let late = Task.immediate { _ = try await gate.admit(call()) }
        #expect(gate.statistics.queued.total == 2, "and the next caller has its place")
        permit.release()
        try await staying.value
        try await late.value
        #expect(gate.isIdle && gate.statistics.counts.leftWaiting == 1)
    }

    @Test("a caller cancelled before it had to wait does not wait, and one cancelled in a pause is not sent again")
    func cancelledEarlyAndLate() async throws {
        let gate = gate(permits: 1)
        let permit = try await gate.admit(call())
        let early = Task.immediate {
            withUnsafeCurrentTask { $0?.cancel() }
            _ = try await gate.admit(call())
        }
        await #expect(throws: Gate.Refusal.self) { try await early.value }
        #expect(gate.statistics.queued.total == 0)
        permit.release()
        let late = Task.immediate {
            var permit = try await gate.admit(call())
            try await permit.send()
            permit.refused(cause: .tier, retryAfter: .told(.seconds(5)))
            try await permit.send()
            Issue.record("it was sent again")
        }
        #expect(gate.statistics.queued.total == 1)
        late.cancel()
        await #expect(throws: Gate.Refusal.self) { try await late.value }
        #expect(gate.statistics.queued.total == 0 && gate.statistics.inFlight == 0)
    }

    @Test("a caller cancelled between its admission and its waking gets no permit and loses none")
    func cancelledWhenAdmitted() async throws {
        let gate = gate()
        let permit = try await gate.admit(call())
        let executor = HandExecutor()
        let caller = Task(executorPreference: executor) { _ = try await gate.admit(call()) }
        executor.runAll()
        #expect(gate.statistics.queued.total == 1)
        permit.release()
        #expect(gate.statistics.inFlight == 1, "handed over, not yet awake")
        caller.cancel()
        executor.runAll()
        await #expect(throws: Gate.Refusal.self) { try await caller.value }
        #expect(gate.isIdle)
    }

    @Test("wider limits let the waiting in at once")
    func update() async throws {
        let gate = gate()
        let permit = try await gate.admit(call())
        let caller = Task.immediate { _ = try await gate.admit(call()) }
        gate.update(limits: GateLimits(windows: [], maxInFlight: 2))
        try await caller.value
        permit.release()
    }

    /// Whether a call may go now; then it is sent.
    private func goes(_ gate: Gate) async throws -> Bool {
        guard var permit = gate.tryAdmit(call()) else { return false }
        try await permit.send()
        permit.release()
        return true
    }

    @Test("other windows forget nothing that was sent: a narrower one is full at once, a wider one has the rest")
    func updateRemembers() async throws {
        let minute = Duration.seconds(60)
        let gate = gate(permits: 100, windows: [GateWindow(limit: 100, span: minute)])
        var sent = 0
        while try await goes(gate) { sent += 1 }
        #expect(sent > 0)
        // Half of a burst counts as spent by whoever was here before.
        gate.update(limits: GateLimits(windows: [GateWindow(limit: sent + 5, span: minute)], maxInFlight: 100))
        clock.advance(by: .seconds(59))
        #expect(try await !goes(gate), "all of it was spent within the minute")
        gate.update(limits: GateLimits(windows: [GateWindow(limit: sent + 6, span: minute)], maxInFlight: 100))
        clock.advance(by: .milliseconds(990))
        #expect(try await goes(gate))
        #expect(try await !goes(gate))
        clock.advance(by: .milliseconds(20))
        gate.update(limits: GateLimits(windows: [GateWindow(limit: 1_000_000, span: minute)], maxInFlight: 100))
        clock.advance(by: .seconds(1))
        #expect(try await goes(gate))
    }

    @Test("a window that is longer than all before knows what was sent before it, too", arguments: [true, false])
    func updateToLonger(hadWindow: Bool) async throws {
        let minute = GateWindow(limit: 1_000, span: .seconds(60))
        let gate = gate(permits: 100, windows: hadWindow ? [minute] : [])
        for _ in 0..<10 {
            #expect(try await goes(gate))
            clock.advance(by: .seconds(120))
        }
        let hour = GateWindow(limit: 10, span: .seconds(3_600))
        gate.update(limits: GateLimits(windows: [minute, hour], maxInFlight: 100))
        #expect(try await !goes(gate), "ten within twenty minutes")
        clock.advance(by: .seconds(3_600 - 1_201))
        #expect(try await !goes(gate), "the first counts for an hour, or a little longer")
        clock.advance(by: .seconds(700))
        #expect(try await goes(gate))
    }

    @Test("many callers on many threads, some cancelled, some refused upstream: every permit comes back once")
    func conservation() async {
        let gate = gate(permits: 4, windows: [GateWindow(limit: 10_000_000, span: .seconds(60))])
        let crowd = Crowd()
        let done = await withTaskGroup(of: Bool.self) { group in
            for number in 0..<2000 {
                group.addTask { @concurrent in
                    let caller = Task {
                        var permit = try await gate.admit(
                            call(
                                "tool \(number % 7)", number % 2 == 0 ? .interactive : .batch, changes: number % 5 == 0)
                        )
                        for _ in 0...number % 3 {
                            try await permit.send()
                            crowd.enter()
                            await Task.yield()
                            crowd.leave()
                        }
                    }
                    if number % 3 == 0 { caller.cancel() }
                    return (try? await caller.value) != nil
                }
            }
            return await group.reduce(into: 0) { if $1 { $0 += 1 } }
        }
        #expect(crowd.most <= 4)
        #expect(done >= 2000 - 667, "only the cancelled may be turned away")
        let report = gate.statistics
        #expect(report.inFlight == 0 && report.queued.total == 0 && report.windows[0].reserved == 0)
    }
}
