// The arithmetic of a fleet as a value: who may send, what is counted, what is closed. One event after the other, each with the
// engine's `now`; no clock of its own, no I/O. The engines in memory and in a file keep exactly this; the scripts of the Redis
// engine are written after it and compared with it on the same traces.
//
// What stays true: 1. in no window do the grants of any span of `counted` milliseconds exceed what `FleetPolicy.online` says, as
// far as the ledger remembers or is told; 2. a pause only ever grows; 3. `seq` and `epoch` only ever grow, and beyond any number
// that a member has seen; 4. what is granted to a member is counted before the member hears of it.

/// Whole numbers only; milliseconds unless said otherwise.
package struct Ledger: Sendable, Equatable {
    /// So long a member lives without being heard.
    package static let memberLife = 3_000
    /// So long nothing is granted after something was forgotten, so that all members can report.
    package static let learningTime = 300
    /// Who was heard so shortly before something was forgotten may have got something in the lost time.
    package static let lostTime = 10_000
    /// So long a caller that was refused counts as waiting, if it does not ask again.
    package static let waitTime = 300

    /// One member.
    package struct Member: Sendable, Equatable {
        package var name: String
        package var version: String
        package var joined: Int
        package var heard: Int
        /// The epoch that it has reported in; 0: none.
        package var reported: Int
    }

    /// One caller, by the hash of its name.
    package struct Caller: Sendable, Equatable {
        /// Millionths of a call of weight 1: what it has got.
        package var virtual: Int
        /// Until when it counts as waiting, for calls and for starts of runs.
        package var waitsForCalls: Int
        package var waitsForRuns: Int
    }

    /// One pause.
    package struct Pause: Sendable, Equatable {
        package var cause: String
        package var until: Int
    }

    package internal(set) var policy: FleetPolicy
    /// Which server the state belongs to, as the engine tells.
    package internal(set) var server: String
    package internal(set) var seq = 0
    package internal(set) var epoch = 1
    /// When something was last found forgotten, and until when nothing is granted for that.
    package internal(set) var learningSince = 0
    package internal(set) var learningUntil = 0
    package internal(set) var calls = 0
    package internal(set) var runs = 0
    package internal(set) var windows: [LedgerWindow]
    /// In the same order: the most that any report says a window held, and what reports have brought, since `learningSince`.
    package internal(set) var known: [Int]
    package internal(set) var reported: [Int]
    package internal(set) var members: [FleetMemberID: Member] = [:]
    package internal(set) var callers: [UInt64: Caller] = [:]
    /// Where a caller begins that has not waited: what those have got who wait, or who was served last.
    package internal(set) var virtual = 0
    package internal(set) var pauses: [String: Pause] = [:]

    /// A ledger that knows nothing.
    package init(policy: FleetPolicy, server: String) {
        self.policy = policy
        self.server = server
        windows = policy.windows.map(LedgerWindow.init)
        known = policy.windows.map { _ in 0 }
        reported = known
    }

    // MARK: Members

    /// A member comes, or comes back.
    package mutating func join(_ hello: FleetHello, server: String, now: Int) throws(FleetError) -> FleetJoined {
        let others = living(now: now).filter { $0 != hello.id }
        if let difference = hello.policy.difference(from: policy.text) {
            guard others.isEmpty else { throw difference }
            change(to: hello.policy)
        }
        guard others.count < policy.maxMembers else { throw .full(members: others.count) }
        let isFirst = seq == 0 && members.isEmpty && pauses.isEmpty && windows.allSatisfy { $0.sum == 0 }
        noticeLoss(seen: hello.seen, server: server, now: now)
        // Who has seen nothing has nothing to report.
        let former = members[hello.id]
        members[hello.id] = Member(
            name: String(decoding: hello.name.utf8.prefix(100), as: UTF8.self),
            version: String(decoding: hello.version.utf8.prefix(100), as: UTF8.self),
            joined: former?.joined ?? now, heard: now, reported: hello.seen == 0 ? epoch : former?.reported ?? 0)
        forgetMembers(now: now)
        trim(now: now)
        return FleetJoined(view: view(now: now), history: windows.map { $0.history(now: now) }, isFirst: isFirst)
    }

    /// A member goes.
    package mutating func leave(_ member: FleetMemberID) { members[member] = nil }

    /// These are known to be dead.
    package mutating func bury(_ dead: [FleetMemberID], now: Int) {
        for id in dead {
            if let heard = members[id]?.heard { members[id]?.heard = min(heard, now - Self.memberLife) }
        }
    }

    /// Who lives, in order.
    package func living(now: Int) -> [FleetMemberID] {
        members.filter { $0.value.heard > now - Self.memberLife }.keys.sorted()
    }

    /// Who lives, for people; in order of their coming.
    package func roll(now: Int) -> [FleetMember] {
        living(now: now).compactMap { id in
            members[id].map {
                FleetMember(
                    id: id, name: $0.name, version: $0.version, joined: now - $0.joined, heard: now - $0.heard)
            }
        }.sorted { ($0.joined, $1.id) > ($1.joined, $0.id) }
    }

    // MARK: Pauses

    /// Upstream told a pause. Only ever extends.
    package mutating func pause(_ pause: FleetPause, now: Int) {
        let until = now + max(pause.left, 0)
        guard until > pauses[pause.scope]?.until ?? now else { return }
        pauses = pauses.filter { $0.value.until > now }
        // More cannot be: operations are few. Whoever has more is closed altogether.
        let scope = pauses.count < 256 || pauses[pause.scope] != nil ? pause.scope : "*"
        guard until > pauses[scope]?.until ?? now else { return }
        pauses[scope] = Pause(cause: pause.cause, until: until)
    }

    // MARK: How it stands

    /// What every answer tells. To be asked after `trim`.
    package func view(now: Int) -> FleetView {
        FleetView(
            seq: seq, epoch: epoch, learning: max(learningUntil - now, 0), calls: calls, runs: runs,
            used: windows.indices.map { windows[$0].sum + phantom($0, now: now) },
            pauses: pauses.filter { $0.value.until > now }.map {
                FleetPause(scope: $0.key, cause: $0.value.cause, left: $0.value.until - now)
            }.sorted { $0.scope < $1.scope },
            members: living(now: now))
    }

    package mutating func trim(now: Int) {
        for index in windows.indices { windows[index].trim(now: now) }
    }

    // MARK: Inside

    /// Other windows hold from now on. Each goes on with the counts of the shortest of its kind that was at least as long, or of
    /// the longest.
    private mutating func change(to policy: FleetPolicy) {
        let former = zip(self.policy.windows, windows).sorted { $0.0.span < $1.0.span }
        windows = policy.windows.map { window in
            var new = LedgerWindow(window)
            let fitting = former.filter { $0.0.isForRuns == window.isForRuns }
            if let other = fitting.first(where: { $0.0.span >= window.span }) ?? fitting.last {
                new.inherit(from: other.1)
            }
            return new
        }
        self.policy = policy
        known = policy.windows.map { _ in 0 }
        reported = known
    }

    /// Members that nothing depends on any more are forgotten.
    private mutating func forgetMembers(now: Int) {
        members = members.filter { $0.value.heard > now - 3 * Self.lostTime || isSilent($0.value, now: now) }
        let bound = 4 * policy.maxMembers + 64
        guard members.count > bound else { return }
        let oldest = members.sorted { ($0.value.heard, $0.key) < ($1.value.heard, $1.key) }.prefix(
            members.count - bound)
        for (id, _) in oldest { members[id] = nil }
    }
}
