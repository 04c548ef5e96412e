// The gate with its lock, timer and suspended callers.

import Synchronization
import TestSupport
import Testing

@testable import RateLimiting

/// Who came in, in which order, and how many were in at the same time.
private final class Room: Sendable {
    private struct Book {
        var order: [Int] = []
        var inside = 0
        var most = 0
    }
    private let book = Mutex(Book())

    var order: [Int] { book.withLock { $0.order } }
    var most: Int { book.withLock { $0.most } }

    func comeIn(_ number: Int) {
        book.withLock {
            $0.order.append(number)
            $0.inside += 1
            $0.most = max($0.most, $0.inside)
        }
    }

    func goOut() { book.withLock { $0.inside -= 1 } }
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

@Suite("The in-flight gate", .timeLimit(.minutes(2)))
struct InFlightGateTests {
    private let clock = TestClock()

    private func gate(permits: Int, queue: Int, wait: Int = 30) -> InFlightGate {
        let clock = clock
        return InFlightGate(
            limits: .init(maxInFlight: permits, maxQueue: queue, maxWait: .seconds(wait)),
            time: GateTime(now: { clock.now }, sleep: { try await clock.sleep(until: $0) }))
    }

    @Test("a permit goes back once: at the end of its scope, or when it is released")
    func scopes() async throws {
        let gate = gate(permits: 3, queue: 0)
        do {
            let permit = try await gate.enter()
            let second = gate.tryEnter()
            #expect(gate.statistics.inFlight == 2)
            second?.release()
            #expect(gate.statistics.inFlight == 1)
            _ = permit.admittedAt
        }
        #expect(gate.statistics.inFlight == 0)
    }

    @Test("a permit is held to the end of its scope, not just to where it is last mentioned")
    func lastMention() async throws {
        let gate = gate(permits: 1, queue: 0)
        func hold() async throws -> Int {
            let permit = try await gate.enter()
            _ = permit.admittedAt
            await Task.yield()
            return gate.statistics.inFlight
        }
        #expect(try await hold() == 1)
        #expect(gate.statistics.inFlight == 0)
    }

    @Test("an error between admission and answer gives the permit back")
    func errors() async throws {
        struct Broken: Error {}
        let gate = gate(permits: 1, queue: 0)
        await #expect(throws: Broken.self) {
            let permit = try await gate.enter()
            defer { _ = permit.admittedAt }
            throw Broken()
        }
        #expect(gate.statistics.inFlight == 0)
    }

    @Test("those who wait come in one by one in the order of their coming")
    func order() async throws {
        let gate = gate(permits: 1, queue: 100)
        let room = Room()
        let first = try await gate.enter()
        let callers = (0..<100).map { number in
            Task.immediate {
                let permit = try await gate.enter()
                room.comeIn(number)
                permit.release()
            }
        }
        #expect(gate.statistics == .init(inFlight: 1, queued: 100, averageHold: nil))
        await #expect(throws: GateRefusal.queueFull(retryAfter: .seconds(101))) { _ = try await gate.enter() }
        #expect(gate.tryEnter()?.admittedAt == nil)
        first.release()
        for caller in callers { try await caller.value }
        #expect(room.order == Array(0..<100))
        #expect(gate.statistics.inFlight == 0)
    }

    @Test("a wait ends at its deadline with a refusal, the shorter one first")
    func deadlines() async throws {
        let gate = gate(permits: 1, queue: 10)
        let permit = try await gate.enter()
        let patient = Task.immediate { _ = try await gate.enter() }
        let hasty = Task.immediate { _ = try await gate.enter(wait: .seconds(5)) }
        try await clock.waitForSleeper(until: clock.instant(.seconds(5)))
        clock.advance(by: .seconds(5))
        let refusal = try await #require(throws: GateRefusal.self) { try await hasty.value }
        guard case .deadline(let retryAfter) = refusal else {
            Issue.record("refused for another reason: \(refusal)")
            return
        }
        #expect(retryAfter >= .seconds(1))
        #expect(gate.statistics.queued == 1)
        try await clock.waitForSleeper(until: clock.instant(.seconds(30)))
        clock.advance(by: .seconds(25))
        await #expect(throws: GateRefusal.self) { try await patient.value }
        #expect(gate.statistics == .init(inFlight: 1, queued: 0, averageHold: nil))
        // Neither the timer that the shorter wait replaced nor its successor is left.
        try await clock.waitForNoSleepers()
        permit.release()
    }

    @Test("a cancelled caller frees its place at once and is passed over")
    func cancellation() async throws {
        let gate = gate(permits: 1, queue: 2)
        let permit = try await gate.enter()
        let leaving = Task.immediate { _ = try await gate.enter() }
        let staying = Task.immediate { try await gate.enter().admittedAt }
        leaving.cancel()
        #expect(gate.statistics.queued == 1)
        await #expect(throws: GateRefusal.cancelled) { try await leaving.value }
        let late = Task.immediate { _ = try await gate.enter() }
        #expect(gate.statistics.queued == 2, "and the next caller has its place")
        permit.release()
        _ = try await staying.value
        try await late.value
        #expect(gate.statistics.inFlight == 0)
    }

    @Test("a caller that was cancelled before it had to wait does not wait")
    func cancelledBefore() async throws {
        let gate = gate(permits: 1, queue: 1)
        let permit = try await gate.enter()
        let caller = Task.immediate {
            withUnsafeCurrentTask { $0?.cancel() }
            _ = try await gate.enter()
        }
        await #expect(throws: GateRefusal.cancelled) { try await caller.value }
        #expect(gate.statistics.queued == 0)
        permit.release()
    }

    @Test("a caller cancelled between its admission and its waking gets no permit and loses none")
    func cancelledWhenAdmitted() async throws {
        let gate = gate(permits: 1, queue: 1)
        let permit = try await gate.enter()
        let executor = HandExecutor()
        let caller = Task(executorPreference: executor) { _ = try await gate.enter() }
        executor.runAll()
        #expect(gate.statistics.queued == 1)
        permit.release()
        #expect(gate.statistics == .init(inFlight: 1, queued: 0, averageHold: .zero), "handed over, not yet awake")
        caller.cancel()
        executor.runAll()
        await #expect(throws: GateRefusal.cancelled) { try await caller.value }
        #expect(gate.statistics.inFlight == 0)
    }

    @Test("wider limits let the waiting in at once")
    func update() async throws {
        let gate = gate(permits: 1, queue: 5)
        let permit = try await gate.enter()
        let caller = Task.immediate { try await gate.enter().admittedAt }
        gate.update(limits: .init(maxInFlight: 2, maxQueue: 5, maxWait: .seconds(30)))
        _ = try await caller.value
        permit.release()
    }

    @Test("the gate learns how long permits are held")
    func learning() async throws {
        let gate = gate(permits: 1, queue: 0)
        let permit = try await gate.enter()
        clock.advance(by: .seconds(4))
        permit.release()
        #expect(gate.statistics.averageHold == .seconds(4))
    }

    @Test("two thousand callers on many threads, a third of them cancelled: never more in than may, none lost")
    func conservation() async {
        let gate = gate(permits: 4, queue: 2000)
        let room = Room()
        let outcomes = await withTaskGroup(of: Bool.self) { group in
            for number in 0..<2000 {
                group.addTask { @concurrent in
                    let caller = Task {
                        let permit = try await gate.enter()
                        room.comeIn(number)
                        await Task.yield()
                        room.goOut()
                        permit.release()
                    }
                    if number % 3 == 0 { caller.cancel() }
                    return (try? await caller.value) != nil
                }
            }
            return await group.reduce(into: (done: 0, gone: 0)) { if $1 { $0.done += 1 } else { $0.gone += 1 } }
        }
        #expect(room.most <= 4)
        #expect(outcomes.done + outcomes.gone == 2000)
        #expect(outcomes.done >= 2000 - 667, "only the cancelled may be turned away")
        #expect(gate.statistics.inFlight == 0 && gate.statistics.queued == 0)
    }
}
