// The flights under way, by key: one upstream fetch for everybody who wants the same at the same time.

import Ground
import HTTPTypes
import Synchronization

/// Finds or begins flights. Usable from every thread.
package final class FlightTable<Outcome: Sendable>: Sendable {
    /// What somebody who misses an answer is to do.
    package enum Boarding: Sendable {
        /// Fetch, and tell the flight how it went.
        case lead(Flight<Outcome>, Flight<Outcome>.Waiter)
        /// Wait.
        case follow(Flight<Outcome>, Flight<Outcome>.Waiter)
        /// Fetch alone: answers of this key could not be shared a moment ago.
        case alone(CacheReason)
    }

    private struct Remembered {
        let reason: CacheReason
        let until: ContinuousClock.Instant
    }

    private struct State {
        var flights: [CacheKey: Flight<Outcome>] = [:]
        var uncacheable: [CacheKey: Remembered] = [:]
    }

    private let state = Mutex(State())
    private let time: Time

    /// How long a key is remembered whose answer could not be shared.
    static var memory: Duration { .seconds(60) }
    private static var capacity: Int { 4096 }

    /// An empty table.
    package init(time: Time) { self.time = time }

    /// Flights under way.
    package var count: Int { state.withLock { $0.flights.count } }

    /// Whether a request for this key is under way.
    package func hasSent(_ key: CacheKey) -> Bool { state.withLock { $0.flights[key]?.wasSent ?? false } }

    /// Joins the flight of this key or begins one.
    ///
    /// - Parameters:
    ///   - rank: how urgent it is, smaller is more. A more urgent request does not queue behind a less urgent one.
    ///   - deadline: until when to wait for the request to be sent.
    ///   - wantsNew: whether only an answer will do that upstream gives from now on.
    ///   - mayLead: whether others may wait for its fetch, should there be none to join.
    package func board(
        _ key: CacheKey, rank: Int, deadline: ContinuousClock.Instant, wantsNew: Bool = false, mayLead: Bool = true
    ) -> Boarding {
        state.withLock { state in
            if let flight = state.flights[key], flight.serves(rank: rank), !wantsNew || flight.isQueued,
                let waiter = flight.join(deadline: deadline)
            {
                return .follow(flight, waiter)
            }
            if let remembered = state.uncacheable[key] {
                if remembered.until > time.now() { return .alone(remembered.reason) }
                state.uncacheable[key] = nil
            }
            return mayLead ? lead(key, rank: rank, deadline: deadline, &state) : .alone(.rememberedUncacheable)
        }
    }

    private func lead(
        _ key: CacheKey, rank: Int, deadline: ContinuousClock.Instant, _ state: inout State
    ) -> Boarding {
        let (flight, waiter) = alone(rank: rank, deadline: deadline)
        state.flights[key] = flight
        return .lead(flight, waiter)
    }

    /// A flight that nobody can join, with its only passenger.
    package func alone(rank: Int, deadline: ContinuousClock.Instant) -> (Flight<Outcome>, Flight<Outcome>.Waiter) {
        let flight = Flight<Outcome>(rank: rank, isBackground: false, time: time)
        guard let waiter = flight.join(deadline: deadline) else { preconditionFailure("a new flight has not ended") }
        return (flight, waiter)
    }

    /// Begins a refresh that nobody waits for; nil when there is a flight of this key already.
    package func refresh(_ key: CacheKey, rank: Int) -> Flight<Outcome>? {
        state.withLock { state in
            guard state.flights[key] == nil else { return nil }
            let flight = Flight<Outcome>(rank: rank, isBackground: true, time: time)
            state.flights[key] = flight
            return flight
        }
    }

    /// The flight has ended: nobody can join it any more. To be called before `Flight.end`.
    package func remove(_ flight: Flight<Outcome>, _ key: CacheKey) {
        state.withLock { state in
            if state.flights[key] === flight { state.flights[key] = nil }
        }
    }

    /// A write was answered: what was sent before shows the world as it was, and nobody new is to wait for it.
    package func detachSent() {
        state.withLock { state in state.flights = state.flights.filter { $0.value.isQueued } }
    }

    /// Answers of this key cannot be shared, so nobody is to queue behind another for a while.
    package func remember(_ key: CacheKey, _ reason: CacheReason) {
        state.withLock { state in
            if state.uncacheable.count >= Self.capacity { state.uncacheable.removeAll() }
            state.uncacheable[key] = Remembered(reason: reason, until: time.now() + Self.memory)
        }
    }

    /// Its answers can be shared after all.
    package func forget(_ key: CacheKey) {
        state.withLock { state in state.uncacheable[key] = nil }
    }
}
