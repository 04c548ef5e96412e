// What the tests of flights share: a clock moved by hand, tools that wait, and a count of drops.

import Ground
import Synchronization
import TestSupport

@testable import Caching

/// Flights whose outcome is a text.
struct FlightFixture {
    typealias Landing = Flight<String>.Landing

    let clock = TestClock()
    let table: FlightTable<String>

    init() { table = FlightTable(time: Self.time(clock)) }

    static func time(_ clock: TestClock) -> Time {
        Time(now: { clock.now }, sleep: { try await clock.sleep(until: $0) })
    }

    func key(_ name: String = "/reports") -> CacheKey {
        var key = CacheKey(partition: "own", estimatedBytes: 32)
        key.appendTarget { $0 += name.utf8 }
        return key
    }

    func deadline(_ seconds: Int = 30) -> ContinuousClock.Instant { clock.instant(.seconds(seconds)) }

    /// A flight that nobody has joined yet.
    func flight(isBackground: Bool = false) -> Flight<String> {
        Flight(rank: 0, isBackground: isBackground, time: Self.time(clock))
    }

    /// Joins and waits; it is registered when this returns.
    func wait(_ flight: Flight<String>, _ seconds: Int = 30) -> Task<String, Never>? {
        guard let waiter = flight.join(deadline: deadline(seconds)) else { return nil }
        return Task.immediate { Self.text(await flight.landing(of: waiter)) }
    }

    static func text(_ landing: Landing) -> String {
        switch landing {
        case .ended(let outcome): outcome
        case .late: "late"
        case .left: "left"
        }
    }

    /// How a board ended, with its flight and waiter.
    func board(
        _ key: CacheKey? = nil, rank: Int = 0, wantsNew: Bool = false
    ) -> (role: Role, flight: Flight<String>?, waiter: Flight<String>.Waiter?) {
        switch table.board(key ?? self.key(), rank: rank, deadline: deadline(), wantsNew: wantsNew) {
        case .lead(let flight, let waiter): (.lead, flight, waiter)
        case .follow(let flight, let waiter): (.follow, flight, waiter)
        case .alone(let reason): (.alone(reason), nil, nil)
        }
    }

    enum Role: Equatable {
        case lead
        case follow
        case alone(CacheReason)
    }
}

/// Counts what is called from any thread.
final class Counter: Sendable {
    private let calls = Mutex(0)

    var count: Int { calls.withLock { $0 } }

    func call() { calls.withLock { $0 += 1 } }
}
