// A gate state with a clock that the test moves, for tests that tell a short story.

import Ground
import Testing

@testable import RateLimiting

extension GateState {
    /// The book of the proxy's own client.
    var own: ClientBook { books.books[ClientBooks.own] }
}

final class GateDesk {
    var state: GateState
    var now: Nanoseconds = 0
    /// Those let in, in that order, with their permits.
    private(set) var inside: [GateState.Ticket] = []
    private(set) var refused: [UInt64: Gate.Refusal] = [:]
    /// What was in the way of those who were queued or refused.
    private(set) var waits: [UInt64: Gate.Wait] = [:]
    /// Whose calls refusals by upstream closed.
    private(set) var closed: [String?] = []
    private var nextID: UInt64 = 0

    init(_ limits: GateLimits, passesTokens: Bool = false, seed: UInt64 = 1) {
        state = GateState(limits: limits, passesTokens: passesTokens, seed: seed)
    }

    /// A gate without windows that holds so many.
    convenience init(permits: Int, queue: Int = 100_000, wait: Duration = .seconds(3600)) {
        self.init(GateLimits(windows: [], maxInFlight: permits, maxQueue: queue, maxWait: wait))
    }

    var waiting: Int { state.room.count }

    /// Who is inside, by caller, in the order of their admission.
    var callersInside: [String] { inside.map(\.request.caller) }

    /// Somebody comes. Returns his number.
    @discardableResult
    func come(_ request: GateRequest) -> UInt64 {
        nextID += 1
        let (entry, turn) = state.arrived(nextID, request, now: now)
        take(turn)
        enter(nextID, entry)
        return nextID
    }

    /// Somebody comes who is refused at once.
    func refusal(_ request: GateRequest, _ location: SourceLocation = #_sourceLocation) throws -> Gate.Refusal {
        let id = come(request)
        return try #require(refused[id], "he was not refused", sourceLocation: location)
    }

    /// A reload: the same limits, other shares.
    func change(shares: [String: Int]) { take(state.changed(to: state.limits, shares: shares, now: now)) }

    /// A reload: other limits.
    func change(to limits: GateLimits) { take(state.changed(to: limits, now: now)) }

    var demand: PlaceDemand { state.placeDemand(now: now) }

    func isInside(_ id: UInt64) -> Bool { inside.contains { $0.id == id } }

    /// The permit of somebody who is inside.
    func takeTicket(_ id: UInt64) -> GateState.Ticket? {
        inside.firstIndex { $0.id == id }.map { inside.remove(at: $0) }
    }

    /// Somebody inside sends now. Whether he may.
    @discardableResult
    func send(_ id: UInt64) -> Bool {
        guard let index = inside.firstIndex(where: { $0.id == id }) else { return false }
        let (mayGo, turn) = state.sending(&inside[index], now: now)
        take(turn)
        return mayGo
    }

    /// Somebody inside leaves.
    func leave(_ id: UInt64) {
        guard let ticket = takeTicket(id) else { return }
        take(state.left(ticket, now: now))
    }

    /// Whoever came in first leaves.
    func firstLeaves() { take(state.left(inside.removeFirst(), now: now)) }

    /// Somebody inside, who has sent, is refused upstream; he stays.
    func refuseUpstream(
        _ id: UInt64, _ cause: LimitCause = .tier, _ retryAfter: RetryAfter
    ) -> CoolDownTable.Closing? {
        guard let ticket = inside.first(where: { $0.id == id }) else { return nil }
        let (closing, whose, turn) = state.refusedUpstream(ticket, cause: cause, retryAfter: retryAfter, now: now)
        take(turn)
        closed.append(whose)
        return closing
    }

    /// Upstream answers somebody inside, who has sent, in a way that shows that it accepts the token.
    func accept(_ id: UInt64) {
        guard let ticket = inside.first(where: { $0.id == id }) else { return }
        take(state.accepted(ticket, now: now))
    }

    /// Upstream is down.
    func shut(_ reason: Gate.Refusal.Reason, next: Duration) {
        take(state.shut(.init(reason: reason, until: now + next.clampedNanoseconds), now: now))
    }

    func fields(for lane: Lane) -> RateLimitFields? { state.rateLimitFields(for: lane, now: now) }

    func pause(for lane: Lane) -> Duration? { state.pause(for: lane, now: now) }

    /// Upstream is back.
    func open() { take(state.opened(now: now)) }

    /// The answer to somebody inside is too large to hold. Whether it may go on.
    func becomesLong(_ id: UInt64) -> Bool { state.becomesLong(id) }

    /// Somebody inside asks to send once more.
    func again(_ id: UInt64) {
        guard let ticket = takeTicket(id) else { return }
        let (entry, turn) = state.arrivedAgain(ticket, now: now)
        take(turn)
        enter(id, entry)
    }

    /// Time passes, event by event.
    func pass(_ span: Duration) {
        let end = now + span.clampedNanoseconds
        while let due = state.nextEvent(now: now), due <= end {
            now = max(now, due)
            take(state.passed(now: now))
        }
        now = end
        take(state.passed(now: now))
    }

    private func enter(_ id: UInt64, _ entry: GateState.Entry) {
        switch entry {
        case .admitted(let ticket): inside.append(ticket)
        case .queued(let wait): waits[id] = wait
        case .refused(let refusal): keep(id, refusal)
        }
    }

    private func keep(_ id: UInt64, _ refusal: Gate.Refusal) {
        waits[id] = refusal.wait
        refused[id] = refusal.withoutWait
    }

    private func take(_ turn: GateState.Turn) {
        inside += turn.admitted
        for (id, refusal) in turn.refused { keep(id, refusal) }
    }
}

/// A call of a caller, with what the test is about.
func call(
    _ caller: String = "tool", weight: Int = 1, _ priority: GateRequest.Priority = .interactive,
    operation: String = "v2.reports.list", api: GateRequest.API = .v2, isRun: Bool = false, changes: Bool = false,
    wait: Duration? = nil, places: Int? = nil, isLong: Bool = false
) -> GateRequest {
    var request = GateRequest(
        caller: caller, weight: weight, priority: priority, operation: operation, api: api, countsAsRun: isRun,
        changes: changes, wait: wait, maxInFlight: places)
    request.isLong = isLong
    return request
}

extension Gate.Refusal {
    /// Its words alone: what was in the way is told apart.
    var withoutWait: Gate.Refusal { Gate.Refusal(reason: reason, retryAfter: retryAfter, limit: limit) }
}
