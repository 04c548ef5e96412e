// Whether the windows are nearly used up, for alerts. Looked at while calls go and while something that was told goes on, and
// never by the calls themselves.

import Ground
import RateLimiting
import Synchronization

/// Looks at the gate after calls. Usable from every thread.
final class BudgetWatch: Sendable {
    /// From one look to the next.
    private static let interval = Duration.milliseconds(250)

    private let alerts: Alerts
    private let gate: Gate
    private let environment: Environment
    /// A call was sent since the last look.
    private let hasCalls = Atomic(false)
    private let isLooking = Atomic(false)
    private let task = Mutex<Task<Void, Never>?>(nil)

    init(_ gate: Gate, alerts: Alerts, environment: Environment) {
        (self.gate, self.alerts, self.environment) = (gate, alerts, environment)
    }

    /// A call was sent.
    func called() {
        guard alerts.isOn else { return }
        hasCalls.store(true, ordering: .relaxed)
        guard !isLooking.exchange(true, ordering: .acquiringAndReleasing) else { return }
        task.withLock { $0 = Task.detached { await self.look() } }
    }

    func end() { task.withLock { $0 }?.cancel() }

    private func look() async {
        while true {
            hasCalls.store(false, ordering: .relaxed)
            try? await environment.sleep(environment.now() + Self.interval)
            if Task.isCancelled { return }
            let goesOn = lookOnce()
            if goesOn || hasCalls.load(ordering: .relaxed) { continue }
            isLooking.store(false, ordering: .releasing)
            // A call that came just now may have found a look under way.
            guard hasCalls.load(ordering: .relaxed), !isLooking.exchange(true, ordering: .acquiringAndReleasing) else {
                return
            }
        }
    }

    /// Returns whether something that was told is not over.
    private func lookOnce() -> Bool {
        let thresholds = alerts.budgetAt
        var known: Set<String> = []
        for window in gate.statistics.windows {
            let name = window.window.label(isForRuns: window.isForRuns)
            let (used, limit) = (window.spent + window.reserved, window.window.limit)
            for percent in thresholds {
                let subject = "\(name) \(percent)%"
                known.insert(subject)
                let details = [
                    Alert.Detail("window", name), .init("percent", "\(percent)"), .init("used", "\(used)"),
                    .init("limit", "\(limit)"),
                ]
                if used * 100 >= limit * percent {
                    alerts.begun(
                        .budget, subject, percent >= 95 ? .critical : .warning,
                        "\(percent)% of the window \(name) are used up", details)
                } else {
                    alerts.over(.budget, subject, "less than \(percent)% of the window \(name) are used", details)
                }
            }
        }
        // Windows and thresholds that a reload has taken away.
        for subject in alerts.open(.budget) where !known.contains(subject) {
            alerts.over(.budget, subject, "the window or its threshold is none any more")
        }
        return !alerts.open(.budget).isEmpty
    }
}
