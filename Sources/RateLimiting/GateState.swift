// The gate as a value: who may go now, who waits, what is closed. No clock, no tasks: every event gets `now`, which must
// not run backwards, and returns whose wait has ended how.
//
// What stays true after every event:
//  1. In each hard window sends and reservations together never exceed its limit (unless nothing is held, or upstream
//     accepted a token whose first call was counted elsewhere).
//  2. Places taken <= maxInFlight, except after the limit was lowered. A call needs a turn and a place to be sent.
//  3. Nobody waits who could go: whatever makes room hands it on before it returns.
//  4. Each call that was queued is named by exactly one later event, unless it is cancelled.

import Ground

struct GateState: Sendable {
    typealias ID = WaitingRoom.ID

    /// What a permit stands for: a place, and a turn until it is sent.
    struct Ticket: Sendable {
        let id: ID
        let request: GateRequest
        /// When its patience ends, for all its sends together.
        let deadline: Nanoseconds
        var admittedAt: Nanoseconds
        var phase: Phase
        /// Where its turn is reserved and counted.
        let book: Int
        /// Whether the turn was taken off the pace.
        let isPaced: Bool
    }

    enum Phase: Sendable, Equatable {
        /// One send is reserved in every window.
        case reserved
        /// Its latest send.
        case sent(at: Nanoseconds)
        /// It holds nothing: its transfer has ended, it waits again, or was refused.
        case outside
    }

    enum Entry: Sendable {
        case admitted(Ticket)
        case queued(Gate.Wait)
        case refused(Gate.Refusal)
    }

    /// Those whose wait has ended.
    struct Turn: Sendable {
        var admitted: [Ticket] = []
        var refused: [(id: ID, refusal: Gate.Refusal)] = []
    }

    private(set) var limits: GateLimits
    private(set) var maxWait: Nanoseconds
    var books: ClientBooks
    var places: Places
    var callers = CallerWindows()
    var room = WaitingRoom()
    var promises = PromiseBook()
    /// Upstream is down: nobody goes, and nobody is let wait.
    private(set) var outage: Outage?
    /// Moving average of how long a place is held, in nanoseconds.
    private(set) var averageHold: Double?
    var counts = GateCounts()
    /// Calls that were refused for want of a place.
    var refusedForPlace = 0
    var random: SplitMix

    struct Outage: Sendable {
        let reason: Gate.Refusal.Reason
        /// When it is next known whether upstream is back.
        let until: Nanoseconds
    }

    /// - Parameter passesTokens: whether tools bring their own tokens, so that not all calls spend the same windows.
    init(limits: GateLimits, passesTokens: Bool = false, seed: UInt64, now: Nanoseconds = 0) {
        self.limits = limits
        maxWait = limits.maxWait.clampedNanoseconds
        books = ClientBooks(limits, passesTokens: passesTokens, now: now)
        places = Places(limit: limits.maxInFlight)
        random = SplitMix(seed: seed)
    }

    // MARK: Coming

    /// A call asks to go at once or not at all.
    mutating func tried(_ id: ID, _ request: GateRequest, now: Nanoseconds) -> (Ticket?, Turn) {
        var turn = Turn()
        // Those who wait have its caller's new share too, and go first.
        if let share = request.maxInFlight, places.learn(share: share, of: request.caller) { room.unpark() }
        settle(&turn, now: now)
        guard outage == nil else { return (nil, turn) }
        let lane = request.lane
        let isOpen = mayGo(request, now: now)
        // Whoever waits still could not go, so nobody is overtaken.
        guard isOpen || limits.observe else { return (nil, turn) }
        let deadline = deadline(of: request, now: now)
        counts.admittedAtOnce += 1
        let isPaced = isOpen || observe(request, deadline: deadline, now: now)
        return (admit(id, request, lane, deadline: deadline, now: now, paced: isPaced), turn)
    }

    /// A call asks for its turn: it goes, waits under `id`, or is refused at once.
    mutating func arrived(_ id: ID, _ request: GateRequest, now: Nanoseconds) -> (Entry, Turn) {
        let (ticket, turn) = tried(id, request, now: now)
        if let ticket { return (.admitted(ticket), turn) }
        let deadline = deadline(of: request, now: now)
        if var refusal = refusalAtOnce(request, deadline: deadline, now: now) {
            if refusal.reason == .queueFull, causeOfLateness(request, now: now) == .places { refusedForPlace += 1 }
            refusal.wait = wait(of: request, now: now)
            return (.refused(counted(refusal)), turn)
        }
        let wait = wait(of: request, now: now)
        room.add(id, request, now: now, deadline: deadline, back: false)
        return (.queued(wait), turn)
    }

    /// Somebody waits for a turn that another asks for, and would be refused if he asked himself.
    mutating func judged(_ request: GateRequest, now: Nanoseconds) -> (Gate.Refusal?, Turn) {
        var turn = Turn()
        settle(&turn, now: now)
        if outage == nil {
            guard !limits.observe, !mayGo(request, now: now) else { return (nil, turn) }
        }
        var refusal = refusalAtOnce(request, deadline: deadline(of: request, now: now), now: now)
        if refusal != nil { refusal?.wait = wait(of: request, now: now) }
        return (refusal.map { counted($0) }, turn)
    }

    /// Somebody waited too long for a turn that another asks for.
    mutating func cameTooLate(_ request: GateRequest, now: Nanoseconds) -> (Gate.Refusal, Turn) {
        var turn = Turn()
        settle(&turn, now: now)
        let isPaused = books.pauseEnd(for: request.lane, now: now) != nil
        let reason = isPaused ? .coolDown : causeOfLateness(request, now: now)
        return (counted(refusal(reason, request, now: now)), turn)
    }

    /// A call that was admitted before asks for its turn once more, in its former place and within its former
    /// deadline.
    mutating func arrivedAgain(_ ticket: Ticket, now: Nanoseconds) -> (Entry, Turn) {
        counts.resent += 1
        var turn = Turn()
        let request = ticket.request
        let lane = request.lane
        release(ticket, now: now)
        expire(&turn, now: now)
        if outage != nil {
            settle(&turn, now: now)
            return (.refused(counted(refusal(.deadline, request, now: now))), turn)
        }
        let pause = books.pauseEnd(for: lane, now: now)
        let isLate = max(pause ?? now, now) >= ticket.deadline
        // How long the first send has taken is no reason to refuse a second one that need not wait.
        let isOpen = pause == nil && (limits.observe || mayGo(request, now: now))
        if isLate && !isOpen || limits.observe && pause != nil {
            settle(&turn, now: now)
            let reason =
                pause == nil ? causeOfLateness(request, now: now) : limits.observe ? .observing : .coolDown
            return (.refused(counted(refusal(reason, request, now: now))), turn)
        }
        if limits.observe || isLate {
            return (.admitted(admit(ticket.id, request, lane, deadline: ticket.deadline, now: now)), turn)
        }
        room.add(ticket.id, request, now: now, deadline: ticket.deadline, back: true)
        settle(&turn, now: now)
        if let index = turn.admitted.firstIndex(where: { $0.id == ticket.id }) {
            return (.admitted(turn.admitted.remove(at: index)), turn)
        }
        return (.queued(waitInPlace(of: request, now: now)), turn)
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
            books.send(from: ticket.book, ticket.request.lane, now: now)
            callers.send(ticket.request, now: now)
            // With its date the send tells when a window opens again.
            lanesHaveOpened(isForRuns: ticket.request.countsAsRun)
        }
        settle(&turn, now: now)
        return (mayGo, turn)
    }

    /// Whether the send that a ticket has reserved may still go out, as far as is known at `now`, to which the state must
    /// have been brought.
    mutating func mayStillSend(_ ticket: Ticket, now: Nanoseconds) -> Bool {
        guard ticket.phase == .reserved, outage == nil else { return false }
        return limits.observe
            || !books.pauseHasBegun(since: ticket.admittedAt, for: ticket.request.lane, now: now)
    }

    /// A place comes back: the call's transfer has ended, or it was not sent.
    mutating func left(_ ticket: Ticket, now: Nanoseconds) -> Turn {
        var turn = Turn()
        release(ticket, now: now)
        settle(&turn, now: now)
        return turn
    }

    /// The answer to a call that holds its place is too large to hold. False: too many others are.
    mutating func becomesLong(_ id: ID) -> Bool {
        if places.becomesLong(id) || limits.observe { return true }
        refusedForPlace += 1
        return false
    }

    /// Somebody left the queue. False if he was not in it any more.
    mutating func cancelled(_ id: ID) -> Bool {
        guard room.remove(id) != nil else { return false }
        counts.leftWaiting += 1
        return true
    }

    /// Upstream has answered a ticket's last send in a way that shows that it accepts the call's token.
    mutating func accepted(_ ticket: Ticket, now: Nanoseconds) -> Turn {
        var turn = Turn()
        expire(&turn, now: now)
        if books.accepted(ticket.id, ticket.book, ticket.request.lane, now: now) { room.unpark() }
        settle(&turn, now: now)
        return turn
    }

    /// Upstream refused the last send of a permit with a 429, or a 503 that told a wait. `whose`: what is closed, where
    /// not all calls spend the same windows.
    mutating func refusedUpstream(
        _ ticket: Ticket, cause: LimitCause, retryAfter: RetryAfter, now: Nanoseconds
    ) -> (closing: CoolDownTable.Closing, whose: String?, turn: Turn) {
        var turn = Turn()
        // Nobody is let in beside the refusal.
        expire(&turn, now: now)
        counts.refusedUpstream += 1
        let sentAt = if case .sent(let at) = ticket.phase { at } else { now }
        let (closing, whose) = books.refused(
            ticket.request.lane, cause: cause, told: retryAfter.nanoseconds, sentAt: sentAt, now: now,
            jitter: random.unit())
        if closing.isNew { room.forgetPace() }
        if closing.isLonger { refuseHopeless(&turn, closing, ticket.request.token, now: now) }
        settle(&turn, now: now)
        return (closing, whose, turn)
    }

    /// Upstream is down, or still is: whoever waits is let go, and whoever comes is refused.
    mutating func shut(_ outage: Outage, now: Nanoseconds) -> Turn {
        var turn = Turn()
        expire(&turn, now: now)
        self.outage = outage
        for waiter in room.waiters(where: { _ in true }) {
            room.remove(waiter.id)
            turn.refused.append((waiter.id, counted(refusal(.deadline, waiter.request, now: now))))
        }
        return turn
    }

    /// Upstream is back.
    mutating func opened(now: Nanoseconds) -> Turn {
        var turn = Turn()
        outage = nil
        settle(&turn, now: now)
        return turn
    }

    /// Time has passed: to be called at `nextEvent`, any other time does no harm.
    mutating func passed(now: Nanoseconds) -> Turn {
        var turn = Turn()
        settle(&turn, now: now)
        return turn
    }

    /// Other limits hold from now on. Those who are in or wait stay; `shares` are those of callers known by name.
    mutating func changed(to limits: GateLimits, shares: [String: Int] = [:], now: Nanoseconds) -> Turn {
        var turn = Turn()
        settle(&turn, now: now)
        books.change(to: limits, isModeNew: limits.observe != self.limits.observe, now: now)
        places.change(limit: limits.maxInFlight)
        for (caller, share) in shares { _ = places.learn(share: share, of: caller) }
        self.limits = limits
        maxWait = limits.maxWait.clampedNanoseconds
        promises.forget()
        room.unpark()
        settle(&turn, now: now)
        return turn
    }

    /// When `passed` has something to do; nil while nobody waits or only another event can help.
    func nextEvent(now: Nanoseconds) -> Nanoseconds? {
        guard let deadline = room.nextDeadline else { return nil }
        guard places.hasFree else { return deadline }
        let urgent = room.hasReady(settling: true) ? now : room.parkedUntil(settling: true)
        let lanes = room.hasReady(settling: false) ? now : room.parkedUntil(settling: false)
        return min(deadline, urgent, max(books.openingOfAll(now: now), lanes))
    }

    // MARK: Inside

    /// Whether there is a place for a call, whatever the rates say.
    func mayHavePlace(_ request: GateRequest) -> Bool {
        places.hasFree && !places.isAtShare(request) && !(request.isLong && places.longAreFull)
    }

    /// Whether a call may go at once, as nobody who waits could.
    private mutating func mayGo(_ request: GateRequest, now: Nanoseconds) -> Bool {
        mayHavePlace(request) && callers.opening(of: request, now: now) <= now
            && opening(for: request.lane, now: now) <= now
    }

    /// When the next call of a lane may go, places aside; `never` where only another event can tell.
    mutating func opening(for lane: Lane, now: Nanoseconds) -> Nanoseconds { books.opening(of: lane, now: now) }

    /// Passes the time, ends the waits whose time is over, and lets in whoever may go.
    private mutating func settle(_ turn: inout Turn, now: Nanoseconds) {
        expire(&turn, now: now)
        guard room.count > 0 else { return }
        room.unpark(until: now)
        while places.hasFree, let next = next(now: now) {
            counts.admittedAfterWait += 1
            counts.waited += .nanoseconds(now - next.queuedAt)
            turn.admitted.append(admit(next.id, next.request, next.request.lane, deadline: next.deadline, now: now))
        }
    }

    /// Takes out whoever goes next.
    private mutating func next(now: Nanoseconds) -> WaitingRoom.Waiter? {
        let onlySettling = !room.hasReady(settling: false) || books.openingOfAll(now: now) > now
        guard !onlySettling || room.hasReady(settling: true) else { return nil }
        // Lent to the closures, which may not reach into the state while the room is at work.
        var books = ClientBooks()
        swap(&books, &self.books)
        defer { swap(&books, &self.books) }
        let (places, callers) = (places, callers)
        return room.next(
            opening: { $0.isLong && places.longAreFull ? .never : books.opening(of: $0, now: now) },
            ownOpening: { places.isAtShare($0) ? .never : callers.opening(of: $0, now: now) },
            onlySettling: onlySettling, now: now)
    }

    private mutating func expire(_ turn: inout Turn, now: Nanoseconds) {
        books.advance(to: now)
        for waiter in room.expired(now: now) {
            let reason = causeOfLateness(waiter.request, now: now)
            turn.refused.append((waiter.id, counted(refusal(reason, waiter.request, now: now))))
        }
    }

    private mutating func admit(
        _ id: ID, _ request: GateRequest, _ lane: Lane, deadline: Nanoseconds, now: Nanoseconds, paced: Bool = true
    ) -> Ticket {
        places.take(id, request)
        callers.reserve(request, now: now)
        let paced = paced && !lane.isUrgent
        let book = books.reserve(id, lane, now: now, paced: paced)
        return Ticket(
            id: id, request: request, deadline: deadline, admittedAt: now, phase: .reserved, book: book,
            isPaced: paced)
    }

    /// Takes back what a ticket holds.
    private mutating func release(_ ticket: Ticket, now: Nanoseconds) {
        let lane = ticket.request.lane
        switch ticket.phase {
        case .outside: return
        case .sent: break
        case .reserved:
            books.cancelReservation(in: ticket.book, lane, paced: ticket.isPaced)
            if callers.cancelReservation(ticket.request) { room.unpark() }
            lanesHaveOpened(isForRuns: lane.countsAsRun)
        }
        books.left(ticket.id, ticket.book, lane)
        if places.giveBack(ticket.id, ticket.request) { room.unpark() }
        let hold = Double(now - ticket.admittedAt)
        averageHold = averageHold.map { $0 + (hold - $0) / 5 } ?? hold
    }

    /// A reservation has ended, so that more may be known about when lanes open.
    private mutating func lanesHaveOpened(isForRuns: Bool) {
        guard room.count > 0, isForRuns || books.passesTokens || room.waiting(.settling) > 0 else { return }
        room.unpark()
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
