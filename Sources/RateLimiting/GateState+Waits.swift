// What a call waits for, found out for those calls only that have to wait or are refused.

import Ground

extension GateState {
    /// How a call stands that has just come and is not queued yet. Looks at every caller that waits.
    mutating func wait(of request: GateRequest, now: Nanoseconds) -> Gate.Wait {
        var wait = waitInPlace(of: request, now: now)
        // Looks at what became of lost calls go before all that is interactive.
        let settling = request.priority == .interactive ? room.waiting(.settling) : 0
        wait.place = place(of: request, exactly: true).turns + settling
        wait.ahead = room.ahead(of: request)
        return wait
    }

    /// The same without the others.
    mutating func waitInPlace(of request: GateRequest, now: Nanoseconds) -> Gate.Wait {
        let (obstacle, end) = obstacle(of: request, now: now)
        let opens = end.flatMap { $0 == .never ? nil : Duration.nanoseconds(max($0 - now, 0)) }
        return Gate.Wait(obstacle: obstacle, opens: opens)
    }

    /// What is certain comes first: the limits, then what only others can end.
    private mutating func obstacle(
        of request: GateRequest, now: Nanoseconds
    ) -> (Gate.Obstacle, until: Nanoseconds?) {
        if let outage { return (.down, outage.until) }
        let own = callers.opening(of: request, now: now)
        let all = books.obstacle(of: request.lane, now: now)
        if own > now, own >= all?.opening ?? now, let window = callers.tightest(for: request, turns: 1, now: now) {
            return (.callerWindow(window), own)
        }
        if let all { return (all.obstacle, all.opening) }
        if places.isAtShare(request) { return (.callerPlaces, nil) }
        if !places.hasFree { return (.places(places.limit), nil) }
        if request.isLong && places.longAreFull { return (.longPlaces, nil) }
        return (.others, nil)
    }
}

extension ClientBooks {
    /// What keeps a lane's calls from going, and until when; of several the one that lasts longest.
    mutating func obstacle(of lane: Lane, now: Nanoseconds) -> ClientBook.Hold? {
        let hold = book(of: lane.token, now: now).hold(of: lane, now: now)
        guard passesTokens else { return hold }
        // What is not accepted yet is held by its own pauses, and by all that holds the client that it names.
        let holds =
            [hold, claimedBook(by: lane.token, now: now)?.hold(of: lane, now: now)]
            + tables(of: lane.token, now: now).map { $0.hold(of: lane, now: now) }
        return holds.compactMap { $0 }.max { $0.opening < $1.opening }
    }
}

extension ClientBook {
    /// What keeps calls from going until an instant, which is `never` where only another event can tell.
    struct Hold {
        let obstacle: Gate.Obstacle
        let opening: Nanoseconds
    }

    /// What keeps a lane's calls from going; of several what lasts longest.
    func hold(of lane: Lane, now: Nanoseconds) -> Hold? {
        var holds = [
            coolDowns.hold(of: lane, now: now), windows.hold(isUrgent: lane.isUrgent, isForRuns: false, now: now),
        ]
        if lane.countsAsRun { holds.append(runWindows.hold(isUrgent: false, isForRuns: true, now: now)) }
        return holds.compactMap { $0 }.max { $0.opening < $1.opening }
    }
}

extension CoolDownTable {
    func hold(of lane: Lane, now: Nanoseconds) -> ClientBook.Hold? {
        entries.filter { $0.scope.covers(lane) && $0.opening(now: now) > now }
            .max { $0.opening(now: now) < $1.opening(now: now) }
            .map { .init(obstacle: .pause($0.scope, $0.cause), opening: $0.opening(now: now)) }
    }
}

extension WindowSet {
    func hold(isUrgent: Bool, isForRuns: Bool, now: Nanoseconds) -> ClientBook.Hold? {
        var longest: ClientBook.Hold?
        for paced in windows {
            let hard = paced.hardOpening(now: now)
            let opening = isUrgent ? hard : paced.opening(now: now, pace: pace)
            guard opening > longest?.opening ?? now else { continue }
            let window = GateWindow(limit: paced.window.limit, span: .nanoseconds(paced.window.span))
            longest = .init(
                obstacle: hard > now ? .window(window, isForRuns: isForRuns) : .pace(window, isForRuns: isForRuns),
                opening: opening)
        }
        return longest
    }
}

extension WaitingRoom {
    private static let named = 8

    /// Whose calls go before one that comes now: those of its class by turns, and those of the classes before it. The most
    /// are picked out as they come: there may be hundreds, and the gate is locked.
    func ahead(of request: GateRequest) -> [Gate.Ahead] {
        var most: [Gate.Ahead] = []
        for priority in Priority.allCases where priority.rawValue <= request.priority.rawValue {
            forEachCaller(priority, ahead: priority == request.priority ? request : nil) { caller, calls in
                if most.count == Self.named {
                    guard calls > most[Self.named - 1].calls else { return }
                    most.removeLast()
                }
                let place = most.firstIndex { $0.calls < calls } ?? most.count
                most.insert(Gate.Ahead(caller: caller, calls: calls), at: place)
            }
        }
        return most
    }
}
