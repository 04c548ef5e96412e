// Whether upstream can be reached, as a value: no clock, no sockets. It is down after so many attempts to connect failed in
// a row, repeats included; then one look at a time finds out when it is back, the next one after twice the pause.
//
// What stays true: while it is down exactly one look is due or under way, and only a look ends that.

struct Outage {
    typealias Instant = ContinuousClock.Instant

    /// How attempts to connect fail.
    enum Kind: Sendable {
        /// At once: no name, no listener, a handshake that breaks off or is not trusted.
        case refuses
        /// Nothing is heard until the time for it is over.
        case hangs
    }

    /// What is to be done.
    enum Action: Equatable {
        case none
        /// It is down. Calls are refused, and it is looked at after the pause.
        case goesDown(Kind, look: Duration)
        /// It still is. The next look comes so long after this one began, or at once where that took longer.
        case staysDown(Kind, look: Duration)
        /// It was down for so long.
        case isBack(after: Duration)
    }

    private enum State {
        case up(failures: Int)
        case down(Kind, since: Instant, pause: Duration)
    }

    static let limit = 5
    static let firstPause = Duration.seconds(1)
    static let longestPause = Duration.seconds(15)

    private var state = State.up(failures: 0)

    /// How it is down; nil while it is not.
    var kind: Kind? { if case .down(let kind, _, _) = state { kind } else { nil } }

    /// Whether attempts have failed of late, so that the next that does not is worth a word.
    var isInDoubt: Bool { if case .up(0) = state { false } else { true } }

    /// A call's attempt to connect failed.
    mutating func failed(_ kind: Kind, now: Instant) -> Action {
        // Who was on his way when it went down changes nothing.
        guard case .up(let failures) = state else { return .none }
        guard failures + 1 >= Self.limit else {
            state = .up(failures: failures + 1)
            return .none
        }
        state = .down(kind, since: now, pause: Self.firstPause)
        return .goesDown(kind, look: Self.firstPause)
    }

    /// A call reached upstream. That it is back only a look can tell: this one may have had its connection since long.
    mutating func reached() { if case .up = state { state = .up(failures: 0) } }

    /// A look failed.
    mutating func lookFailed(_ kind: Kind) -> Action {
        guard case .down(_, let since, let pause) = state else { return .none }
        let next = min(pause * 2, Self.longestPause)
        state = .down(kind, since: since, pause: next)
        return .staysDown(kind, look: next)
    }

    /// A look found a connection.
    mutating func lookSucceeded(now: Instant) -> Action {
        guard case .down(_, let since, _) = state else { return .none }
        state = .up(failures: 0)
        return .isBack(after: now - since)
    }
}
