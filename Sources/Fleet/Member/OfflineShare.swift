// What a member knows about the windows by itself: what it sent, what others did, and how much it may send while the engine cannot
// be asked.
//
// With a reserve each member has its part of that, whatever the others do. Without one all of them are cut off together, because
// the engine is a file of their host: each may take its part of what is left beside what was sent before, and of what may have been
// sent since it last heard.

import Ground

struct OfflineShare: Sendable {
    private let policy: FleetPolicy
    /// By window: grants and sends of its own, those of others, and its own sends while it was cut off.
    private var own: [SentLog]
    private var others: [SentLog]
    private var alone: [SentLog]
    /// What may have been sent in each window without being heard of, and until when that counts.
    private var unheard: [Int]
    private var unheardUntil: [Nanoseconds]
    private var heardAt: Nanoseconds

    init(_ policy: FleetPolicy, now: Nanoseconds) {
        self.policy = policy
        let logs = policy.windows.map { SentLog(span: Nanoseconds($0.counted) * 1_000_000) }
        (own, others, alone) = (logs, logs, logs)
        // Who starts cut off does not know what an earlier life has sent: all of it.
        unheard = policy.windows.map(\.limit)
        unheardUntil = policy.windows.map { now + Nanoseconds($0.counted) * 1_000_000 }
        heardAt = now
        if policy.reserve > 0 {
            for (index, window) in policy.windows.enumerated() { alone[index].record(policy.offline(window), at: now) }
        }
    }

    /// Whether anything of its own still counts anywhere.
    var hasSent: Bool { own.contains { $0.sum > 0 } }

    // MARK: What was sent

    mutating func granted(_ count: Int, isRun: Bool, now: Nanoseconds) {
        for index in indices(isRun) { own[index].record(count, at: now) }
    }

    mutating func othersSent(calls: Int, runs: Int, now: Nanoseconds) {
        for (index, window) in policy.windows.enumerated() {
            others[index].advance(to: now)
            others[index].record(window.isForRuns ? runs : calls, at: now)
        }
    }

    /// What was sent before this process began. It knows everything now.
    mutating func adopt(_ history: [[FleetCount]], now: Nanoseconds) {
        for (index, counts) in history.enumerated() where index < others.count {
            for count in counts { others[index].record(count.count, at: now - Nanoseconds(count.age) * 1_000_000) }
        }
        unheard = unheard.map { _ in 0 }
        let logs = policy.windows.map { SentLog(span: Nanoseconds($0.counted) * 1_000_000) }
        if policy.reserve == 0 { alone = logs }
    }

    /// The engine's counts are those of another epoch. Returns what others have sent at least beyond what was known.
    mutating func level(with used: [Int], now: Nanoseconds) -> (calls: Int, runs: Int) {
        advance(to: now)
        var gaps: (calls: Int?, runs: Int?) = (nil, nil)
        for (index, window) in policy.windows.enumerated() where index < used.count {
            let gap = max(used[index] - own[index].sum - others[index].sum, 0)
            others[index].record(gap, at: now)
            if window.isForRuns {
                gaps.runs = min(gaps.runs ?? gap, gap)
            } else {
                gaps.calls = min(gaps.calls ?? gap, gap)
            }
        }
        return (gaps.calls ?? 0, min(gaps.runs ?? 0, gaps.calls ?? 0))
    }

    mutating func heard(now: Nanoseconds) { heardAt = now }

    /// What is told to an engine that has forgotten.
    mutating func report(peers: [FleetMemberID], now: Nanoseconds) -> FleetReport {
        advance(to: now)
        return FleetReport(sent: own.map { $0.counts(now: now) }, peers: peers, others: others.map(\.sum))
    }

    // MARK: Alone

    /// The engine cannot be asked from now on.
    mutating func cut(now: Nanoseconds) {
        advance(to: now)
        guard policy.reserve == 0 else { return }
        for (index, window) in policy.windows.enumerated() {
            // A burst, and the pace since it heard.
            let since = Int((now - heardAt) / 1_000_000) + window.useWithin
            let more = window.burst + (since * window.limit + window.span - 1) / window.span
            unheard[index] = now < unheardUntil[index] ? max(unheard[index], more) : more
            unheardUntil[index] = now + Nanoseconds(window.counted) * 1_000_000
        }
    }

    /// Counts a call that goes by the share, if there is room for it.
    mutating func take(isRun: Bool, now: Nanoseconds) -> Bool {
        advance(to: now)
        let indices = indices(isRun)
        guard indices.allSatisfy({ alone[$0].sum < room($0, now: now) }) else { return false }
        for index in indices {
            own[index].record(1, at: now)
            alone[index].record(1, at: now)
        }
        return true
    }

    /// How many calls of its own a window may hold that went while it was cut off.
    private func room(_ index: Int, now: Nanoseconds) -> Int {
        let window = policy.windows[index]
        guard policy.reserve == 0 else { return policy.offline(window) }
        // What went while it was cut off is in `own` too, and is shared by nobody.
        let before = own[index].sum - alone[index].sum + others[index].sum
        let doubt = now < unheardUntil[index] ? unheard[index] : 0
        return max(window.limit - before - doubt, 0) / policy.maxMembers
    }

    private mutating func advance(to now: Nanoseconds) {
        for index in own.indices {
            own[index].advance(to: now)
            others[index].advance(to: now)
            alone[index].advance(to: now)
        }
    }

    private func indices(_ isRun: Bool) -> [Int] {
        policy.windows.indices.filter { isRun || !policy.windows[$0].isForRuns }
    }
}
