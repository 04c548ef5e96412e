// Members, an engine and a network between them, by one hand-moved clock: whatever can go wrong there does, by chance.

import Ground

@testable import Fleet

/// Reproducible chance.
struct Chance: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        var word = state
        word = (word ^ (word >> 33)) &* 0xFF51_AFD7_ED55_8CCD
        return word ^ (word >> 33)
    }

    mutating func happens(oneIn count: Int) -> Bool { Int.random(in: 0..<count, using: &self) == 0 }
}

/// A fleet in which a step is a millisecond.
struct FleetWorld {
    struct Node {
        var state: MemberState
        /// Calls that want to go, by ticket.
        var wanting: Set<UInt64> = []
        /// Until when it is stopped.
        var stoppedUntil = 0
        /// Passes that it has not used: it may be stopped with them in hand.
        var passes: [Nanoseconds] = []
        var tickets: UInt64 = 0
        /// When its state has something to do.
        var due: Nanoseconds = 0
    }

    struct Message {
        var due: Int
        var node: Int
        var life: FleetMemberID
        var number: UInt64
        var question: MemberState.Question?
        var answer: MemberState.Answer?
    }

    let policy: FleetPolicy
    var chance: Chance
    var now = 10_000_000
    /// The engine's clock, less `now`.
    var skew = 0
    var ledger: Ledger?
    var snapshots: [Ledger?] = []
    var server = 1
    var engineDownUntil = 0
    /// A file that cannot be used answers so at once, and all hear of it.
    var saysSo: Bool
    var aloneAt = 0
    /// Nothing goes wrong by itself.
    var isCalm = false
    var nodes: [Node] = []
    var messages: [Message] = []
    var sends: [(at: Int, isRun: Bool)] = []
    var sent = 0
    var runs = 0
    private var ids: UInt64 = 0

    init(policy: FleetPolicy, members: Int, seed: UInt64, saysSo: Bool = false) {
        (self.policy, self.saysSo) = (policy, saysSo)
        chance = Chance(seed: seed)
        for _ in 0..<members { nodes.append(newNode()) }
    }

    mutating func newNode() -> Node {
        ids += 1
        var settings = MemberState.Settings(id: FleetMemberID(ids), name: "m", version: "1", policy: policy)
        if saysSo { (settings.slowAfter, settings.cutAfter) = (1_000_000_000, 1_000_000_000) }
        return Node(state: MemberState(settings, now: nanoseconds))
    }

    var nanoseconds: Nanoseconds { Nanoseconds(now) * 1_000_000 }

    // MARK: A step

    mutating func step(demand: Int) {
        now += 1
        if now % 250 == 0 {
            snapshots.append(ledger)
            if snapshots.count > 40 { snapshots.removeFirst() }
        }
        deliver()
        for index in nodes.indices where nodes[index].stoppedUntil <= now {
            use(index)
            if chance.happens(oneIn: demand) { want(index) }
            if nodes[index].due <= nanoseconds { event(index) { $0.passed(now: $1) } }
        }
    }

    private mutating func want(_ index: Int) {
        guard nodes[index].wanting.count < 16 else { return }
        let isRun = policy.windows.contains(where: \.isForRuns) && chance.happens(oneIn: 20)
        nodes[index].tickets += 1
        let ticket = nodes[index].tickets | (isRun ? Self.run : 0)
        nodes[index].wanting.insert(ticket)
        let ask = FleetAsk(
            caller: UInt64.random(in: 0..<3, using: &chance), weight: 1, count: 1, isRun: isRun, scopes: ["api v2"])
        event(index) { $0.wants(ticket, ask, now: $1) }
    }

    /// Marks tickets of starts of runs.
    private static let run: UInt64 = 1 << 50

    private mutating func event(
        _ index: Int, _ event: (inout MemberState, Nanoseconds) -> [MemberState.Action]
    ) {
        nodes[index].state.membersGoAlone = !saysSo || aloneAt > 0 && now - aloneAt < 1000
        let actions = event(&nodes[index].state, nanoseconds)
        nodes[index].due = nodes[index].state.nextEvent(now: nanoseconds)
        perform(actions, of: index)
    }

    /// Sends with what it was given, as long as that holds.
    private mutating func use(_ index: Int) {
        let passes = nodes[index].passes
        nodes[index].passes = []
        for pass in passes where nanoseconds < abs(pass) {
            sends.append((now, pass < 0))
            sent += 1
            if pass < 0 { runs += 1 }
        }
    }

    private mutating func perform(_ actions: [MemberState.Action], of index: Int) {
        for action in actions {
            switch action {
            case .ask(let question, let number):
                guard isCalm || !chance.happens(oneIn: 200) else { continue }
                let message = Message(
                    due: now + delay(), node: index, life: nodes[index].state.settings.id, number: number,
                    question: question)
                messages.append(message)
                if !isCalm, chance.happens(oneIn: 200) {
                    var again = message
                    again.due += delay()
                    messages.append(again)
                }
            case .give(let ticket, let until):
                nodes[index].wanting.remove(ticket)
                // Sent a little later, as calls are; negative: a run.
                nodes[index].passes.append(ticket & Self.run != 0 ? -until : until)
            default: break
            }
        }
    }

    private mutating func delay() -> Int {
        !isCalm && chance.happens(oneIn: 100)
            ? Int.random(in: 0...400, using: &chance) : Int.random(in: 0...2, using: &chance)
    }

    private mutating func deliver() {
        guard messages.contains(where: { $0.due <= now }) else { return }
        let due = messages.filter { $0.due <= now }
        messages.removeAll { $0.due <= now }
        for message in due {
            if let question = message.question {
                guard let answer = ask(question, message.life) else { continue }
                guard isCalm || !chance.happens(oneIn: 200) else { continue }
                var back = message
                (back.question, back.answer, back.due) = (nil, answer, now + delay())
                messages.append(back)
            } else if let answer = message.answer, nodes[message.node].state.settings.id == message.life {
                if nodes[message.node].stoppedUntil > now {
                    var later = message
                    later.due = nodes[message.node].stoppedUntil
                    messages.append(later)
                } else {
                    event(message.node) { $0.answered(answer, number: message.number, now: $1) }
                }
            }
        }
    }

    private mutating func ask(_ question: MemberState.Question, _ member: FleetMemberID) -> MemberState.Answer? {
        guard engineDownUntil <= now else {
            if saysSo { aloneAt = now }
            return saysSo ? .failed(.cut("no room")) : nil
        }
        if saysSo, aloneAt > 0, now - aloneAt < 2000 { return .failed(.cut("another has no room")) }
        let (time, server) = (now + skew, saysSo ? "\(aloneAt)" : "\(server)")
        do throws(FleetError) {
            if case .join(let hello) = question {
                var ledger = ledger ?? Ledger(policy: hello.policy, server: server)
                let joined = try ledger.join(hello, server: server, now: time)
                self.ledger = ledger
                return .joined(joined)
            }
            guard var ledger else { throw .unknownMember }
            defer { self.ledger = ledger }
            switch question {
            case .acquire(let asks, let seen):
                return .granted(try ledger.acquire(asks, by: member, seen: seen, server: server, now: time))
            case .report(let report, let seen):
                return .reported(try ledger.report(report, by: member, seen: seen, server: server, now: time))
            case .join: return nil
            }
        } catch {
            return .failed(error)
        }
    }

    // MARK: What goes wrong

    mutating func stop(_ index: Int, for time: Int) { nodes[index].stoppedUntil = now + time }

    /// Killed and started again at once. The engine knows it for dead, as a file does by its lock.
    mutating func restart(_ index: Int, isBuried: Bool) {
        let former = nodes[index].state.settings.id
        if isBuried, engineDownUntil <= now { ledger?.bury([former], now: now + skew) }
        nodes[index] = newNode()
    }

    mutating func engineDown(for time: Int) { engineDownUntil = now + time }

    /// Another server takes over, `behind` quarters of a second behind; nil: one that knows nothing.
    mutating func failOver(behind: Int?, skew: Int) {
        self.skew = skew
        server += 1
        guard let behind else { return ledger = nil }
        if behind > 0, behind <= snapshots.count { ledger = snapshots[snapshots.count - behind] }
    }

    // MARK: The judge

    /// The most that went in any span of a window, less its limit.
    func excess(of window: FleetWindow) -> Int {
        var times: [Int] = []
        var worst = 0
        var first = 0
        for send in sends where send.isRun || !window.isForRuns {
            times.append(send.at)
            while times[first] <= send.at - window.span { first += 1 }
            worst = max(worst, times.count - first)
        }
        return worst - window.limit
    }
}
