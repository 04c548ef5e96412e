// The gate as a value: who may go now, who waits, what is closed. No clock, no tasks: every event gets `now`, which must
// not run backwards, and returns whose wait has ended how.
//
// What stays true after every event:
//  1. In each hard window sends and reservations together never exceed its limit (unless nothing is held).
//  2. permits.inFlight <= maxInFlight, except after the limit was lowered.
//  3. Nobody waits who could go: whatever makes room hands it on before it returns.
//  4. Each call that was queued is named by exactly one later event, unless it is cancelled.

struct GateState: Sendable {
    typealias ID = WaitingRoom.ID

    /// What a permit stands for.
    struct Ticket: Sendable {
        let id: ID
        let request: GateRequest
        /// When its patience ends, for all its sends together.
        let deadline: Nanoseconds
        var admittedAt: Nanoseconds
        var phase: Phase
    }

    enum Phase: Sendable, Equatable {
        /// One send is reserved in every window.
        case reserved
        /// Its latest send.
        case sent(at: Nanoseconds)
        /// It holds nothing: it waits again, or was refused.
        case outside
    }

    enum Entry: Sendable {
        case admitted(Ticket)
        case queued
        case refused(Gate.Refusal)
    }

    /// Those whose wait has ended.
    struct Turn: Sendable {
        var admitted: [Ticket] = []
        var refused: [(id: ID, refusal: Gate.Refusal)] = []
    }

    private(set) var limits: GateLimits
    private(set) var maxWait: Nanoseconds
    var windows: WindowSet
    var runWindows: WindowSet
    var coolDowns = CoolDownTable()
    var room = WaitingRoom()
    var inFlight = 0
    /// Moving average of how long a permit is held, in nanoseconds.
    private(set) var averageHold: Double?
    var counts = GateCounts()
    var random: SplitMix

    init(limits: GateLimits, seed: UInt64, now: Nanoseconds = 0) {
        self.limits = limits
        maxWait = limits.maxWait.clampedNanoseconds
        windows = WindowSet(limits.windows, isHeld: !limits.observe, now: now)
        runWindows = WindowSet(limits.runWindows, isHeld: !limits.observe, now: now)
        random = SplitMix(seed: seed)
    }

    // MARK: Coming

    /// A call asks to go at once or not at all.
    mutating func tried(_ id: ID, _ request: GateRequest, now: Nanoseconds) -> (Ticket?, Turn) {
        var turn = Turn()
        settle(&turn, now: now)
        let deadline = deadline(of: request, now: now)
        let isOpen = opening(for: request.lane, now: now) <= now
        // Whoever waits still could not go, so nobody is overtaken.
        guard isOpen || limits.observe else { return (nil, turn) }
        counts.admittedAtOnce += 1
        let isPaced = isOpen || observe(request, deadline: deadline, now: now)
        return (admit(id, request, deadline: deadline, now: now, paced: isPaced), turn)
    }

    /// A call asks for its turn: it goes, waits under `id`, or is refused at once.
    mutating func arrived(_ id: ID, _ request: GateRequest, now: Nanoseconds) -> (Entry, Turn) {
        let (ticket, turn) = tried(id, request, now: now)
        if let ticket { return (.admitted(ticket), turn) }
        let deadline = deadline(of: request, now: now)
        if let refusal = refusalAtOnce(request, deadline: deadline, now: now) {
            return (.refused(counted(refusal)), turn)
        }
        room.add(id, request, now: now, deadline: deadline, back: false)
        return (.queued, turn)
    }

    /// Somebody waits for a turn that another asks for, and would be refused if he asked himself.
    mutating func judged(_ request: GateRequest, now: Nanoseconds) -> (Gate.Refusal?, Turn) {
        var turn = Turn()
        settle(&turn, now: now)
        guard !limits.observe, opening(for: request.lane, now: now) > now else { return (nil, turn) }
        return (refusalAtOnce(request, deadline: deadline(of: request, now: now), now: now).map { counted($0) }, turn)
    }

    /// Somebody waited too long for a turn that another asks for.
    mutating func cameTooLate(_ request: GateRequest, now: Nanoseconds) -> (Gate.Refusal, Turn) {
        var turn = Turn()
        settle(&turn, now: now)
        let isPaused = coolDowns.end(for: request.lane, now: now) != nil
        return (counted(refusal(isPaused ? .coolDown : .deadline, request, now: now)), turn)
    }

    /// A call that was admitted before asks for its turn once more, in its former place and within its former
    /// deadline.
    mutating func arrivedAgain(_ ticket: Ticket, now: Nanoseconds) -> (Entry, Turn) {
        counts.resent += 1
        var turn = Turn()
        release(ticket, now: now)
        expire(&turn, now: now)
        let pause = coolDowns.end(for: ticket.request.lane, now: now)
        let isLate = max(pause ?? now, now) >= ticket.deadline
        // How long the first send has taken is no reason to refuse a second one that need not wait.
        let isOpen = pause == nil && (limits.observe || opening(for: ticket.request.lane, now: now) <= now)
        if isLate && !isOpen || limits.observe && pause != nil {
            settle(&turn, now: now)
            let reason: Gate.Refusal.Reason = pause == nil ? .deadline : limits.observe ? .observing : .coolDown
            return (.refused(counted(refusal(reason, ticket.request, now: now))), turn)
        }
        if limits.observe || isLate {
            return (.admitted(admit(ticket.id, ticket.request, deadline: ticket.deadline, now: now)), turn)
        }
        room.add(ticket.id, ticket.request, now: now, deadline: ticket.deadline, back: true)
        settle(&turn, now: now)
        if let index = turn.admitted.firstIndex(where: { $0.id == ticket.id }) {
            return (.admitted(turn.admitted.remove(at: index)), turn)
        }
        return (.queued, turn)
    }

    // MARK: Going

    /// A permit's call wants to go out now: if it may it counts as sent, else it has to come again. It may with the
    /// send that is reserved for it, unless a pause has begun since then.
    mutating func sending(_ ticket: inout Ticket, now: Nanoseconds) -> (Bool, Turn) {
        var turn = Turn()
        expire(&turn, now: now)
        let mayGo = mayStillSend(ticket, now: now)
        if mayGo {
            ticket.phase = .sent(at: now)
            windows.send(now: now)
            if ticket.request.countsAsRun {
                runWindows.send(now: now)
                // With its date the send tells when the window opens again.
                room.unpark()
            }
        }
        settle(&turn, now: now)
        return (mayGo, turn)
    }

    /// Whether the send that a ticket has reserved may still go out, as far as is known at `now`, to which the state must
    /// have been brought.
    func mayStillSend(_ ticket: Ticket, now: Nanoseconds) -> Bool {
        ticket.phase == .reserved
            && (limits.observe || !coolDowns.hasBegun(since: ticket.admittedAt, for: ticket.request.lane, now: now))
    }

    /// A permit comes back.
    mutating func left(_ ticket: Ticket, now: Nanoseconds) -> Turn {
        var turn = Turn()
        release(ticket, now: now)
        settle(&turn, now: now)
        return turn
    }

    /// Somebody left the queue. False if he was not in it any more.
    mutating func cancelled(_ id: ID) -> Bool {
        guard room.remove(id) != nil else { return false }
        counts.leftWaiting += 1
        return true
    }

    /// Upstream refused the last send of a permit with a 429, or a 503 that told a wait.
    mutating func refusedUpstream(
        _ ticket: Ticket, cause: LimitCause, retryAfter: RetryAfter, now: Nanoseconds
    ) -> (closing: CoolDownTable.Closing, turn: Turn) {
        var turn = Turn()
        // Nobody is let in beside the refusal.
        expire(&turn, now: now)
        counts.refusedUpstream += 1
        let request = ticket.request
        let scope = CoolDownScope(cause, operation: request.operation, api: request.api)
        let sentAt = if case .sent(let at) = ticket.phase { at } else { now }
        let closing = coolDowns.refused(
            scope, cause: cause, told: retryAfter.nanoseconds, sentAt: sentAt, now: now, jitter: random.unit())
        if closing.isNew {
            room.forgetPace()
            if scope == .everything { windows.refused(now: now, end: closing.end) }
            if case .operation = scope, request.countsAsRun { runWindows.refused(now: now, end: closing.end) }
        }
        if closing.isLonger { refuseHopeless(&turn, closing, now: now) }
        settle(&turn, now: now)
        return (closing, turn)
    }

    /// Time has passed: to be called at `nextEvent`, any other time does no harm.
    mutating func passed(now: Nanoseconds) -> Turn {
        var turn = Turn()
        settle(&turn, now: now)
        return turn
    }

    /// Other limits hold from now on. Those who are in or wait stay.
    mutating func changed(to limits: GateLimits, now: Nanoseconds) -> Turn {
        var turn = Turn()
        settle(&turn, now: now)
        let isHeld = !limits.observe
        let isModeNew = limits.observe != self.limits.observe
        if isModeNew || limits.windows != self.limits.windows {
            windows.change(to: limits.windows, isHeld: isHeld, now: now)
        }
        if isModeNew || limits.runWindows != self.limits.runWindows {
            runWindows.change(to: limits.runWindows, isHeld: isHeld, now: now)
        }
        self.limits = limits
        maxWait = limits.maxWait.clampedNanoseconds
        room.unpark()
        settle(&turn, now: now)
        return turn
    }

    /// When `passed` has something to do; nil while nobody waits or only another event can help.
    func nextEvent(now: Nanoseconds) -> Nanoseconds? {
        guard let deadline = room.nextDeadline else { return nil }
        guard inFlight < limits.maxInFlight else { return deadline }
        let lanes = room.hasReady ? now : room.parkedUntil
        return min(deadline, max(openingOfAll(now: now), lanes))
    }

    // MARK: Inside

    /// When the next call may go, lanes aside; `never` where only a permit that comes back can tell.
    func openingOfAll(now: Nanoseconds) -> Nanoseconds {
        guard inFlight < limits.maxInFlight else { return .never }
        return max(windows.opening(now: now), coolDowns.openingOfAll(now: now))
    }

    private func opening(for lane: Lane, now: Nanoseconds) -> Nanoseconds {
        let all = openingOfAll(now: now)
        if coolDowns.isEmpty && !lane.countsAsRun { return all }
        let runs = lane.countsAsRun ? runWindows.opening(now: now) : now
        return max(all, runs, coolDowns.opening(of: lane, now: now))
    }

    /// Passes the time, ends the waits whose time is over, and lets in whoever may go.
    private mutating func settle(_ turn: inout Turn, now: Nanoseconds) {
        expire(&turn, now: now)
        guard room.count > 0 else { return }
        if room.parkedUntil <= now { room.unpark() }
        while room.hasReady, openingOfAll(now: now) <= now {
            let runsOpen = runWindows.opening(now: now)
            let coolDowns = coolDowns
            let next = room.next(
                opening: { max($0.countsAsRun ? runsOpen : now, coolDowns.opening(of: $0, now: now)) }, now: now)
            guard let next else { return }
            counts.admittedAfterWait += 1
            counts.waited += .nanoseconds(now - next.queuedAt)
            turn.admitted.append(admit(next.id, next.request, deadline: next.deadline, now: now))
        }
    }

    private mutating func expire(_ turn: inout Turn, now: Nanoseconds) {
        coolDowns.advance(to: now)
        let isSteady = !coolDowns.isEmpty && coolDowns.isSteady(now: now)
        windows.advance(to: now, isSteady: isSteady)
        runWindows.advance(to: now, isSteady: isSteady)
        for waiter in room.expired(now: now) {
            turn.refused.append((waiter.id, counted(refusal(.deadline, waiter.request, now: now))))
        }
    }

    private mutating func admit(
        _ id: ID, _ request: GateRequest, deadline: Nanoseconds, now: Nanoseconds, paced: Bool = true
    ) -> Ticket {
        inFlight += 1
        if !coolDowns.isEmpty {
            coolDowns.admitted(request.lane, now: now, interval: interval(countsAsRun: request.countsAsRun))
        }
        windows.reserve(now: now, paced: paced)
        if request.countsAsRun { runWindows.reserve(now: now, paced: paced) }
        return Ticket(id: id, request: request, deadline: deadline, admittedAt: now, phase: .reserved)
    }

    /// Takes back what a ticket holds.
    private mutating func release(_ ticket: Ticket, now: Nanoseconds) {
        switch ticket.phase {
        case .outside: return
        case .sent: break
        case .reserved:
            windows.cancelReservation()
            if ticket.request.countsAsRun {
                runWindows.cancelReservation()
                room.unpark()
            }
        }
        precondition(inFlight > 0, "a permit came back that was never given")
        inFlight -= 1
        let hold = Double(now - ticket.admittedAt)
        averageHold = averageHold.map { $0 + (hold - $0) / 5 } ?? hold
    }

    private func deadline(of request: GateRequest, now: Nanoseconds) -> Nanoseconds {
        now + max(min(request.wait?.clampedNanoseconds ?? maxWait, maxWait), 0)
    }

    /// Nothing is held: counts what would have been. Whether the call would have gone in the end.
    private mutating func observe(_ request: GateRequest, deadline: Nanoseconds, now: Nanoseconds) -> Bool {
        let delay = expectedWait(request, turns: 1, now: now)
        guard now + delay < deadline else {
            counts.wouldHaveBeenRefused += 1
            return false
        }
        counts.wouldHaveWaited += 1
        counts.wouldHaveWaitedFor += .nanoseconds(delay)
        return true
    }
}
