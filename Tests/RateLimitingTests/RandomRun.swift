// One long random run of the in-flight state machine beside a plain model: a list of those who wait. Every step checks
// what is promised: bounds, first come first served, nobody waiting beside a free permit, nobody lost or named twice.

import TestSupport
import Testing

@testable import RateLimiting

struct RandomRun {
    private struct Waiting {
        let id: UInt64
        let deadline: ContinuousClock.Instant
    }

    private let clock = TestClock()
    private let limits: InFlightGate.Limits
    private var random: SeededGenerator
    private var state: InFlightState
    private var nextID: UInt64 = 0
    private var waiting: [Waiting] = []
    private var inside = 0
    private var entered = 0
    private var admitted = 0
    private var refused = 0
    private var cancelled = 0

    init(seed: UInt64) {
        random = SeededGenerator(seed: seed)
        limits = InFlightGate.Limits(
            maxInFlight: Int.random(in: 1...6, using: &random), maxQueue: Int.random(in: 0...12, using: &random),
            maxWait: .seconds(20))
        state = InFlightState(limits: limits)
    }

    mutating func step() {
        clock.advance(by: .milliseconds(Int.random(in: 0...800, using: &random)))
        switch Int.random(in: 0..<10, using: &random) {
        case 0..<5: enter()
        case 5..<8: leave()
        case 8: cancel()
        default: expire()
        }
        #expect(state.inFlight == inside && state.queued == waiting.count)
        #expect(inside <= limits.maxInFlight && waiting.count <= limits.maxQueue)
        #expect(waiting.isEmpty || inside == limits.maxInFlight, "somebody waits beside a free permit")
        #expect(entered == admitted + refused + cancelled + waiting.count)
        #expect(state.nextDeadline == waiting.map(\.deadline).min())
    }

    /// Everybody leaves; then nothing may be left.
    mutating func drain() {
        while inside > 0 { leave() }
        #expect(state.inFlight == 0 && state.queued == 0 && waiting.isEmpty)
        #expect(entered == admitted + refused + cancelled)
    }

    private mutating func enter() {
        nextID += 1
        entered += 1
        let wait: Duration? = Bool.random(using: &random) ? nil : .seconds(Int.random(in: 0...30, using: &random))
        let isRoom = inside < limits.maxInFlight
        switch state.enter(nextID, wait: wait, now: clock.now) {
        case .admitted:
            #expect(isRoom && waiting.isEmpty)
            inside += 1
            admitted += 1
        case .queued:
            #expect(!isRoom)
            let longest = min(wait ?? limits.maxWait, limits.maxWait)
            waiting.append(Waiting(id: nextID, deadline: clock.now.advanced(by: longest)))
        case .refused(let refusal):
            refused += 1
            #expect(!isRoom)
            #expect((refusal.retryAfter ?? .zero) >= .seconds(1))
            if case .queueFull = refusal { #expect(waiting.count == limits.maxQueue) }
        }
    }

    private mutating func leave() {
        guard inside > 0 else { return }
        inside -= 1
        let hold = Duration.milliseconds(Int.random(in: 0...5000, using: &random))
        take(state.left(heldFor: hold, now: clock.now))
    }

    private mutating func cancel() {
        guard let index = waiting.indices.randomElement(using: &random) else {
            #expect(state.cancelled(nextID) == false)
            return
        }
        #expect(state.cancelled(waiting.remove(at: index).id) == true)
        cancelled += 1
    }

    private mutating func expire() {
        let now = clock.now
        let late = waiting.filter { $0.deadline <= now }.map(\.id)
        let turn = state.deadlinePassed(now: now)
        #expect(turn.admitted.isEmpty)
        #expect(turn.refused.map(\.id) == late)
        take(turn)
    }

    /// Those named must be the first of those who wait, each once, in order.
    private mutating func take(_ turn: InFlightState.Turn) {
        for gone in turn.refused {
            guard let index = waiting.firstIndex(where: { $0.id == gone.id }) else {
                Issue.record("\(gone.id) was refused but does not wait")
                continue
            }
            #expect(waiting.remove(at: index).deadline <= clock.now)
            refused += 1
        }
        for id in turn.admitted {
            #expect(waiting.first?.id == id, "first come, first served")
            waiting.removeAll { $0.id == id }
            admitted += 1
            inside += 1
        }
    }
}
