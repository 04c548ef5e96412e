// What befalls the proxy as a whole, in the application log: pauses, upstream gone and back, tokens, the audit log, limits
// of ours that refuse. The rooms below know no log; they tell facts, and here it is decided which of them are news.

import Edge
import Ground
import HTTPTypes
import Logging
import RateLimiting
import Synchronization
import Tokens

/// Writes each piece of news once. Usable from every thread.
final class EventLog: Sendable {
    let logger: Logger
    let environment: Environment
    /// What should wake somebody is told there as well; nil: nobody is to be.
    let alerts: Alerts?
    /// Why the audit log's checkpoint cannot be written; nil while it can.
    let checkpointTrouble = Mutex<String?>(nil)
    private let tiers: TierWatch
    private let state = Mutex(State())

    private struct State {
        var pauses = PauseBook()
        var watchers: [PauseBook.Key: Task<Void, Never>] = [:]
        var minutes: [String: Task<Void, Never>] = [:]
        var refusals = RefusalTally()
        var connections = RefusalTally()
        var tokens = TokenNews()
        var preambles = MinuteTally()
        /// Sinks that do not work, each with what waits to tell it.
        var sinks: [String: Task<Void, Never>] = [:]
        var hasEnded = false
    }

    /// - Parameter windows: of the configuration, against which upstream's tier is held.
    init(logger: Logger, environment: Environment, windows: [GateWindow], alerts: Alerts? = nil) {
        self.alerts = alerts
        self.logger = logger
        self.environment = environment
        tiers = TierWatch(windows: windows)
    }

    /// Other windows hold from now on.
    func changed(windows: [GateWindow]) { tiers.change(windows: windows) }

    /// Ends what waits for the end of pauses and minutes, and tells what is untold.
    func end() {
        let (tasks, rest) = state.withLock { state in
            state.hasEnded = true
            defer { (state.watchers, state.minutes, state.sinks) = ([:], [:], [:]) }
            return (
                Array(state.watchers.values) + state.minutes.values + state.sinks.values, state.refusals.rest()
            )
        }
        for task in tasks { task.cancel() }
        for (kind, count) in rest { tellRefused(kind, count) }
    }

    // MARK: Upstream

    /// A call brought an answer: its head.
    func answered(_ fields: HTTPFields) {
        guard let tier = fields[.tier] ?? fields[.olderTier], let news = tiers.seen(tier) else { return }
        logger.log(
            level: news.isTooWide ? .warning : .info, "\(news.text)",
            metadata: ["tier": "\(tier)", "windows": "\(tiers.configured)"])
    }

    /// So many attempts to connect failed in a row; `tag`: of the call that made the last.
    func upstreamDown(_ reason: String, detail: String, attempts: Int, tag: RequestTag?) {
        let facts: Logger.Metadata = ["reason": "\(reason)", "error": "\(detail)", "attempts": "\(attempts)"]
        logger.error("upstream is down", metadata: facts.merging(tag?.facts ?? [:]) { $1 })
        alerts?.upstreamDown(reason, detail: detail, id: tag?.id)
    }

    /// A connection was made again.
    func upstreamBack(after span: Duration) {
        logger.notice("upstream is back", metadata: ["down_s": "\(span.components.seconds)"])
        alerts?.upstreamBack(after: span)
    }

    // MARK: Pauses

    /// Upstream's refusal has closed a gate, or a part of it.
    ///
    /// - Parameters:
    ///   - gate: whose gate, where each tool has its own.
    ///   - tag: of the call that was refused; nil for a pause that an earlier process was told of.
    /// - Returns: whether it is a pause that was not known of.
    @discardableResult
    func paused(_ closing: Gate.Closing, gate: String? = nil, tag: RequestTag?) -> Bool {
        guard closing.remaining > .zero else { return false }
        let key = PauseBook.Key(gate: gate, scope: closing.scope)
        let now = environment.now()
        let news = state.withLock { state -> PauseBook.News in
            let news = state.pauses.closed(key, until: now + closing.remaining, tag: tag, now: now)
            if state.watchers[key] == nil, !state.hasEnded {
                state.watchers[key] = Task.detached { await self.watch(key) }
            }
            return news
        }
        switch news {
        case .known: return false
        case .longer:
            tell("pause by upstream is longer", closing, gate: gate, tag: tag)
            return false
        case .begun(let former):
            if let former { tellOver(key, former.tag) }
            tell("pause by upstream begins", closing, gate: gate, tag: tag)
            alerts?.pauseBegan(key, closing, until: environment.wallTime() + closing.remaining, id: tag?.id)
            return true
        }
    }

    private func tell(_ text: Logger.Message, _ closing: Gate.Closing, gate: String?, tag: RequestTag?) {
        let until = environment.wallTime() + closing.remaining
        var facts: Logger.Metadata = [
            "until": "\(RFC3339.text(until, digits: 3))", "seconds": "\(closing.remaining.wholeSecondsUp)",
            "scope": "\(closing.scope.text)", "cause": "\(closing.cause.rawValue)",
        ]
        facts.merge(RequestTag.facts(tag)) { $1 }
        if let gate { facts["gate"] = "\(gate.prefix(16))" }
        logger.warning(text, metadata: facts)
    }

    private func tellOver(_ key: PauseBook.Key, _ tag: RequestTag?) {
        var facts = RequestTag.facts(tag)
        facts["scope"] = "\(key.scope.text)"
        if let gate = key.gate { facts["gate"] = "\(gate.prefix(16))" }
        logger.notice("pause by upstream is over", metadata: facts)
        alerts?.pauseEnded(key)
    }

    /// Sleeps until the pause, which may become longer meanwhile, is over.
    private func watch(_ key: PauseBook.Key) async {
        while let end = state.withLock({ $0.pauses.end(of: key) }) {
            try? await environment.sleep(end)
            if Task.isCancelled { return }
            let now = environment.now()
            let over = state.withLock { state in
                let over = state.pauses.over(key, now: now)
                if over != nil { state.watchers[key] = nil }
                return over
            }
            guard let over else { continue }
            return tellOver(key, over.tag)
        }
    }

    // MARK: Ourselves

    /// A limit of ours refused a call.
    func refused(_ failure: Failure, _ record: ExchangeRecord) {
        if let kind = failure.limitKind { limitReached(kind, record) }
        if let alerts, alerts.isOn { alerts.refused(failure, record) }
    }

    /// The same by the name of the limit, from a bounded set.
    func limitReached(_ kind: String, _ record: ExchangeRecord) {
        let now = environment.now()
        let count = state.withLock { state in
            let count = state.refusals.refused(kind, now: now)
            if state.minutes[kind] == nil, !state.hasEnded {
                state.minutes[kind] = Task.detached { await self.watchMinutes(of: kind) }
            }
            return count
        }
        guard let count else { return }
        let facts: Logger.Metadata = ["limit": "\(kind)", "calls": "\(count)"]
        logger.warning("a limit refuses calls", metadata: facts.merging(record.tag.facts) { $1 })
    }

    /// Connections that came to nothing; each kind is told at most once a minute.
    func connection(_ trouble: ConnectionTrouble, peer: String) {
        let now = environment.now()
        guard let count = state.withLock({ $0.connections.refused(trouble.kind, now: now) }) else { return }
        var facts: Logger.Metadata = ["peer": "\(peer)", "connections": "\(count)"]
        if case .handshakeFailed(let cause) = trouble { facts["error"] = "\(cause)" }
        logger.warning("\(trouble.sentence)", metadata: facts)
    }

    private func tellRefused(_ kind: String, _ count: Int) {
        logger.warning("a limit refused more calls", metadata: ["limit": "\(kind)", "calls": "\(count)"])
    }

    /// Tells, at the end of each minute, of what was refused in it and not told; ends with a minute without refusals.
    private func watchMinutes(of kind: String) async {
        while let end = state.withLock({ $0.refusals.end(of: kind) }) {
            try? await environment.sleep(end)
            if Task.isCancelled { return }
            let now = environment.now()
            let (count, isLast) = state.withLock { state in
                let count = state.refusals.over(kind, now: now)
                let isLast = state.refusals.end(of: kind) == nil
                if isLast { state.minutes[kind] = nil }
                return (count, isLast)
            }
            if let count { tellRefused(kind, count) }
            if isLast { return }
        }
    }

    /// A connection was ended for its PROXY preamble; told at most once a minute.
    ///
    /// - Parameters:
    ///   - problem: what is wrong.
    ///   - peer: the connection's own address.
    func preambleRefused(_ problem: String, peer: String) {
        let now = environment.now()
        guard let count = state.withLock({ $0.preambles.add(now: now) }) else { return }
        logger.warning(
            "connections are ended (listen.proxy_protocol): \(problem)",
            metadata: ["peer": "\(peer)", "connections": "\(count)"])
    }

    /// A sink of audit records is down for a minute from now on, which is worth an alert, unless it is up before.
    ///
    /// - Parameter name: from the configuration.
    func sinkIsDown(_ name: String, _ trouble: String) {
        state.withLock { state in
            guard state.sinks[name] == nil, !state.hasEnded else { return }
            state.sinks[name] = Task.detached { [environment, alerts] in
                try? await environment.sleep(environment.now() + .seconds(60))
                if !Task.isCancelled { alerts?.sinkDown(name, trouble) }
            }
        }
    }

    /// It takes records again.
    func sinkIsUp(_ name: String) {
        guard let waiting = state.withLock({ $0.sinks.removeValue(forKey: name) }) else { return }
        waiting.cancel()
        alerts?.sinkBack(name)
    }

    /// Something happened to the token.
    func token(_ event: TokenEvent) {
        alerts?.token(event)
        let now = environment.now()
        guard let line = state.withLock({ $0.tokens.line(for: event, now: now) }) else { return }
        logger.log(level: line.level, "\(line.text)", metadata: line.facts)
    }
}

extension CoolDownScope {
    /// How much is closed, in a word.
    var text: String {
        switch self {
        case .everything: "everything"
        case .api(let api): "api:\(api.rawValue)"
        case .operation(let name): "operation:\(name)"
        }
    }
}

extension ConnectionTrouble {
    /// A bounded set.
    fileprivate var kind: String {
        switch self {
        case .tlsOnPlainPort: "tls-on-plain-port"
        case .handshakeFailed(let cause): cause
        case .handshakeTimedOut: "timeout"
        }
    }

    fileprivate var sentence: String {
        switch self {
        case .tlsOnPlainPort:
            "a tool speaks TLS to a port without it: call it by http://, or set listen.tls_certificate and tls_key"
        case .handshakeFailed: "a TLS handshake failed"
        case .handshakeTimedOut: "a TLS handshake was not complete within listen.header_timeout"
        }
    }
}

extension Failure {
    /// Which limit of ours this is; nil for other failures. A bounded set.
    fileprivate var limitKind: String? {
        switch reason {
        case .rateLimited, .tooManyConnections: detail.isEmpty ? reason.rawValue : detail
        case .queueFull, .deleteBudgetExceeded, .bodyTooLarge, .targetTooLong, .headersTooLarge, .overloaded,
            .requestTimeout:
            reason.rawValue
        default: nil
        }
    }
}

extension HTTPField.Name {
    /// The subscription's tier, as upstream names it, and as it did before.
    fileprivate static let tier = documented("Tier")
    fileprivate static let olderTier = documented("iTwinPlatform-Tier")

    private static func documented(_ name: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(name) else { preconditionFailure("the constants above are tokens") }
        return name
    }
}
