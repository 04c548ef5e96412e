// The one promise that nothing may break: never more than N sends in any span of a window's length. Long random runs,
// each beside a plain list of the instants at which calls were sent.

import Ground
import TestSupport
import Testing

@testable import RateLimiting

/// A gate state under random events, and what a strict upstream would have seen.
private struct WindowRun {
    private let limits: GateLimits
    private var random: SeededGenerator
    private var state: GateState
    private var now: Nanoseconds = 0
    private var nextID: UInt64 = 0
    private var tickets: [GateState.Ticket] = []
    private var waiting: Set<UInt64> = []
    private(set) var sends: [Nanoseconds] = []
    private(set) var runSends: [Nanoseconds] = []
    private(set) var problems: [String] = []

    init(seed: UInt64) {
        random = SeededGenerator(seed: seed)
        func windows(_ count: Int, _ random: inout SeededGenerator) -> [GateWindow] {
            (0..<count).map { _ in
                GateWindow(
                    limit: Int.random(in: 1...400, using: &random),
                    span: .milliseconds(Int.random(in: 1...20_000, using: &random)))
            }
        }
        let general = windows(Int.random(in: 1...3, using: &random), &random)
        limits = GateLimits(
            windows: general, runWindows: windows(1, &random), maxInFlight: Int.random(in: 1...300, using: &random),
            maxQueue: 50, maxWait: .seconds(5))
        state = GateState(limits: limits, seed: seed)
    }

    mutating func step() {
        // Mostly crowds, now and then a pause that saves up a burst.
        now += Int64.random(
            in: 0...(Int.random(in: 0..<200, using: &random) == 0 ? 30_000_000_000 : 3_000_000), using: &random)
        switch Int.random(in: 0..<20, using: &random) {
        case 0..<8: arrive()
        case 8..<14: send()
        case 14..<18: leave()
        case 18: again()
        default: take(state.passed(now: now))
        }
        check()
    }

    private mutating func arrive() {
        nextID += 1
        let request = GateRequest(
            caller: "tool \(Int.random(in: 0..<4, using: &random))",
            priority: GateRequest.Priority.allCases.randomElement(using: &random) ?? .batch, operation: "any",
            countsAsRun: Int.random(in: 0..<5, using: &random) == 0)
        let (entry, turn) = state.arrived(nextID, request, now: now)
        take(turn)
        switch entry {
        case .admitted(let ticket): tickets.append(ticket)
        case .queued: waiting.insert(nextID)
        case .refused: break
        }
    }

    /// Sends one that has not been sent.
    private mutating func send() {
        guard let index = tickets.indices.randomElement(using: &random), tickets[index].phase == .reserved else {
            return
        }
        let (mayGo, turn) = state.sending(&tickets[index], now: now)
        if !mayGo { problems.append("a reservation was not honoured") }
        sends.append(now)
        if tickets[index].request.countsAsRun { runSends.append(now) }
        take(turn)
    }

    private mutating func leave() {
        guard let index = tickets.indices.randomElement(using: &random) else { return }
        take(state.left(tickets.remove(at: index), now: now))
    }

    private mutating func again() {
        guard let index = tickets.indices.randomElement(using: &random), tickets[index].phase != .reserved else {
            return
        }
        let ticket = tickets.remove(at: index)
        let (entry, turn) = state.arrivedAgain(ticket, now: now)
        take(turn)
        switch entry {
        case .admitted(let ticket): tickets.append(ticket)
        case .queued: waiting.insert(ticket.id)
        case .refused: break
        }
    }

    private mutating func take(_ turn: GateState.Turn) {
        for ticket in turn.admitted {
            if waiting.remove(ticket.id) == nil { problems.append("\(ticket.id) was let in twice") }
            tickets.append(ticket)
        }
        for (id, _) in turn.refused where waiting.remove(id) == nil { problems.append("\(id) was refused twice") }
    }

    /// The newest send and the one `limit` before it must lie more than the span apart.
    private mutating func check() {
        func crowd(_ sends: [Nanoseconds], _ windows: [GateWindow]) -> Bool {
            windows.contains { window in
                guard sends.count > window.limit, let last = sends.last else { return false }
                return last - sends[sends.count - 1 - window.limit] <= window.span.clampedNanoseconds
            }
        }
        if crowd(sends, limits.windows) { problems.append("too many sends at \(now)") }
        if crowd(runSends, limits.runWindows) { problems.append("too many runs at \(now)") }
        if state.places.taken != tickets.count { problems.append("permits were lost") }
        if state.room.count != waiting.count { problems.append("waiting calls were lost") }
    }
}

@Suite("Hard windows")
struct HardWindowTests {
    @Test("a window that is used to the full, without any pace, never holds more than its limit", arguments: 0..<20)
    func windowAlone(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        let limit = Int.random(in: 1...3000, using: &random)
        let span = Int64.random(in: 1_000_000...10_000_000_000, using: &random)
        var window = SlidingWindow(GateWindow(limit: limit, span: .nanoseconds(span)))
        var now: Nanoseconds = 0
        var sends: [Nanoseconds] = []
        var reserved = 0
        for _ in 0..<25_000 {
            now += Int64.random(in: 0...max(span / Int64(limit) / 2, 1), using: &random)
            window.advance(to: now)
            let opening = window.opening(now: now)
            if opening > now, opening != .never, Int.random(in: 0..<20, using: &random) == 0 {
                // Right up to the opening, and not a nanosecond before it.
                window.advance(to: opening - 1)
                if window.room > 0 { Issue.record("seed \(seed): open before \(opening)") }
                now = opening
                window.advance(to: now)
                if window.room <= 0 { Issue.record("seed \(seed): closed at \(opening)") }
            }
            let burst = Int.random(in: 0..<3, using: &random)
            for _ in 0..<burst where window.opening(now: now) <= now {
                window.reserve()
                reserved += 1
            }
            if reserved > 0, Bool.random(using: &random) {
                reserved -= 1
                if Int.random(in: 0..<10, using: &random) == 0 {
                    window.cancelReservation()
                } else {
                    window.send(now: now)
                    sends.append(now)
                    if sends.count > limit, now - sends[sends.count - 1 - limit] <= span {
                        Issue.record("seed \(seed): too many sends at \(now)")
                        return
                    }
                }
            }
        }
        #expect(window.reserved == reserved && window.log.count <= 1026 && sends.count > 1000)
    }

    @Test("a million random steps never send more than a window allows in any span of its length", arguments: 0..<10)
    func neverTooMany(batch: Int) {
        var sends = 0
        for seed in 0..<20 {
            var run = WindowRun(seed: UInt64(batch * 20 + seed))
            for _ in 0..<3500 { run.step() }
            #expect(run.problems.isEmpty, "seed \(batch * 20 + seed): \(run.problems.first ?? "")")
            sends += run.sends.count
        }
        #expect(sends > 3000, "the runs must get somewhere")
    }
}
