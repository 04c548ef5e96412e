// Which server is spoken to, and when one is looked for again. A value: events and `now` in, what is to be done out.
//
//   resting ──time──> looking ──a primary──> up ──lost──> looking
//      ^                 │ none
//      └─────────────────┘
//
// Looking asks all servers at once. The primary that knows most of this fleet is used, not the first to answer: after a
// failover the old primary may be back, empty, and call itself a primary too.

import Ground

/// A link to the primary of several servers.
struct RedisLinkState: Sendable {
    typealias Instant = ContinuousClock.Instant

    /// How long the link waits for what.
    struct Times: Sendable {
        /// For all servers to answer; after that the first primary will do.
        var settle: Duration = .milliseconds(250)
        /// For any to answer.
        var look: Duration = .seconds(2)
        /// After the first attempt that found none, doubled each time. The longest is shorter than a ledger that has forgotten
        /// waits for reports.
        var firstRest: Duration = .milliseconds(25)
        var longestRest: Duration = .milliseconds(200)
        /// A link that broke earlier is no reason to try at once again.
        var steady: Duration = .milliseconds(500)
    }

    typealias Answer = Result<RedisGreeting, RedisTrouble>

    enum Event: Sendable {
        case begin
        /// A server has answered the questions of this round.
        case answered(round: Int, server: Int, Answer)
        case timer
        /// The link of this round is of no use any more.
        case lost(round: Int, RedisTrouble)
        case end
    }

    enum Action: Sendable, Equatable {
        case none
        /// Connect to each server and ask; answers come as `answered`.
        case look(round: Int)
        /// This server's connection is the link; the others of this round are closed.
        case use(server: Int, RedisGreeting)
        /// Close every connection. No link until the next `use`.
        case rest(RedisTrouble)
    }

    private enum Phase {
        case idle
        case looking(since: Instant, answers: [Answer?])
        case up(since: Instant)
        case resting(until: Instant)
        case ended
    }

    private let count: Int
    private let times: Times
    private var phase = Phase.idle
    private(set) var round = 0
    private var failures = 0
    /// Why there is no link; nil while there is one, and before the first look has ended.
    private(set) var trouble: RedisTrouble?

    init(servers count: Int, times: Times = Times()) {
        self.count = count
        self.times = times
    }

    /// Whether servers are being asked.
    var isLooking: Bool { if case .looking = phase { true } else { false } }

    /// When `timer` is due.
    var deadline: Instant? {
        switch phase {
        case .looking(let since, let answers): since + (Self.hasPrimary(answers) ? times.settle : times.look)
        case .resting(let until): until
        case .idle, .up, .ended: nil
        }
    }

    /// - Parameter random: in `0..<1`, for rests that differ between members.
    mutating func handle(_ event: Event, now: Instant, random: Double) -> Action {
        switch (phase, event) {
        case (.idle, .begin): return look(now)
        case (.ended, _): return .none
        case (_, .end):
            phase = .ended
            trouble = .closed
            return .rest(.closed)
        case (.looking(let since, var answers), .answered(let round, let server, let answer)):
            guard round == self.round, answers.indices.contains(server), answers[server] == nil else { return .none }
            answers[server] = answer
            phase = .looking(since: since, answers: answers)
            let isOver = !answers.contains { $0 == nil } || Self.hasPrimary(answers) && now - since >= times.settle
            return isOver ? decide(answers, now, random) : .none
        case (.looking(_, let answers), .timer):
            return deadline.map { now >= $0 } == true ? decide(answers, now, random) : .none
        case (.resting(let until), .timer) where now >= until: return look(now)
        case (.up(let since), .lost(let round, let trouble)) where round == self.round:
            self.trouble = trouble
            return now - since < times.steady ? rest(trouble, now, random) : look(now)
        default: return .none
        }
    }

    private mutating func look(_ now: Instant) -> Action {
        round += 1
        phase = .looking(since: now, answers: Array(repeating: nil, count: count))
        return .look(round: round)
    }

    private mutating func decide(_ answers: [Answer?], _ now: Instant, _ random: Double) -> Action {
        var best: (server: Int, greeting: RedisGreeting)?
        for (server, answer) in answers.enumerated() {
            guard case .success(let greeting)? = answer, greeting.isPrimary else { continue }
            if let best, (best.greeting.epoch, best.greeting.sequence) >= (greeting.epoch, greeting.sequence) {
                continue
            }
            best = (server, greeting)
        }
        guard let best else { return rest(Self.reason(answers), now, random) }
        phase = .up(since: now)
        trouble = nil
        failures = 0
        return .use(server: best.server, best.greeting)
    }

    private mutating func rest(_ trouble: RedisTrouble, _ now: Instant, _ random: Double) -> Action {
        self.trouble = trouble
        let span = min(times.firstRest * Double(1 << min(failures, 10)), times.longestRest)
        failures += 1
        phase = .resting(until: now + span * (0.75 + random / 2))
        return .rest(trouble)
    }

    private static func hasPrimary(_ answers: [Answer?]) -> Bool {
        answers.contains { if case .success(let greeting)? = $0 { greeting.isPrimary } else { false } }
    }

    /// What is most worth mending: a refusal says more than silence.
    private static func reason(_ answers: [Answer?]) -> RedisTrouble {
        var reason: RedisTrouble?
        for answer in answers {
            switch answer {
            case nil: reason = reason ?? .silent
            case .success?: reason = reason.map { $0 == .silent ? .noPrimary : $0 } ?? .noPrimary
            case .failure(let trouble)?:
                switch (reason, trouble) {
                case (nil, _), (.silent, _), (.unreachable, _), (.noPrimary, .unreachable), (.noPrimary, .tls):
                    reason = trouble
                default: break
                }
            }
        }
        return reason ?? .noPrimary
    }
}
