// The shell of `TakingRate`: looks at the tool of an answer that is too large to hold, and leaves it when it is too slow.

import Edge
import Ground
import NIOCore
import RateLimiting

/// Watches one tool while its answer is under way upstream. Confined to its event loop; ended by whoever made it.
final class SlowToolWatch {
    private let wire: Exchange
    private let place: Gate.Place?
    private let minRate: Int
    private let environment: Environment
    private var task: Task<Void, Never>?

    /// - Parameters:
    ///   - place: what the call holds upstream; nil: nobody waits for it.
    ///   - minRate: bytes a second.
    init(_ wire: Exchange, holding place: Gate.Place?, minRate: Int, environment: Environment) {
        self.wire = wire
        self.place = place
        self.minRate = minRate
        self.environment = environment
    }

    /// Begins with the part of a body that is taken off upstream only as the tool reads.
    ///
    /// - Parameter limit: the largest answer that is held.
    func follow(_ body: inout RelayedBody, limit: Int) {
        body.onRest = { self.begin() }
        if body.isDirect, body.declaredLength ?? 0 > limit { begin() }
    }

    /// From now on the place lasts as long as the tool reads.
    func begin() {
        guard task == nil, let place else { return }
        let wire = NIOLoopBound(wire, eventLoop: wire.executor.eventLoop)
        task = Task(executorPreference: wire.value.executor) { [minRate, environment] in
            var rate = TakingRate(minRate: minRate, taken: wire.value.bytesTaken, now: environment.now())
            while true {
                try? await environment.sleep(environment.now() + TakingRate.interval)
                guard !Task.isCancelled, let demand = place.demand else { return }
                guard rate.isTooSlow(taken: wire.value.bytesTaken, demand, now: environment.now()) else { continue }
                return wire.value.cut(.toolTooSlow)
            }
        }
    }

    /// The answer is out, or given up.
    func end() { task?.cancel() }
}
