// One member of a fleet as a value: who of its calls may go, what it asks the engine, and what it does when there is none. Events
// and `now` in, actions out; no clock, no I/O.
//
// What stays true: 1. a pass is given for each call that was granted within the time in which a grant holds, or that is within the
// member's own share while it is cut off; 2. what is granted late is dropped, and stays counted; 3. an answer to a question that
// was given up is not listened to; 4. while the epoch is one in which it has not reported, it reports before anything else.

import Ground

/// Nanoseconds of the member's monotonic clock, which counts from any instant.
package struct MemberState: Sendable {
    package typealias Ticket = UInt64

    /// What does not change while a member lives.
    package struct Settings: Sendable {
        package var id: FleetMemberID
        package var name: String
        package var version: String
        package var policy: FleetPolicy
        /// An answer that takes longer lets calls go within the member's share, where one is reserved for it.
        package var slowAfter: Nanoseconds = 50_000_000
        /// One that takes longer is not waited for: the member is cut off.
        package var cutAfter: Nanoseconds = 150_000_000
        /// From beat to beat while others live, and alone.
        package var beat: Nanoseconds = 100_000_000
        package var beatAlone: Nanoseconds = 1_000_000_000

        package init(id: FleetMemberID, name: String, version: String, policy: FleetPolicy) {
            (self.id, self.name, self.version, self.policy) = (id, name, version, policy)
        }
    }

    /// What a member asks its engine; one question at a time.
    package enum Question: Sendable, Equatable {
        case join(FleetHello)
        case acquire([FleetAsk], seen: Int)
        case report(FleetReport, seen: Int)
    }

    /// What the engine said.
    package enum Answer: Sendable {
        case joined(FleetJoined)
        case granted(FleetGrant)
        case reported(FleetView)
        case failed(FleetError)
    }

    /// What the shell has to do.
    package enum Action: Sendable, Equatable {
        /// Ask, and bring the answer under this number.
        case ask(Question, number: UInt64)
        /// This call may go, until then.
        case give(Ticket, until: Nanoseconds)
        /// Others have sent so many calls since it was last told.
        case others(calls: Int, runs: Int)
        /// What was sent before this process began.
        case adopt([[FleetCount]])
        /// What is closed.
        case pauses([FleetPause])
        /// For the log.
        case tell(Word)
    }

    /// What is worth a line in the log.
    package enum Word: Sendable, Equatable {
        case cut(String)
        case back
        case learning
        case refused(FleetError)
        case members(Int)
    }

    private enum Phase: Sendable {
        /// No member (any more).
        case outside
        case inside
    }

    private struct Exchange: Sendable {
        var number: UInt64
        var question: Question
        var askedAt: Nanoseconds
        /// By ask, in the order of the asks.
        var tickets: [[Ticket]] = []
    }

    private struct Waiter: Sendable {
        var ticket: Ticket
        var ask: FleetAsk
    }

    package let settings: Settings
    private var phase = Phase.outside
    private var waiters: [Waiter] = []
    private var exchange: Exchange?
    private var numbers: UInt64 = 0
    /// When it asks again for what was refused, and which kinds of calls that holds.
    private var askAgainAt: Nanoseconds?
    private var held: Set<FleetAsk> = []
    private var nextTry: Nanoseconds = 0
    private var failures = 0
    private var heardAt: Nanoseconds
    /// Whether the engine has ever answered, and why it does not now.
    private(set) package var hasJoined = false
    private(set) package var cutBecause: String?
    /// Whether all members go by their shares: see `FleetLedger.membersGoAlone`. Set before each event.
    package var membersGoAlone = true
    private(set) package var view: FleetView?
    private var seen = 0
    private var reportedEpoch = 0
    private var isLearning = false
    private var tookPart = false
    private var share: OfflineShare

    /// A member that has not asked anybody yet.
    package init(_ settings: Settings, now: Nanoseconds) {
        self.settings = settings
        heardAt = now
        share = OfflineShare(settings.policy, now: now)
    }

    /// Calls that wait.
    package var waiting: Int { waiters.count }

    // MARK: Calls

    /// A call wants to go.
    package mutating func wants(_ ticket: Ticket, _ ask: FleetAsk, now: Nanoseconds) -> [Action] {
        waiters.append(Waiter(ticket: ticket, ask: ask))
        if !held.contains(ask) { askAgainAt = nil }
        return passed(now: now)
    }

    /// It does not want to any more.
    package mutating func left(_ ticket: Ticket) {
        waiters.removeAll { $0.ticket == ticket }
    }

    // MARK: Time

    /// Time has passed: to be called at `nextEvent`, any other time does no harm.
    package mutating func passed(now: Nanoseconds) -> [Action] {
        var actions: [Action] = []
        if let asked = exchange?.askedAt {
            if now - asked >= settings.cutAfter {
                exchange = nil
                let after = settings.cutAfter / 1_000_000
                fail(.cut("the engine has not answered within \(after) ms"), &actions, now: now)
            }
        }
        if isAlone(now: now) { serveAlone(&actions, now: now) }
        askNext(&actions, now: now)
        return actions
    }

    /// When `passed` has something to do.
    package func nextEvent(now: Nanoseconds) -> Nanoseconds {
        var next = exchange.map { $0.askedAt + settings.cutAfter } ?? .max
        if let asked = exchange?.askedAt, hasReserve, !waiters.isEmpty, now < asked + settings.slowAfter {
            next = min(next, asked + settings.slowAfter)
        }
        if exchange == nil {
            switch phase {
            case .outside: next = min(next, nextTry)
            case .inside:
                next = min(next, heardAt + beat)
                if !waiters.isEmpty { next = min(next, askAgainAt ?? now) }
            }
        }
        if isAlone(now: now), !waiters.isEmpty {
            // What of the share comes free when is not worth foretelling.
            next = min(next, now + 10_000_000)
        }
        return next
    }

    private var beat: Nanoseconds { (view?.members.count ?? 1) > 1 ? settings.beat : settings.beatAlone }

    private var hasReserve: Bool { settings.policy.reserve > 0 }

    /// Whether calls go by the member's own share.
    private func isAlone(now: Nanoseconds) -> Bool {
        if cutBecause != nil { return hasReserve || membersGoAlone }
        guard hasReserve, let asked = exchange?.askedAt else { return false }
        return now - asked >= settings.slowAfter
    }

    private mutating func serveAlone(_ actions: inout [Action], now: Nanoseconds) {
        waiters = waiters.filter { waiter in
            // What it has asked for may be granted yet: then that is dropped.
            guard share.take(isRun: waiter.ask.isRun, now: now) else { return true }
            actions.append(
                .give(
                    waiter.ticket,
                    until: now + Nanoseconds(settings.policy.useWithin(isRun: waiter.ask.isRun)) * 1_000_000))
            return false
        }
    }

    // MARK: Questions

    private mutating func askNext(_ actions: inout [Action], now: Nanoseconds) {
        guard exchange == nil else { return }
        switch phase {
        case .outside:
            guard now >= nextTry else { return }
            ask(.join(hello), &actions, now: now)
        case .inside:
            if let view, view.epoch != reportedEpoch {
                ask(.report(share.report(peers: view.members, now: now), seen: seen), &actions, now: now)
            } else if !waiters.isEmpty, askAgainAt ?? now <= now {
                askForCalls(&actions, now: now)
            } else if now - heardAt >= beat {
                ask(.acquire([], seen: seen), &actions, now: now)
            }
        }
    }

    private var hello: FleetHello {
        FleetHello(
            id: settings.id, name: settings.name, version: settings.version, policy: settings.policy, seen: seen)
    }

    private mutating func askForCalls(_ actions: inout [Action], now: Nanoseconds) {
        var asks: [FleetAsk] = []
        var tickets: [[Ticket]] = []
        for waiter in waiters {
            if let index = asks.firstIndex(where: { $0.isAlike(waiter.ask) }) {
                guard asks[index].count < 1000 else { continue }
                asks[index].count += 1
                tickets[index].append(waiter.ticket)
            } else if asks.count < 64 {
                asks.append(waiter.ask)
                tickets.append([waiter.ticket])
            }
        }
        ask(.acquire(asks, seen: seen), &actions, now: now, tickets: tickets)
    }

    private mutating func ask(
        _ question: Question, _ actions: inout [Action], now: Nanoseconds, tickets: [[Ticket]] = []
    ) {
        numbers += 1
        askAgainAt = nil
        held = []
        exchange = Exchange(number: numbers, question: question, askedAt: now, tickets: tickets)
        actions.append(.ask(question, number: numbers))
    }

    // MARK: Answers

    /// The answer to a question has come.
    package mutating func answered(_ answer: Answer, number: UInt64, now: Nanoseconds) -> [Action] {
        guard let exchange, exchange.number == number else { return [] }
        var actions: [Action] = []
        self.exchange = nil
        switch answer {
        case .failed(.unknownMember):
            phase = .outside
            nextTry = now
        case .failed(let error): fail(error, &actions, now: now)
        case .joined(let joined): self.joined(joined, &actions, now: now)
        case .reported(let view):
            reportedEpoch = view.epoch
            heard(view, own: nil, &actions, now: now)
        case .granted(let grant): granted(grant, exchange, &actions, now: now)
        }
        actions += passed(now: now)
        return actions
    }

    private mutating func joined(_ joined: FleetJoined, _ actions: inout [Action], now: Nanoseconds) {
        phase = .inside
        if !hasJoined {
            hasJoined = true
            reportedEpoch = joined.view.epoch
            share.adopt(joined.history, now: now)
            actions.append(.adopt(joined.history))
            view = joined.view
        } else if share.hasSent {
            // Whatever the engine says that it knows: what was sent meanwhile it does not.
            reportedEpoch = 0
        }
        heard(joined.view, own: (0, 0), &actions, now: now)
    }

    private mutating func granted(
        _ grant: FleetGrant, _ exchange: Exchange, _ actions: inout [Action], now: Nanoseconds
    ) {
        var (calls, runs) = (0, 0)
        guard case .acquire(let asks, _) = exchange.question else { return }
        for (index, ask) in asks.enumerated() where index < grant.granted.count {
            let count = min(max(grant.granted[index], 0), exchange.tickets[index].count)
            calls += count
            if ask.isRun { runs += count }
            share.granted(count, isRun: ask.isRun, now: now)
            let until = exchange.askedAt + Nanoseconds(settings.policy.useWithin(isRun: ask.isRun)) * 1_000_000
            // Late: it stays spent, and the calls ask again.
            if now < until { give(count, exchange.tickets[index], until, &actions) }
            if count < ask.count {
                var kind = ask
                kind.count = 1
                held.insert(kind)
            }
        }
        if grant.wait > 0 { askAgainAt = now + Nanoseconds(grant.wait) * 1_000_000 }
        heard(grant.view, own: (calls, runs), &actions, now: now)
    }

    private mutating func give(
        _ count: Int, _ tickets: [Ticket], _ until: Nanoseconds, _ actions: inout [Action]
    ) {
        var left = count
        for ticket in tickets where left > 0 {
            guard let index = waiters.firstIndex(where: { $0.ticket == ticket }) else { continue }
            waiters.remove(at: index)
            actions.append(.give(ticket, until: until))
            left -= 1
        }
    }

    /// Every answer says how it stands.
    private mutating func heard(
        _ view: FleetView, own: (calls: Int, runs: Int)?, _ actions: inout [Action], now: Nanoseconds
    ) {
        if let own, let former = self.view, former.epoch == view.epoch {
            let calls = max(view.calls - former.calls - own.calls, 0)
            let runs = max(view.runs - former.runs - own.runs, 0)
            if calls > 0 { actions.append(.others(calls: calls, runs: runs)) }
            share.othersSent(calls: calls, runs: runs, now: now)
        } else {
            let gap = share.level(with: view.used, now: now)
            if gap.calls > 0 { actions.append(.others(calls: gap.calls, runs: gap.runs)) }
        }
        if view.learning > 0, !isLearning { actions.append(.tell(.learning)) }
        isLearning = view.learning > 0
        if view.pauses != self.view?.pauses ?? [] || !view.pauses.isEmpty { actions.append(.pauses(view.pauses)) }
        if tookPart, view.members.count != self.view?.members.count {
            actions.append(.tell(.members(view.members.count)))
        }
        tookPart = true
        self.view = view
        seen = max(seen, view.seq)
        heardAt = now
        failures = 0
        share.heard(now: now)
        if cutBecause != nil {
            cutBecause = nil
            actions.append(.tell(.back))
        }
    }

    private mutating func fail(_ error: FleetError, _ actions: inout [Action], now: Nanoseconds) {
        // Whatever it knows now, it has to be known there again.
        phase = .outside
        // Members without a reserve have to come back together.
        nextTry = now + min(100_000_000 << min(failures, 4), hasReserve ? 1_000_000_000 : 200_000_000)
        failures += 1
        if cutBecause == nil {
            share.cut(now: now)
            actions.append(.tell(error.forbidsStart ? .refused(error) : .cut(error.text)))
        }
        cutBecause = error.text
    }
}

extension FleetAsk {
    /// Whether it can be asked for together.
    func isAlike(_ other: FleetAsk) -> Bool {
        caller == other.caller && weight == other.weight && isRun == other.isRun && scopes == other.scopes
    }
}
