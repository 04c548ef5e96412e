// Ten thousand tools on all threads that board, wait, give up and come late, while fetches are sent, dropped, detached and
// end in every way: everybody lands, each once, with what is its own, and nothing is left behind.

import Synchronization
import TestSupport
import Testing

@testable import Caching

private enum Outcome: Sendable, Equatable {
    case page(Int)
    case alone(Int)
    case live(Int)
    case dropped(Int)

    var fetch: Int {
        switch self {
        case .page(let fetch), .alone(let fetch), .live(let fetch), .dropped(let fetch): fetch
        }
    }
}

private struct WeakFlight {
    weak var flight: Flight<Outcome>?
}

/// What happened, from all threads.
private struct Ledger {
    var numbers: [ObjectIdentifier: Int] = [:]
    var flights: [WeakFlight] = []
    var fetches: [Task<Void, Never>] = []
    var drops: [Int: Int] = [:]
    var live: [Int: Int] = [:]
    var landings = ["ended": 0, "late": 0, "left": 0]
    var mistakes: [String] = []
}

private final class Storm: Sendable {
    let clock = TestClock()
    let table: FlightTable<Outcome>
    let ledger = Mutex(Ledger())
    let keys: [CacheKey]

    init() {
        table = FlightTable(time: FlightFixture.time(clock))
        keys = (0..<6).map { number in
            var key = CacheKey(partition: "own", estimatedBytes: 16)
            key.appendTarget { $0 += "/reports/\(number)".utf8 }
            return key
        }
    }

    /// One tool after the other, with random breaks and decisions.
    func tools(_ count: Int, seed: UInt64) async {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<count {
            let key = keys[Int.random(in: 0..<keys.count, using: &random)]
            let deadline = clock.now + .milliseconds(Int.random(in: 0...3000, using: &random))
            let rank = Int.random(in: 0...1, using: &random)
            let flight: Flight<Outcome>
            let waiter: Flight<Outcome>.Waiter
            var mayBeLive = true
            switch table.board(key, rank: rank, deadline: deadline, wantsNew: rank == 0 && random.next() % 8 == 0) {
            case .lead(let begun, let me):
                (flight, waiter) = (begun, me)
                fetch(flight, key, seed: random.next())
            case .follow(let joined, let me): (flight, waiter, mayBeLive) = (joined, me, false)
            case .alone:
                (flight, waiter) = table.alone(rank: rank, deadline: deadline)
                fetch(flight, key, seed: random.next())
            }
            let wait = Task { await flight.landing(of: waiter) }
            let patience = Int.random(in: 0...9, using: &random)
            if patience < 4 {
                for _ in 0..<patience { await Task.yield() }
                wait.cancel()
            }
            note(await wait.value, flight, mayBeLive: mayBeLive)
        }
    }

    private func note(_ landing: Flight<Outcome>.Landing, _ flight: Flight<Outcome>, mayBeLive: Bool) {
        ledger.withLock { ledger in
            switch landing {
            case .late: ledger.landings["late", default: 0] += 1
            case .left: ledger.landings["left", default: 0] += 1
            case .ended(let outcome):
                ledger.landings["ended", default: 0] += 1
                if let number = ledger.numbers[ObjectIdentifier(flight)], number != outcome.fetch {
                    ledger.mistakes.append("landed with the outcome of another fetch")
                }
                guard case .live(let number) = outcome else { return }
                ledger.live[number, default: 0] += 1
                if !mayBeLive { ledger.mistakes.append("a follower got what is the leader's") }
            }
        }
    }

    /// Flies as the proxy's fetches do.
    private func fetch(_ flight: Flight<Outcome>, _ key: CacheKey, seed: UInt64) {
        let number = ledger.withLock { ledger in
            ledger.flights.append(WeakFlight(flight: flight))
            ledger.numbers[ObjectIdentifier(flight)] = ledger.flights.count
            return ledger.flights.count
        }
        let task = Task { [self] in
            var random = SeededGenerator(seed: seed)
            for _ in 0..<Int.random(in: 0...6, using: &random) where !Task.isCancelled { await Task.yield() }
            guard !Task.isCancelled else { return end(flight, key, .dropped(number), nil) }
            flight.sent()
            for _ in 0..<Int.random(in: 0...6, using: &random) { await Task.yield() }
            while random.next() % 4 == 0 {
                flight.held()
                for _ in 0..<Int.random(in: 0...6, using: &random) where !Task.isCancelled { await Task.yield() }
                guard !Task.isCancelled else { return end(flight, key, .dropped(number), nil) }
                flight.sent()
            }
            switch Int.random(in: 0..<8, using: &random) {
            case 0:
                table.remember(key, .setCookie)
                end(flight, key, .alone(number), .live(number))
            case 1:
                flight.endForLeader(.live(number))
                await Task.yield()
                end(flight, key, .page(number), nil)
            default: end(flight, key, .page(number), nil)
            }
        }
        ledger.withLock { $0.fetches.append(task) }
        flight.onDrop { [self] in
            ledger.withLock { $0.drops[number, default: 0] += 1 }
            task.cancel()
        }
    }

    private func end(
        _ flight: Flight<Outcome>, _ key: CacheKey, _ outcome: Outcome, _ leader: Outcome?
    ) {
        table.remove(flight, key)
        flight.end(outcome, leader: leader)
    }

    /// Time passes, writes detach, memories end, refreshes begin.
    func weather(seed: UInt64) async {
        var random = SeededGenerator(seed: seed)
        while !Task.isCancelled {
            let key = keys[Int.random(in: 0..<keys.count, using: &random)]
            switch Int.random(in: 0..<4, using: &random) {
            case 0: clock.advance(by: .milliseconds(500))
            case 1: table.detachSent()
            case 2: table.forget(key)
            default: if let flight = table.refresh(key, rank: 9) { fetchInBackground(flight, key) }
            }
            await Task.yield()
        }
    }

    private func fetchInBackground(_ flight: Flight<Outcome>, _ key: CacheKey) {
        let number = ledger.withLock { ledger in
            ledger.flights.append(WeakFlight(flight: flight))
            ledger.numbers[ObjectIdentifier(flight)] = ledger.flights.count
            return ledger.flights.count
        }
        let task = Task { [self] in
            await Task.yield()
            flight.sent()
            await Task.yield()
            end(flight, key, .page(number), nil)
        }
        flight.onDrop { [self] in ledger.withLock { $0.mistakes.append("a refresh was given up") } }
        ledger.withLock { $0.fetches.append(task) }
    }
}

@Suite("Flights under load", .timeLimit(.minutes(8)))
struct FlightStormTests {
    @Test("ten thousand tools land once each with what is theirs, and nothing is left")
    func storm() async throws {
        let storm = Storm()
        await withTaskGroup(of: Void.self) { group in
            let weather = Task { @concurrent in await storm.weather(seed: 99) }
            for seed in 0..<40 {
                group.addTask { @concurrent in await storm.tools(250, seed: UInt64(seed)) }
            }
            await group.waitForAll()
            weather.cancel()
            await weather.value
        }
        let fetches = storm.ledger.withLock { ledger in
            defer { ledger.fetches = [] }
            return ledger.fetches
        }
        for fetch in fetches { await fetch.value }
        try await storm.clock.waitForNoSleepers()
        #expect(storm.table.count == 0)
        storm.ledger.withLock { ledger in
            #expect(ledger.mistakes.isEmpty)
            #expect(ledger.landings.values.reduce(0, +) == 10_000)
            for (kind, count) in ledger.landings { #expect(count > 50, "\(kind) was hardly tried") }
            #expect(ledger.live.values.allSatisfy { $0 == 1 } && ledger.live.count > 50)
            #expect(ledger.drops.values.allSatisfy { $0 == 1 } && ledger.drops.count > 50)
            #expect(ledger.flights.allSatisfy { $0.flight == nil })
        }
    }
}
