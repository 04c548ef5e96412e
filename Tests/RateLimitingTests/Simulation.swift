// Tools that call through a gate state, in simulated time: each has some threads, each thread thinks, asks for its turn,
// calls, and begins again when the answer is there. Calls arrive upstream a random while after they were sent.

import Ground
import HeapModule
import TestSupport

@testable import RateLimiting

struct Simulation {
    struct Tool {
        var request: GateRequest
        var threads = 2
        /// Between an answer and the next call.
        var think: Nanoseconds = 44_000_000

        // What came of it.
        var done = 0
        var refusals = 0
        var waits: [Nanoseconds] = []
    }

    private enum Event {
        /// A thread of the tool wants to call.
        case ask(tool: Int)
        case arrive(call: UInt64)
        case answer(call: UInt64, retryAfter: Int64?)
        case timer
        /// Somebody else calls with the same client id.
        case stranger
    }

    private struct Entry: Comparable {
        let at: Nanoseconds
        let order: Int
        let event: Event

        static func < (left: Entry, right: Entry) -> Bool {
            left.at == right.at ? left.order < right.order : left.at < right.at
        }
        static func == (left: Entry, right: Entry) -> Bool { left.order == right.order }
    }

    private struct Call {
        let tool: Int
        var askedAt: Nanoseconds
        var ticket: GateState.Ticket?
        var sentAt: Nanoseconds = 0
    }

    private(set) var state: GateState
    private(set) var upstream: StrictUpstream
    private(set) var tools: [Tool]
    private(set) var strangers = 0
    /// Between two calls of strangers; nil while there are none.
    var strangerInterval: (_ now: Nanoseconds) -> Nanoseconds?
    var cause = LimitCause.tier
    private var events = Heap<Entry>()
    private var order = 0
    private var nextID: UInt64 = 0
    private var calls: [UInt64: Call] = [:]
    private var timerAt: Nanoseconds?
    private var random: SeededGenerator
    private var now: Nanoseconds = 0

    init(
        limits: GateLimits, upstream: [GateWindow], tools: [Tool], seed: UInt64,
        strangers: @escaping (_ now: Nanoseconds) -> Nanoseconds? = { _ in nil }
    ) {
        state = GateState(limits: limits, seed: seed)
        self.upstream = StrictUpstream(upstream)
        self.tools = tools
        strangerInterval = strangers
        random = SeededGenerator(seed: seed)
        for index in tools.indices {
            for _ in 0..<tools[index].threads { schedule(.ask(tool: index), in: milliseconds(0...200)) }
        }
        schedule(.stranger, in: .oneSecond)
    }

    mutating func run(for span: Nanoseconds) {
        while let entry = events.min, entry.at <= span {
            events.removeMin()
            now = entry.at
            handle(entry.event)
            rearm()
        }
    }

    private mutating func handle(_ event: Event) {
        switch event {
        case .ask(let tool): ask(tool)
        case .arrive(let id): arrive(id)
        case .answer(let id, let retryAfter): answered(id, retryAfter)
        case .timer:
            if timerAt == now { timerAt = nil }
            take(state.passed(now: now))
        case .stranger:
            guard let interval = strangerInterval(now) else { return schedule(.stranger, in: .oneSecond) }
            if upstream.call(sentAt: 0, now: now, knownAfter: 0).retryAfter == nil { strangers += 1 }
            schedule(.stranger, in: interval)
        }
    }

    private mutating func ask(_ tool: Int) {
        nextID += 1
        let id = nextID
        calls[id] = Call(tool: tool, askedAt: now)
        let (entry, turn) = state.arrived(id, tools[tool].request, now: now)
        take(turn)
        entered(id, entry)
    }

    private mutating func entered(_ id: UInt64, _ entry: GateState.Entry) {
        switch entry {
        case .admitted(let ticket): send(ticket)
        case .queued: break
        case .refused(let refusal): turnedAway(id, refusal)
        }
    }

    private mutating func turnedAway(_ id: UInt64, _ refusal: Gate.Refusal) {
        guard let call = calls.removeValue(forKey: id) else { return }
        tools[call.tool].refusals += 1
        schedule(.ask(tool: call.tool), in: max(refusal.retryAfter ?? .zero, .seconds(1)).clampedNanoseconds)
    }

    private mutating func send(_ ticket: GateState.Ticket) {
        var ticket = ticket
        guard var call = calls[ticket.id] else { return }
        tools[call.tool].waits.append(now - call.askedAt)
        let (mayGo, turn) = state.sending(&ticket, now: now)
        precondition(mayGo, "it was admitted just now")
        call.ticket = ticket
        call.sentAt = now
        calls[ticket.id] = call
        schedule(.arrive(call: ticket.id), in: milliseconds(5...60))
        take(turn)
    }

    private mutating func arrive(_ id: UInt64) {
        guard let call = calls[id] else { return }
        let answer = upstream.call(sentAt: call.sentAt, now: now, knownAfter: 100_000_000)
        schedule(.answer(call: id, retryAfter: answer.retryAfter), in: milliseconds(45...90))
    }

    private mutating func answered(_ id: UInt64, _ retryAfter: Int64?) {
        guard let ticket = calls[id]?.ticket, let tool = calls[id]?.tool else { return }
        if let retryAfter {
            let (_, _, turn) = state.refusedUpstream(
                ticket, cause: cause, retryAfter: .told(.seconds(retryAfter)), now: now)
            take(turn)
            calls[id]?.askedAt = now
            let (entry, next) = state.arrivedAgain(ticket, now: now)
            take(next)
            entered(id, entry)
        } else {
            calls[id] = nil
            tools[tool].done += 1
            schedule(.ask(tool: tool), in: tools[tool].think)
            take(state.left(ticket, now: now))
        }
    }

    private mutating func take(_ turn: GateState.Turn) {
        for ticket in turn.admitted { send(ticket) }
        for (id, refusal) in turn.refused { turnedAway(id, refusal) }
    }

    private mutating func rearm() {
        guard let due = state.nextEvent(now: now), due < timerAt ?? .max else { return }
        timerAt = max(due, now)
        schedule(.timer, in: max(due - now, 0))
    }

    private mutating func schedule(_ event: Event, in delay: Nanoseconds) {
        order += 1
        events.insert(Entry(at: now + delay, order: order, event: event))
    }

    private mutating func milliseconds(_ range: ClosedRange<Int64>) -> Nanoseconds {
        Int64.random(in: range.lowerBound * 1_000_000...range.upperBound * 1_000_000, using: &random)
    }
}

/// Jain's index: 1 when all have the same, 1/n when one has all.
func jainIndex(_ shares: [Double]) -> Double {
    let sum = shares.reduce(0, +)
    let squares = shares.reduce(0) { $0 + $1 * $1 }
    return squares == 0 ? 1 : sum * sum / (Double(shares.count) * squares)
}

/// The value below which a share of all lies.
func percentile(_ share: Double, _ values: [Nanoseconds]) -> Nanoseconds {
    let sorted = values.sorted()
    return sorted.isEmpty ? 0 : sorted[min(Int(Double(sorted.count) * share), sorted.count - 1)]
}
