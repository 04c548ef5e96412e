// Opens the audit log when the proxy starts, recalls the budgets, and settles what a crash left open.

import Audit
import ClashAPI
import Configuration
import Fleet
import Ground
import HTTPTypes
import Logging
import RateLimiting
import Tokens

enum AuditStartup {
    /// Opens the log of the configuration. Throws `AuditOpenFailure` when another process has the folder, or when it
    /// cannot be written.
    /// With `audit.required = false` that is a warning, and nil.
    ///
    /// - Parameter wrote: called when there are new records; must not block.
    static func open(
        _ config: Config, software: String, reader: ObjectReader, environment: Environment, events: EventLog,
        traffic: Traffic, fleet: FleetSeat? = nil, wrote: @escaping @Sendable () -> Void = {}
    ) async throws -> AuditTrail? {
        do {
            return try await openLog(
                config, software: software, reader: reader, environment: environment, events: events, traffic: traffic,
                fleet: fleet, wrote: wrote)
        } catch {
            guard !config.audit.required else { throw error }
            events.logger.warning("nothing is recorded: the audit log cannot be opened: \(error)")
            events.alerts?.auditBroken("\(error)", isNeeded: false)
            return nil
        }
    }

    private static func openLog(
        _ config: Config, software: String, reader: ObjectReader, environment: Environment, events: EventLog,
        traffic: Traffic, fleet: FleetSeat?, wrote: @escaping @Sendable () -> Void
    ) async throws -> AuditTrail {
        let settings = config.audit
        var options = AuditOptions(
            software: software, rotateBytes: Int64(settings.rotateBytes),
            wallTime: { environment.auditTime }, now: environment.now, healthChanged: { events.audit($0) })
        options.name = NoteName.origin(config.fleet.name.isEmpty ? MachineName.text : config.fleet.name)
        options.wrote = { _ in wrote() }
        options.checkpointEvery = settings.checkpointEvery
        options.checkpointTrouble = { events.checkpoint(trouble: $0) }
        options.signingKey = try settings.signingKeyFile.map { try signingKey($0, events) }
        let log = try await AuditLog.open(folder: settings.path, options: options)
        for note in log.recovery.notes { events.logger.warning("audit log: \(note)") }
        if !log.recovery.disputed.isEmpty { events.alerts?.logDisputed(log.recovery.disputed) }
        if let verifier = log.recovery.verifierKey { events.checkpoints(by: verifier, key: options.signingKey?.name) }
        let budget = DeleteBudget(
            settings.deleteBudget,
            shared: fleet.map { SharedBudget(seat: $0, log: "\(MachineName.text):\(settings.path)") })
        // What earlier processes already spent.
        for (caller, at) in try recorded(settings, environment) { budget.recall(caller, at: at) }
        return AuditTrail(
            policy: AuditPolicy(settings: settings), log: log, budget: budget, reader: reader, environment: environment,
            traffic: traffic, events: events)
    }

    private static func signingKey(_ file: String, _ events: EventLog) throws -> NoteSigningKey {
        if FileStatus(path: file, followsLinks: true).map({ $0.permissions & 0o077 != 0 }) ?? false {
            events.logger.warning(
                "audit.signing_key_file can be read by others: chmod 600 it", metadata: ["file": "\(file)"])
        }
        return try NoteSigningKey(parsing: try TextFile.read(file))
    }

    /// The trail under another configuration, whose log is the same. Reads the log where the budget of deletes has changed;
    /// blocks on the file system then.
    static func changed(_ trail: AuditTrail, to config: Config) throws -> AuditTrail {
        let (environment, settings) = (trail.environment, config.audit)
        if settings.deleteBudget != trail.policy.settings.deleteBudget {
            trail.budget.change(
                to: settings.deleteBudget, recorded: try recorded(settings, environment), now: environment.now())
        }
        var changed = trail
        changed.policy = AuditPolicy(settings: settings)
        return changed
    }

    /// The deletes of the log that count against the budget, oldest first; none where there is no budget.
    private static func recorded(
        _ settings: Config.Audit, _ environment: Environment
    ) throws -> [(caller: String, at: ContinuousClock.Instant)] {
        guard let window = settings.deleteBudget else { return [] }
        var deletes: [(caller: String, at: ContinuousClock.Instant)] = []
        let (wall, now) = (environment.auditTime, environment.now())
        let seconds = window.span.components.seconds
        let since = AuditTime(microseconds: wall.microseconds - seconds * 1_000_000)
        try AuditReader(folder: settings.path).intents(since: since) { time, call in
            guard isDelete(call) else { return }
            let age = Duration.microseconds(max(0, wall.microseconds - time.microseconds))
            deletes.append((call.caller.id, now - age))
        }
        return deletes
    }

    /// Closes intents without outcome as those of today's calls are: by looks at their objects, or as unknown. What is
    /// not settled when its task is cancelled stays open, for the next process.
    ///
    /// - Parameter start: finds out about a start of a run; nil: nobody knows what came of it.
    static func settleOpenIntents(
        _ trail: AuditTrail, logger: Logger, start: @escaping @Sendable (AuditCall) async -> AuditResult? = { _ in nil }
    ) async {
        await withDiscardingTaskGroup { group in
            for intent in trail.log.recovery.openIntents {
                group.addTask { await settle(intent, trail, logger, start) }
            }
        }
    }

    private static func settle(
        _ intent: AuditOpenIntent, _ trail: AuditTrail, _ logger: Logger,
        _ start: @Sendable (AuditCall) async -> AuditResult?
    ) async {
        var result = AuditResult.unknown
        if let match = match(intent.call), match.operationClass == .delete {
            result = await trail.reader.settle(
                match, objects: intent.call.objects,
                Reading(correlationID: intent.call.id, caller: intent.call.caller.name, authorization: nil)
            ).result
        } else if Operation.named(intent.call.operation)?.countsAsRun == true {
            result = await start(intent.call) ?? .unknown
        }
        if Task.isCancelled { return }
        await trail.log.recovered(intent, result: result)
        if result == .unknown { trail.events.alerts?.unknownOutcome(intent.call) }
        logger.warning(
            "a call of an earlier process had no outcome in the audit log",
            metadata: [
                "id": "\(intent.call.id)", "caller": "\(intent.call.caller.name)",
                "result": "\(result.rawValue)",
            ])
    }

    private static func match(_ call: AuditCall) -> OperationMatch? {
        HTTPRequest.Method(rawValue: call.method).map {
            ClashAPI.match(method: $0, target: call.target).resolve()
        }
    }

    private static func isDelete(_ call: AuditCall) -> Bool {
        guard let operation = Operation.named(call.operation) else { return true }
        return operation.operationClass == .delete
    }
}

extension Environment {
    /// The wall-clock time as the audit log takes it.
    fileprivate var auditTime: AuditTime {
        let time = wallTime()
        return AuditTime(seconds: time.seconds, nanoseconds: time.nanoseconds)
    }
}
