// What happens when the engine is found to have forgotten something: it was restarted empty, or replaced by one that is behind.

extension Ledger {
    /// A member has seen a greater number than there is, or the state was written by another server: everybody waits and
    /// reports. The new epoch is greater than any number that a member can have seen.
    mutating func noticeLoss(seen: Int, server: String, now: Int) {
        guard seen > seq || server != self.server else { return }
        self.server = server
        seq = max(seq, seen) + 1
        epoch = seq
        learningSince = now
        learningUntil = now + Self.learningTime
        (calls, runs) = (0, 0)
        known = windows.map { _ in 0 }
        reported = known
    }

    /// A member says what it sent.
    package mutating func report(
        _ report: FleetReport, by member: FleetMemberID, seen: Int, server: String, now: Int
    ) throws(FleetError) -> FleetView {
        guard members[member] != nil else { throw .unknownMember }
        noticeLoss(seen: seen, server: server, now: now)
        var (moreCalls, moreRuns) = (0, 0)
        for index in windows.indices where index < report.sent.count {
            let before = windows[index].sum
            windows[index].merge(report.sent[index], of: member.bits, now: now)
            let more = windows[index].sum - before
            if policy.windows[index].isForRuns {
                moreRuns = max(moreRuns, more)
            } else {
                moreCalls = max(moreCalls, more)
            }
        }
        calls += moreCalls
        runs += moreRuns
        trim(now: now)
        if members[member]?.reported != epoch {
            for index in windows.indices {
                let own = windows[index].sum(of: member.bits)
                reported[index] += own
                known[index] = max(known[index], own + (index < report.others.count ? max(report.others[index], 0) : 0))
            }
            for peer in report.peers.prefix(2 * policy.maxMembers) where members[peer] == nil {
                members[peer] = Member(name: "", version: "", joined: now, heard: learningSince, reported: 0)
            }
        }
        members[member]?.heard = now
        members[member]?.reported = epoch
        return view(now: now)
    }

    /// Whether a member may have got something that nobody has told since: it was heard shortly before something was forgotten,
    /// and has not reported.
    func isSilent(_ member: Member, now: Int) -> Bool {
        learningSince > 0 && now < learningSince + policy.longest && member.reported < epoch
            && member.heard > learningSince - Self.lostTime
    }

    /// What a window has to count for members that are silent.
    func phantom(_ index: Int, now: Int) -> Int {
        let window = policy.windows[index]
        guard learningSince > 0, now < learningSince + window.counted else { return 0 }
        let silent = members.values.reduce(0) { $0 + (isSilent($1, now: now) ? 1 : 0) }
        guard silent > 0 else { return 0 }
        return min(window.limit, max(silent * window.phantom, known[index] - reported[index]))
    }
}
