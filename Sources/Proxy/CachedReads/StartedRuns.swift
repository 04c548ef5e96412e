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
        /// They go on under the ids of reports that there are already, which show the runs before for a while.
        let isInPlace: Bool
        /// Those that are not known to have ended.
        var jobs: [Job]
    }

    /// The run of one test: one start may begin several, and each ends by itself.
    private struct Job {
        /// Its test, or all of the start's where its own is not known; empty: it may be any.
        var tests: [String]
        /// Tags of the new run, once they are known.
        var ids: [String] = []
        /// Whether one has shown it under way.
        var wasSeenUnderWay = false
    }

    private struct State {
        var runs: [Run] = []
        var forecast = RunForecast()
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
            let tests = match.testTags
            let jobs = tests.isEmpty ? [Job(tests: [])] : tests.map { Job(tests: [$0]) }
            state.runs.append(
                Run(
                    token: token, started: now, itwins: match.itwinsOfRuns, isInPlace: match.isInPlaceRun, jobs: jobs))
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
        let named = StartedRunIDs.find(in: answer)
        state.withLock { state in
            guard let index = state.runs.firstIndex(where: { $0.token == token }) else { return }
            state.runs[index].jobs = Self.jobs(state.runs[index].jobs, named: named)
            let run = state.runs[index]
            // Of a run in place nobody can tell the beginning from the end of the one before.
            for job in run.jobs where !run.isInPlace && job.tests.count == 1 {
                for id in job.ids.prefix(1) { state.forecast.started([id], test: job.tests.first, at: run.started) }
            }
        }
    }

    /// How long what an answer shows of runs under way will do; nil: it shows none. Learns from it how long runs take.
    ///
    /// - Parameters:
    ///   - usual: where nothing is known.
    ///   - longest: while they surely go on.
    ///   - load: see `RunForecast.life`.
    /// - Returns: also the tags of runs that were under way a moment ago and are seen to have ended.
    func outlook(
        _ rows: ResponseRows, usual: Duration, longest: Duration, load: Double, now: Instant
    ) -> (life: Duration?, ended: [String]) {
        guard !rows.unendedIDs.isEmpty || !rows.endedIDs.isEmpty else { return (nil, []) }
        return state.withLock { state in
            let ended = rows.endedIDs.filter { state.forecast.showsEnded(Tag.object(.run, $0), now: now) }
            let lives = rows.unendedIDs.map { id in
                let tag = Tag.object(.run, id)
                state.forecast.showsUnderWay(tag, now: now)
                return state.forecast.life(of: tag, usual: usual, longest: longest, load: load, now: now)
            }
            return (lives.min(), ended.flatMap { Tag.aliases(.run, $0) })
        }
    }

    /// Runs were cancelled or deleted.
    func ended(_ ids: [String]) {
        state.withLock { state in
            for id in ids { state.forecast.forget(Tag.object(.run, id)) }
        }
    }

    /// The jobs with the ids that the answer gives them. What it does not name is waited for until it is forgotten.
    private static func jobs(_ jobs: [Job], named: [StartedRunIDs]) -> [Job] {
        let all = jobs.flatMap(\.tests)
        var unnamed = jobs
        let known = named.map { run in
            let test = run.testID.map { Tag.object(.test, $0) }
            let index = unnamed.firstIndex { job in test.map(job.tests.contains) ?? false }
            if let index { unnamed.remove(at: index) }
            // An answer that does not say which test it is about may be about any of them.
            return (
                job: Job(
                    tests: index == nil ? all : test.map { [$0] } ?? all, ids: run.ids.flatMap { Tag.aliases(.run, $0) }
                ),
                isPaired: index != nil
            )
        }
        // As many as could not be told by their test are accounted for all the same.
        let others = unnamed.dropFirst(known.count { !$0.isPaired })
        let isUnclear = others.count < unnamed.count
        return known.map(\.job) + others.map { isUnclear ? Job(tests: all) : $0 }
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
                guard let rows else { return true }
                let shown = Set(rows.unendedIDs.flatMap { Tag.aliases(.run, $0) })
                return run.jobs.contains { job in
                    // What shows the run itself under way hides nothing.
                    let isShown = !run.isInPlace && job.ids.contains(where: shown.contains)
                    return !isShown && !match.isOfOtherTests(thanThoseOf: job.tests, rows)
                }
            }
            return isConcerned || state.forgottenUntil != nil
        }
    }

    /// Runs that an answer shows as ended are waited for no more.
    private static func learn(_ state: inout State, _ rows: ResponseRows, _ asked: Instant) {
        func tags(_ ids: [String]) -> Set<String> { Set(ids.flatMap { Tag.aliases(.run, $0) }) }
        let (ended, underWay) = (tags(rows.endedIDs), tags(rows.unendedIDs))
        for index in state.runs.indices where asked >= state.runs[index].started {
            let isInPlace = state.runs[index].isInPlace
            for job in state.runs[index].jobs.indices
            where state.runs[index].jobs[job].ids.contains(where: underWay.contains) {
                state.runs[index].jobs[job].wasSeenUnderWay = true
            }
            state.runs[index].jobs.removeAll { job in
                job.ids.contains(where: ended.contains) && (!isInPlace || job.wasSeenUnderWay)
            }
        }
        state.runs.removeAll(where: \.jobs.isEmpty)
    }

    private static func forget(_ state: inout State, _ now: Instant) {
        state.runs.removeAll { $0.started + memory <= now }
        if let until = state.forgottenUntil, until <= now { state.forgottenUntil = nil }
    }
}
