// Grants: as many as every window has room for, at an even pace after a burst, fair between callers wherever they call.

extension Ledger {
    /// A member asks for calls, or (without asks) only shows that it lives.
    package mutating func acquire(
        _ asks: [FleetAsk], by member: FleetMemberID, seen: Int, server: String, now: Int
    ) throws(FleetError) -> FleetGrant {
        guard members[member] != nil else { throw .unknownMember }
        members[member]?.heard = now
        noticeLoss(seen: seen, server: server, now: now)
        trim(now: now)
        // Who has not reported is told to by the epoch.
        guard learningUntil <= now, members[member]?.reported == epoch else {
            let wait = asks.isEmpty ? 0 : max(learningUntil - now, 1)
            return FleetGrant(view: view(now: now), granted: asks.map { _ in 0 }, wait: wait)
        }
        var granted: [Int] = []
        var wait = 0
        for ask in asks {
            let (count, after) = grant(ask, to: member, now: now)
            granted.append(count)
            if count < ask.count { wait = wait == 0 ? after : min(wait, after) }
        }
        return FleetGrant(view: view(now: now), granted: granted, wait: wait)
    }

    private mutating func grant(_ ask: FleetAsk, to member: FleetMemberID, now: Int) -> (count: Int, wait: Int) {
        if let end = pauseEnd(ask, now: now) { return (0, end - now) }
        let indices = policy.windows.indices.filter { ask.isRun || !policy.windows[$0].isForRuns }
        let room = indices.reduce(ask.count) { min($0, self.room($1, now: now)) }
        let turn = turn(of: ask, now: now)
        let count = max(min(room, turn), 0)
        note(ask, granted: count, now: now)
        if count > 0 {
            for index in indices {
                windows[index].add(count, of: member.bits, now: now)
                windows[index].tat = max(windows[index].tat, now * 1000) + count * policy.windows[index].interval
            }
            calls += count
            if ask.isRun { runs += count }
            seq += 1
        }
        guard count < ask.count else { return (count, 0) }
        let wait = indices.reduce(turn < room ? 5 : 1) { max($0, opening($1, now: now)) }
        return (count, min(wait, 1000))
    }

    /// Until when a pause holds such calls; nil if none does.
    private func pauseEnd(_ ask: FleetAsk, now: Int) -> Int? {
        let ends = (["*"] + ask.scopes).compactMap { pauses[$0]?.until }.filter { $0 > now }
        return ends.max()
    }

    /// How many calls a window has room for; may be negative.
    private func room(_ index: Int, now: Int) -> Int {
        let window = policy.windows[index]
        let hard = policy.online(window) - windows[index].sum - phantom(index, now: now)
        let ahead = max(windows[index].tat - now * 1000, 0)
        return min(hard, (window.burst * window.interval - ahead) / window.interval)
    }

    /// After how long a window has room for one more, as far as can be told; 0: it has.
    private func opening(_ index: Int, now: Int) -> Int {
        let window = policy.windows[index]
        let ahead = max(windows[index].tat - now * 1000, 0)
        let paced = (max(ahead - (window.burst - 1) * window.interval, 0) + 999) / 1000
        guard policy.online(window) - windows[index].sum - phantom(index, now: now) < 1 else { return paced }
        return max(paced, (windows[index].firstExpiry ?? learningSince + window.counted) - now, 1)
    }

    // MARK: Fairness

    /// How many calls a caller may get before others who wait have had theirs: it may be one burst of virtual time ahead.
    private mutating func turn(of ask: FleetAsk, now: Int) -> Int {
        let own = callers[ask.caller]
        let isWaiting = ask.isRun ? own?.waitsForRuns ?? 0 > now : own?.waitsForCalls ?? 0 > now
        // Who did not wait has no claim on the past.
        let start = isWaiting ? own?.virtual ?? virtual : max(own?.virtual ?? 0, virtual)
        callers[ask.caller] = Caller(
            virtual: start, waitsForCalls: own?.waitsForCalls ?? 0, waitsForRuns: own?.waitsForRuns ?? 0)
        guard let behind = behind(ask, now: now) else { return ask.count }
        let limits = policy.windows.filter { ask.isRun || !$0.isForRuns }.map(\.limit)
        let burst = max((limits.min() ?? 1) / 50, 1)
        return max(behind + burst * 1_000_000 - start, 0) * min(max(ask.weight, 1), 1000) / 1_000_000
    }

    /// The least that another caller has got who waits for such calls; nil if none does.
    private func behind(_ ask: FleetAsk, now: Int) -> Int? {
        var behind: Int?
        for (key, caller) in callers where key != ask.caller {
            guard (ask.isRun ? caller.waitsForRuns : caller.waitsForCalls) > now else { continue }
            behind = min(behind ?? caller.virtual, caller.virtual)
        }
        return behind
    }

    private mutating func note(_ ask: FleetAsk, granted: Int, now: Int) {
        guard var caller = callers[ask.caller] else { return }
        let until = granted < ask.count ? now + Self.waitTime : 0
        if ask.isRun { caller.waitsForRuns = until } else { caller.waitsForCalls = until }
        if granted > 0 {
            virtual = max(virtual, min(caller.virtual, behind(ask, now: now) ?? caller.virtual))
            caller.virtual += granted * (1_000_000 / min(max(ask.weight, 1), 1000))
        }
        callers[ask.caller] = caller
        guard callers.count > 256 else { return }
        callers = callers.filter {
            max($0.value.waitsForCalls, $0.value.waitsForRuns) > now || $0.value.virtual > virtual
        }
        // Two hundred wait or are ahead: none of them is behind.
        if callers.count > 1024 { callers = [:] }
    }
}
