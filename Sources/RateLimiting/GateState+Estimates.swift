// How long a wait will be: to refuse at once what can not end in time, and to tell the refused when to come back.

extension GateState {
    /// Between calls where there is no window to tell.
    private static let defaultInterval = 10_000_000.0
    /// Further ahead nobody is promised a turn of his own.
    private static let longestQueueOfPromises = 300 * Nanoseconds.oneSecond

    /// Why a call is not even queued; nil if it may be.
    mutating func refusalAtOnce(_ request: GateRequest, deadline: Nanoseconds, now: Nanoseconds) -> Gate.Refusal? {
        if let end = coolDowns.end(for: request.lane, now: now), end >= deadline {
            return refusal(.coolDown, request, now: now)
        }
        // Nobody alone gets more than nine tenths of the places: nine for each that is left to others.
        let free = limits.maxQueue - room.count
        guard free > 0, room.waiting(of: request) < 9 * free else { return refusal(.queueFull, request, now: now) }
        guard deadline > now else { return refusal(.deadline, request, now: now) }
        for exactly in [false, true] {
            let place = room.place(of: request, exactly: exactly)
            // Limits are certain. What others will do is a guess: only a wait of twice the time is hopeless.
            let guess = max(waitForPermit(turns: place.turns), place.guess) / 2
            if now + max(guess, waitForPace(request, turns: place.turns, now: now)) < deadline { return nil }
        }
        return refusal(.deadline, request, now: now)
    }

    /// A refusal with a wait of its own: never shorter than a pause that holds, and later than what the caller's other
    /// refused calls were told.
    mutating func refusal(_ reason: Gate.Refusal.Reason, _ request: GateRequest, now: Nanoseconds) -> Gate.Refusal {
        let place = room.place(of: request, exactly: true)
        let base = max(expectedWait(request, turns: place.turns, now: now), place.guess, .oneSecond)
        let share = Double(room.competing(with: request)) / Double(request.weight)
        let spacing = max(interval(countsAsRun: request.countsAsRun) * share, 1_000_000)
        var told = now + base
        room.promise(request, now: now) { promised in
            if promised > told, promised - told < Self.longestQueueOfPromises { told = promised }
            promised = told + Nanoseconds(spacing)
        }
        let wait = told - now + Nanoseconds(spacing * random.unit())
        return Gate.Refusal(reason: reason, retryAfter: .nanoseconds(wait))
    }

    /// How long the call that goes after `turns - 1` others will have waited, if nobody else comes.
    func expectedWait(_ request: GateRequest, turns: Int, now: Nanoseconds) -> Nanoseconds {
        max(waitForPermit(turns: turns), waitForPace(request, turns: turns, now: now))
    }

    /// Nanoseconds from call to call at the present pace.
    func interval(countsAsRun: Bool) -> Double {
        let general = windows.interval ?? Self.defaultInterval
        return countsAsRun ? max(general, runWindows.interval ?? 0) : general
    }

    private func waitForPermit(turns: Int) -> Nanoseconds {
        let behind = turns - max(limits.maxInFlight - inFlight, 0)
        guard behind > 0, let averageHold else { return 0 }
        return Nanoseconds(averageHold * Double(behind) / Double(limits.maxInFlight))
    }

    private func waitForPace(_ request: GateRequest, turns: Int, now: Nanoseconds) -> Nanoseconds {
        var wait = windows.delay(forCalls: Double(turns), now: now)
        if request.countsAsRun {
            wait = max(wait, runWindows.delay(forCalls: Double(min(turns, room.runs + 1)), now: now))
        }
        guard !coolDowns.isEmpty else { return wait }
        let interval = interval(countsAsRun: request.countsAsRun)
        return max(
            wait, coolDowns.turn(ofCall: Double(turns), in: request.lane, interval: interval, now: now) - now)
    }

    /// A pause became longer: those whose patience ends before it need not wait for that.
    mutating func refuseHopeless(_ turn: inout Turn, _ closing: CoolDownTable.Closing, now: Nanoseconds) {
        let hopeless = room.waiters { closing.scope.covers($0.request.lane) && $0.deadline <= closing.end }
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
        case .cancelled, .observing: break
        }
        return refusal
    }
}
