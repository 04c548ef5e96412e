// Tells operators what should wake somebody: by a webhook, a program, or both. Whoever has news says so here and goes on; what
// goes out is decided by `AlertBook`, and how by the lanes.

import Configuration
import CoreMetrics
import Ground
import Logging
import Synchronization

/// Begun and over. Usable from every thread; never waits for anybody.
final class Alerts: Sendable {
    private struct State {
        var book = AlertBook()
        var timer: DeadlineTimer
        var budgetAt: [Int] = []
        var hasEnded = false
    }

    private let environment: Environment
    private let documents: any DocumentPosting
    private let log: AlertLog
    private let webhook: AlertLane
    private let command: AlertLane
    /// Whether there is anybody to be told: asked after each call, so without a lock.
    private let hasReader = Atomic(false)
    private let state: Mutex<State>

    /// Tells nobody until `change`.
    init(environment: Environment, documents: any DocumentPosting, registry: MetricsRegistry, logger: Logger) {
        (self.environment, self.documents) = (environment, documents)
        let log = AlertLog(registry: registry, logger: logger, environment: environment)
        self.log = log
        webhook = AlertLane { log.done("alerts.webhook", $0, $1) }
        // Programs may work on one file.
        command = AlertLane(most: 1) { log.done("alerts.command", $0, $1) }
        state = Mutex(State(timer: DeadlineTimer(time: environment.time)))
    }

    /// Who is told from now on.
    func change(to config: Config.Alerts) {
        let (documents, time) = (documents, environment.time)
        webhook.change(
            to: config.webhook.map { secret in
                let webhook = secret.withValue { AlertWebhook(url: $0, documents: documents, time: time) }
                return { await webhook.deliver($0) }
            })
        command.change(
            to: config.command.map { path in
                let command = AlertCommand(path: path, time: time)
                return { await command.deliver($0) }
            })
        state.withLock { $0.budgetAt = config.budgetAt }
        hasReader.store(config.webhook != nil || config.command != nil, ordering: .relaxed)
    }

    /// Whether anybody is told.
    var isOn: Bool { hasReader.load(ordering: .relaxed) }

    /// Percentages of a window that are worth an alert.
    var budgetAt: [Int] { state.withLock { $0.budgetAt } }

    /// Something has begun, or has happened.
    ///
    /// - Parameter lasts: whether `over` will be said of it.
    func begun(
        _ kind: Alert.Kind, _ subject: String, _ severity: Alert.Severity, _ text: String, _ details: [Alert.Detail],
        lasts: Bool = true
    ) {
        guard isOn else { return }
        let alert = Alert(kind: kind, subject: subject, severity: severity, text: text, details: details)
        let now = environment.now()
        let verdict = state.withLock { state in
            let verdict = state.book.begun(alert, lasts: lasts, now: now)
            arm(&state)
            return verdict
        }
        switch verdict {
        case .tell: send(alert)
        case .tooSoon: log.count(alert, "held")
        case .known: break
        }
    }

    /// What was said to have begun is over; told where its beginning was.
    func over(_ kind: Alert.Kind, _ subject: String, _ text: String, _ details: [Alert.Detail] = []) {
        guard state.withLock({ $0.book.over(kind, subject) }) else { return }
        send(Alert(kind: kind, subject: subject, severity: .info, state: .over, text: text, details: details))
    }

    /// Subjects of a kind that were told and are not over.
    func open(_ kind: Alert.Kind) -> [String] { state.withLock { $0.book.open(kind) } }

    /// Delivers what waits, in so long at most; nothing is taken any more.
    func end(within limit: Duration) async {
        state.withLock { state in
            state.hasEnded = true
            state.timer.cancel()
        }
        let deadline = environment.now() + limit
        await withTaskGroup(of: Void.self) { group in
            group.addTask { [webhook, command] in
                async let posted: Void = webhook.end()
                await command.end()
                await posted
            }
            group.addTask { [environment] in try? await environment.sleep(deadline) }
            await group.next()
            group.cancelAll()
        }
    }

    private func send(_ alert: Alert) {
        let json = alert.json(at: environment.wallTime())
        webhook.add(alert, json)
        command.add(alert, json)
    }

    // MARK: What began again too soon

    private func arm(_ state: inout State) {
        guard !state.hasEnded, let due = state.book.due else { return }
        state.timer.pull(to: due) { [weak self] in self?.passed() }
    }

    private func passed() {
        let now = environment.now()
        let alerts = state.withLock { state -> [Alert] in
            guard state.timer.fired() else { return [] }
            defer { arm(&state) }
            return state.book.passed(now: now)
        }
        for alert in alerts { send(alert) }
    }
}

/// What became of alerts: counted, and told where one did not arrive. Usable from every thread.
final class AlertLog: Sendable {
    private let registry: MetricsRegistry
    private let logger: Logger
    private let environment: Environment
    /// By the key of the lane.
    private let troubles = Mutex<[String: MinuteTally]>([:])

    init(registry: MetricsRegistry, logger: Logger, environment: Environment) {
        (self.registry, self.logger, self.environment) = (registry, logger, environment)
    }

    func count(_ alert: Alert, _ result: String) {
        registry.counter(.alerts, alert.kind.rawValue, result).increment()
    }

    /// - Parameter key: of the configuration, whose value may be a secret.
    func done(_ key: String, _ alert: Alert, _ result: AlertLane.Result) {
        switch result {
        case .delivered: count(alert, "delivered")
        case .failed(let why):
            count(alert, "failed")
            tell(key, alert, why)
        case .dropped:
            count(alert, "dropped")
            tell(key, alert, "too many wait")
        }
    }

    /// At most once a minute for each lane.
    private func tell(_ key: String, _ alert: Alert, _ why: String) {
        let now = environment.now()
        guard let number = troubles.withLock({ $0[key, default: MinuteTally()].add(now: now) }) else { return }
        logger.warning(
            "an alert was not delivered",
            metadata: [
                "key": "\(key)", "kind": "\(alert.kind.rawValue)", "error": "\(why)", "alerts": "\(number)",
            ])
    }
}
