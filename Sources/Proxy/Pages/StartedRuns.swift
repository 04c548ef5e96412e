// Runs that were started through this proxy a while ago. Until one is seen to have ended, what is shown of its iTwin's runs
// is out of date at any moment, even where every row says "completed": that may be the run before.

import ClashAPI
import Synchronization

/// Usable from every thread. Bounded in number and time.
final class StartedRuns: Sendable {
    typealias Instant = ContinuousClock.Instant

    /// Stands for one start.
    struct Token: Sendable, Equatable {
        fileprivate let number: UInt64
    }

    private struct Run {
        let token: Token
        let started: Instant
        /// Nil: it may be any.
        let itwins: [String]?
        let tests: [String]
        /// It goes on under the id of a report that there is already, which shows the run before for a while.
        let isInPlace: Bool
        /// Tags of the new run, once they are known.
        var ids: [String] = []
        /// Whether one has shown it under way.
        var wasSeenUnderWay = false
    }

    private struct State {
        var runs: [Run] = []
        var last: UInt64 = 0
        /// Some had to be forgotten before their time: until then any answer may be out of date.
        var forgottenUntil: Instant?
    }

    private let state = Mutex(State())

    /// For so long its end is waited for.
    static let memory = Duration.seconds(600)
    private static let capacity = 1024

    /// A run was started, or may have been.
    func started(_ match: OperationMatch, now: Instant) -> Token {
        state.withLock { state in
            Self.forget(&state, now)
            if state.runs.count >= Self.capacity {
                let first = state.runs.removeFirst()
                state.forgottenUntil = first.started + Self.memory
            }
            state.last += 1
            let token = Token(number: state.last)
            state.runs.append(
                Run(
                    token: token, started: now, itwins: match.itwinsOfRuns, tests: match.testTags,
                    isInPlace: match.isInPlaceRun))
            return token
        }
    }

    /// Hears what upstream answers to the start, as it passes.
    func listener(_ token: Token) -> ([UInt8]?) -> Void {
        var answer: [UInt8] = []
        return { [self] bytes in
            guard let bytes else { return answered(token, answer) }
            if answer.count < Self.maxAnswerBytes { answer += bytes }
        }
    }

    private static let maxAnswerBytes = 64 << 10

    private func answered(_ token: Token, _ answer: [UInt8]) {
        let ids = StartedRunIDs.find(in: answer).flatMap { Tag.aliases(.run, $0) }
        state.withLock { state in
            guard let index = state.runs.firstIndex(where: { $0.token == token }) else { return }
            state.runs[index].ids = ids
        }
    }

    /// Whether an answer may be about to change because a run goes on. Learns from what it shows.
    ///
    /// - Parameters:
    ///   - rows: nil where the body was not read (anew).
    ///   - asked: when upstream was asked for it.
    func concern(_ match: OperationMatch, _ rows: ResponseRows?, asked: Instant, now: Instant) -> Bool {
        guard match.showsRuns else { return false }
        return state.withLock { state in
            Self.forget(&state, now)
            if state.runs.isEmpty { return state.forgottenUntil != nil }
            if let rows { Self.learn(&state, rows, asked) }
            let itwins = match.itwinsOfRuns
            let isConcerned = state.runs.contains { run in
                if let itwins, let others = run.itwins, !itwins.contains(where: { others.contains($0) }) {
                    return false
                }
                return rows.map { !match.isOfOtherTests(thanThoseOf: run.tests, $0) } ?? true
            }
            return isConcerned || state.forgottenUntil != nil
        }
    }

    /// Runs that an answer shows as ended are waited for no more.
    private static func learn(_ state: inout State, _ rows: ResponseRows, _ asked: Instant) {
        func tags(_ ids: [String]) -> Set<String> { Set(ids.flatMap { Tag.aliases(.run, $0) }) }
        let (ended, underWay) = (tags(rows.endedIDs), tags(rows.unendedIDs))
        for index in state.runs.indices where asked >= state.runs[index].started {
            if state.runs[index].ids.contains(where: underWay.contains) { state.runs[index].wasSeenUnderWay = true }
        }
        state.runs.removeAll { run in
            guard asked >= run.started, run.ids.contains(where: ended.contains) else { return false }
            return !run.isInPlace || run.wasSeenUnderWay
        }
    }

    private static func forget(_ state: inout State, _ now: Instant) {
        state.runs.removeAll { $0.started + memory <= now }
        if let until = state.forgottenUntil, until <= now { state.forgottenUntil = nil }
    }
}
