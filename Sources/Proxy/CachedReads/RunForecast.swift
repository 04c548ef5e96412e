// When a run will have ended, by how long runs of its test took before: the closer that is, the sooner what shows the run is
// looked at again. A value; nothing is polled for its own sake, since pages are only fetched when somebody asks for them.

import ClashAPI

/// What is known of the runs under way and of how long runs took. Bounded.
struct RunForecast: Sendable {
    typealias Instant = ContinuousClock.Instant

    private struct Run {
        let test: String?
        let began: Instant
        /// When a page last showed it under way.
        var seen: Instant
    }

    private var runs: [String: Run] = [:]
    /// How long the last runs of a test took, the latest last.
    private var durations: [String: [Duration]] = [:]

    static let mostRuns = 1024
    static let mostTests = 1024
    static let mostDurations = 16
    /// A forecast of fewer would be none.
    static let fewestDurations = 2

    /// A run was started through this proxy.
    mutating func started(_ ids: [String], test: String?, at began: Instant) {
        for id in ids { put(id, Run(test: test, began: began, seen: began)) }
    }

    /// A page shows a run under way.
    mutating func showsUnderWay(_ id: String, now: Instant) {
        if runs[id] != nil { runs[id]?.seen = now }
    }

    /// A page shows that a run has ended. Returns whether it was known to be under way.
    mutating func showsEnded(_ id: String, now: Instant) -> Bool {
        guard let run = runs.removeValue(forKey: id) else { return false }
        guard let test = run.test else { return true }
        // It ended somewhere between the last look and this one.
        let took = run.began.duration(to: run.seen) + run.seen.duration(to: now) / 2
        if durations[test] == nil, durations.count >= Self.mostTests { durations.removeAll() }
        var known = durations[test] ?? []
        if known.count >= Self.mostDurations { known.removeFirst() }
        durations[test] = known + [took]
        return true
    }

    /// A run was cancelled or deleted, or whatever is known of it is wrong.
    mutating func forget(_ id: String) { runs[id] = nil }

    /// How long what shows this run will do.
    ///
    /// - Parameters:
    ///   - usual: where nothing is known, and around the time when it should have ended long ago.
    ///   - longest: while it surely has not ended.
    ///   - load: of the fullest window, 0...1. The less there is left, the less often it is looked.
    func life(of id: String, usual: Duration, longest: Duration, load: Double, now: Instant) -> Duration {
        let scale = 1 / (1 - min(max(load, 0.5), 0.875)) / 2
        guard let run = runs[id], let test = run.test, let known = durations[test],
            known.count >= Self.fewestDurations
        else { return usual * scale }
        let sorted = known.sorted()
        let early = sorted[sorted.count / 10]
        let late = sorted[min(sorted.count * 9 / 10, sorted.count - 1)]
        let elapsed = run.began.duration(to: now)
        if elapsed < early - usual { return min(max(early - usual - elapsed, usual), longest) * scale }
        if elapsed <= late + usual { return usual / 4 * scale }
        return usual * scale
    }

    private mutating func put(_ id: String, _ run: Run) {
        if runs[id] == nil, runs.count >= Self.mostRuns, let oldest = runs.min(by: { $0.value.seen < $1.value.seen }) {
            runs[oldest.key] = nil
        }
        runs[id] = run
    }
}
