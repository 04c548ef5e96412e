// Who is in and who waits, as a value: a bounded number of permits, a bounded first-come queue, a deadline for each who
// waits. No clock, no tasks; every event gets `now` and returns who is affected.
//
// What stays true:
//  1. inFlight <= maxInFlight, except after the limit was lowered, until enough have left.
//  2. waiters.count <= maxQueue, with the same exception.
//  3. Nobody waits while a permit is free: every event that frees one hands it on before it returns.
//  4. Each id that was queued is named exactly once by a later event, unless it is cancelled.

import DequeModule

struct InFlightState: Sendable {
    typealias Instant = ContinuousClock.Instant
    typealias WaiterID = UInt64

    enum Entry: Equatable {
        case admitted
        case queued
        case refused(GateRefusal)
    }

    /// Who is to be told what.
    struct Turn: Equatable {
        var admitted: [WaiterID] = []
        var refused: [Refused] = []
    }

    struct Refused: Equatable {
        let id: WaiterID
        let refusal: GateRefusal
    }

    private(set) var limits: InFlightGate.Limits
    private(set) var inFlight = 0
    /// Deadlines of those who wait.
    private var waiters: [WaiterID: Instant] = [:]
    /// Ids in the order of their coming; those no longer in `waiters` have gone and are skipped.
    private var order: Deque<WaiterID> = []
    private var estimate = WaitEstimate()

    init(limits: InFlightGate.Limits) {
        self.limits = limits
    }

    var queued: Int { waiters.count }

    var averageHold: Duration? { estimate.averageHold }

    /// Ids that are kept, with those that have gone and are not yet forgotten.
    var remembered: Int { order.count }

    /// The earliest deadline of those who wait, when `deadlinePassed` is due. Looks at every waiter.
    var nextDeadline: Instant? { waiters.values.min() }

    // MARK: Coming

    /// Admits at once or not at all. A free permit means that nobody waits (3), so nobody is overtaken.
    mutating func tryEnter(now: Instant) -> Bool {
        guard inFlight < limits.maxInFlight else { return false }
        estimate.foundRoom()
        admitOne(now: now)
        return true
    }

    /// Admits, queues for at most `wait` (never more than `maxWait`), or refuses.
    mutating func enter(_ id: WaiterID, wait: Duration?, now: Instant) -> Entry {
        if tryEnter(now: now) { return .admitted }
        let wait = min(wait ?? limits.maxWait, limits.maxWait)
        guard wait > .zero else { return .refused(.deadline(retryAfter: promise(now: now))) }
        guard waiters.count < limits.maxQueue else { return .refused(.queueFull(retryAfter: promise(now: now))) }
        waiters[id] = now.advanced(by: wait)
        order.append(id)
        return .queued
    }

    // MARK: Going

    /// A permit came back after `hold`.
    mutating func left(heldFor hold: Duration, now: Instant) -> Turn {
        precondition(inFlight > 0, "a permit came back that was never given")
        inFlight -= 1
        estimate.permitReturned(heldFor: hold, now: now)
        return admitWaiting(now: now)
    }

    /// Somebody left the queue. False if he was not in it any more.
    mutating func cancelled(_ id: WaiterID) -> Bool {
        guard waiters.removeValue(forKey: id) != nil else { return false }
        dropGone()
        return true
    }

    /// Refuses everybody whose deadline is over.
    mutating func deadlinePassed(now: Instant) -> Turn {
        let late = waiters.filter { $0.value <= now }.keys
        guard !late.isEmpty else { return Turn() }
        for id in late { waiters[id] = nil }
        dropGone()
        return Turn(refused: late.sorted().map { refusedLate($0, now: now) })
    }

    /// The limits are others from now on. Nobody is thrown out.
    mutating func changed(to limits: InFlightGate.Limits, now: Instant) -> Turn {
        self.limits = limits
        return admitWaiting(now: now)
    }

    // MARK: Inside

    private mutating func admitWaiting(now: Instant) -> Turn {
        var turn = Turn()
        while inFlight < limits.maxInFlight, let id = order.popFirst() {
            guard let deadline = waiters.removeValue(forKey: id) else { continue }
            if deadline <= now {
                // The timer is late; a permit is not for somebody whose answer is due already.
                turn.refused.append(refusedLate(id, now: now))
            } else {
                admitOne(now: now)
                turn.admitted.append(id)
            }
        }
        return turn
    }

    private mutating func admitOne(now: Instant) {
        inFlight += 1
        if inFlight == limits.maxInFlight { estimate.becameFull(now: now) }
    }

    private mutating func refusedLate(_ id: WaiterID, now: Instant) -> Refused {
        Refused(id: id, refusal: .deadline(retryAfter: promise(now: now)))
    }

    private mutating func promise(now: Instant) -> Duration {
        estimate.promise(queued: waiters.count, limit: limits.maxInFlight, now: now)
    }

    /// Keeps the ids of those who have gone from outnumbering those who wait.
    private mutating func dropGone() {
        if order.count > 2 * waiters.count + 16 { order.removeAll { waiters[$0] == nil } }
    }
}
