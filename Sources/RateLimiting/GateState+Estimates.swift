// How long a wait will be: to refuse at once what cannot end in time, and to tell the refused when to come back.

import Ground

extension GateState {
    /// Why a call is not even queued; nil if it may be.
    mutating func refusalAtOnce(_ request: GateRequest, deadline: Nanoseconds, now: Nanoseconds) -> Gate.Refusal? {
        if outage != nil { return refusal(.deadline, request, now: now) }
        if let end = books.pauseEnd(for: request.lane, now: now), end >= deadline {
            return refusal(.coolDown, request, now: now)
        }
        // Looks wait for no turn of others, and each has a delete behind it.
        if request.priority == .settling {
            let opening = opening(for: request.lane, now: now)
            let isTooLate = deadline <= now || opening != .never && opening >= deadline
            return isTooLate ? refusal(causeOfLateness(request, now: now), request, now: now) : nil
        }
        let own = callers.opening(of: request, turns: room.waiting(of: request) + 1, now: now)
        if own > now, own >= deadline { return refusal(.caller, request, now: now) }
        // Nobody alone gets more than nine tenths of the queue: nine for each place that is left to others.
        let free = limits.maxQueue - room.count
        guard free > 0, room.waiting(of: request) < 9 * free else { return refusal(.queueFull, request, now: now) }
        guard deadline > now else { return refusal(causeOfLateness(request, now: now), request, now: now) }
        var pace: Nanoseconds = 0
        for exactly in books.passesTokens ? [true] : [false, true] {
            let place = place(of: request, exactly: exactly)
            // Limits are certain. What others will do is a guess: only a wait of twice the time is hopeless.
            let guess = max(waitForPlace(turns: place.turns), place.guess) / 2
            pace = waitForPace(request, turns: place.turns, now: now)
            if now + max(guess, pace) < deadline { return nil }
        }
        // Where the rates alone would have let it go in time, what it would wait for is a place.
        let reason = now + pace < deadline ? causeOfLateness(request, now: now) : .deadline
        return refusal(reason, request, now: now)
    }

    /// A refusal with a wait of its own: never shorter than a pause that holds, and later than what other calls of the caller
    /// were told that are refused at the same time. When a place will be free nobody knows, so of that nothing is invented.
    mutating func refusal(_ reason: Gate.Refusal.Reason, _ request: GateRequest, now: Nanoseconds) -> Gate.Refusal {
        var refusal = bareRefusal(reason, request, now: now)
        refusal.wait = waitInPlace(of: request, now: now)
        return refusal
    }

    private mutating func bareRefusal(
        _ reason: Gate.Refusal.Reason, _ request: GateRequest, now: Nanoseconds
    ) -> Gate.Refusal {
        if let outage {
            let wait = max(min(outage.until - now, 15 * .oneSecond), .oneSecond)
            return Gate.Refusal(reason: outage.reason, retryAfter: .nanoseconds(wait))
        }
        if reason == .places { return Gate.Refusal(reason: reason, retryAfter: .seconds(1)) }
        if reason == .share {
            let limit = Gate.CallerLimit(caller: request.caller, window: nil)
            return Gate.Refusal(reason: reason, retryAfter: .seconds(1), limit: limit)
        }
        if reason == .caller { return refusalOfCaller(request, now: now) }
        let place = place(of: request, exactly: true)
        let base = max(expectedWait(request, turns: place.turns, now: now), place.guess, .oneSecond)
        let share = Double(room.competing(with: request)) / Double(request.weight)
        let spacing = max(books.interval(of: request.lane, now: now) * share, 1_000_000)
        let told = promises.promise(
            request.caller, content: request.content, first: now + base, spacing: Nanoseconds(spacing),
            jitter: Nanoseconds(spacing * random.unit()), now: now)
        return Gate.Refusal(reason: reason, retryAfter: .nanoseconds(told - now))
    }

    /// A refusal for the caller's own windows. The window itself says when it opens, for this caller alone: who is refused has
    /// no turn in it, so that asking again and again moves nothing.
    private func refusalOfCaller(_ request: GateRequest, now: Nanoseconds) -> Gate.Refusal {
        let turns = room.waiting(of: request) + 1
        let told = max(callers.opening(of: request, turns: turns, now: now), now + .oneSecond)
        guard let window = callers.tightest(for: request, turns: turns, now: now) else {
            return Gate.Refusal(reason: .deadline, retryAfter: .nanoseconds(told - now))
        }
        return Gate.Refusal(
            reason: .caller, retryAfter: .nanoseconds(told - now),
            limit: Gate.CallerLimit(caller: request.caller, window: window))
    }

    /// Why a call whose time is over could not go: for want of a place, for the rate, or for its caller's own.
    mutating func causeOfLateness(_ request: GateRequest, now: Nanoseconds) -> Gate.Refusal.Reason {
        let own = callers.opening(of: request, now: now)
        if own > now, own >= opening(for: request.lane, now: now) { return .caller }
        guard !mayHavePlace(request), opening(for: request.lane, now: now) <= now else { return .deadline }
        return places.isAtShare(request) ? .share : .places
    }

    /// How long the call that goes after `turns - 1` others will have waited, if nobody else comes.
    mutating func expectedWait(_ request: GateRequest, turns: Int, now: Nanoseconds) -> Nanoseconds {
        max(waitForPlace(turns: turns), waitForPace(request, turns: turns, now: now))
    }

    func place(of request: GateRequest, exactly: Bool) -> WaitingRoom.Place {
        guard books.passesTokens else { return room.place(of: request, exactly: exactly) }
        let (books, index) = (books, books.index(of: request.token))
        return room.place(of: request) { books.index(of: $0.token) == index }
    }

    private func waitForPlace(turns: Int) -> Nanoseconds {
        let behind = turns - max(places.limit - places.taken, 0)
        guard behind > 0, let averageHold else { return 0 }
        return Nanoseconds(averageHold * Double(behind) / Double(places.limit))
    }

    private mutating func waitForPace(_ request: GateRequest, turns: Int, now: Nanoseconds) -> Nanoseconds {
        books.wait(turns: turns, runs: room.runs, of: request.lane, now: now)
    }

    /// A pause became longer: those whose patience ends before it need not wait for that.
    mutating func refuseHopeless(
        _ turn: inout Turn, _ closing: CoolDownTable.Closing, _ token: GateRequest.Token?, now: Nanoseconds
    ) {
        let books = books
        let hopeless = room.waiters {
            closing.scope.covers($0.request.lane) && $0.deadline <= closing.end
                && books.sharePauses(token, $0.request.token)
        }
        for waiter in hopeless {
            room.remove(waiter.id)
            turn.refused.append((waiter.id, counted(refusal(.coolDown, waiter.request, now: now))))
        }
    }

    mutating func counted(_ refusal: Gate.Refusal) -> Gate.Refusal {
        switch refusal.reason {
        case .queueFull: counts.refusedQueueFull += 1
        case .deadline: counts.refusedDeadline += 1
        case .coolDown: counts.refusedCoolDown += 1
        case .places:
            counts.refusedPlaces += 1
            refusedForPlace += 1
        case .share: counts.refusedPlaces += 1
        case .caller: counts.refusedCaller += 1
        case .upstreamRefuses, .upstreamHangs: counts.refusedDown += 1
        case .cancelled, .observing: break
        }
        return refusal
    }
}
