// A configuration that is taken while the proxy runs: read as a whole, refused as a whole, in force for what begins from then
// on. What was sent keeps what it began with; calls that only wait end where the new rules would not let them in.

import Configuration
import Edge
import Ground
import Logging
import Synchronization

extension Sidecar {
    /// Reads the configuration anew and puts it in force, or changes nothing and says why. One at a time, in their order.
    @discardableResult
    package func reload() async -> ReloadAnswer {
        guard let reading = surroundings.reading else {
            return .notNow("This proxy was started with a configuration that cannot be read again.")
        }
        return await OffThread.run { [self] in
            reloads.withLock { _ in
                if ending.hasBegun { return .notNow("The proxy is shutting down.") }
                surroundings.manager?.tell(.reloading)
                defer { surroundings.manager?.tell(.ready) }
                return reload(reading)
            }
        }
    }

    private func reload(_ reading: ConfigReading) -> ReloadAnswer {
        let (plan, loaded): (ConfigReload, LoadedConfig)
        do throws(ConfigMistakes) {
            loaded = try reading().servable()
            plan = try loaded.reload(inForce)
        } catch {
            return refused(error.all.map(\.description))
        }
        let unfit = unfit(plan.config)
        guard unfit.isEmpty else { return refused(unfit) }
        let certificatesPlan: Certificates.Plan?
        do throws(TLSFileError) {
            certificatesPlan = try certificates?.plan(plan.config.listen)
        } catch {
            return refused(["\(error.file.key): \(error); \(error.remedy)"])
        }
        do {
            try apply(plan.config)
        } catch {
            return refused(["the audit log cannot be read for audit.delete_budget: \(error)"])
        }
        // A file counts as changed, too, where its name is the same.
        let newFiles = certificatesPlan.flatMap { certificates?.carryOut($0) } ?? []
        let changed = plan.changed + newFiles.filter { !plan.changed.contains($0) }
        // What is told about it is told as the more talkative of the two would have it.
        let log = plan.config.log
        let isQuieter = surroundings.logSettings.map { $0.isQuieter(log) } ?? false
        if !isQuieter { surroundings.logSettings?.change(to: log) }
        tell(plan, changed, loaded)
        taken.withLock { $0 = Taken(text: loaded.effectiveTOML(), at: environment.wallTime()) }
        if isQuieter { surroundings.logSettings?.change(to: log) }
        return .taken(changed: changed, needsRestart: plan.needsRestart)
    }

    /// What cannot be taken by this process, though another could start with it.
    private func unfit(_ config: Config) -> [String] {
        var mistakes: [String] = []
        if parts.audit == nil, config.audit.required {
            mistakes.append(
                "audit.required: no log could be opened when the proxy was started, so it has none; start it anew")
        }
        if surroundings.inherited.isExposed, !config.knowsItsCallers {
            mistakes.append(
                "caller: a socket of LISTEN_FDS can be reached from other machines, and without a [[caller]] anybody may do anything; add a [[caller]]"
            )
        }
        return mistakes
    }

    /// The order matters: first what lives on, so that whoever begins under the new configuration finds all of it; then what
    /// begins; last of all the calls of those who are known no more, of which none can begin by then.
    private func apply(_ config: Config) throws {
        let service = try parts.change(to: config)
        self.config.withLock { $0 = config }
        tools.replace(with: service)
        operators.withLock { $0 }?.replace(with: adminService(config))
        parts.waiting.keep(config.callers, config.issuers)
    }

    private func refused(_ mistakes: [String]) -> ReloadAnswer {
        taken.withLock { $0.refused = (environment.wallTime(), mistakes) }
        for mistake in mistakes { logger.error("\(mistake)") }
        logger.error(
            "configuration refused: the former one stays in force", metadata: ["mistakes": "\(mistakes.count)"])
        return .refused(mistakes)
    }

    private func tell(_ plan: ConfigReload, _ changed: [String], _ loaded: LoadedConfig) {
        for warning in loaded.warnings { logger.warning("\(warning.description)") }
        var facts: Logger.Metadata = [
            "file": "\(loaded.fileName ?? "none, the defaults")",
            "changed": "\(changed.isEmpty ? "nothing" : changed.joined(separator: ","))",
        ]
        if !plan.needsRestart.isEmpty { facts["needs_restart"] = "\(plan.needsRestart.joined(separator: ","))" }
        logger.notice("configuration taken", metadata: facts)
        tellClient(changed)
        if !plan.needsRestart.isEmpty {
            logger.warning(
                "changed, and takes effect when the proxy is started anew: \(plan.needsRestart.joined(separator: ", "))"
            )
        }
    }

    /// What `[token]` says counts when a token is asked for, and not before.
    private func tellClient(_ changed: [String]) {
        let ofToken = changed.filter { $0.hasPrefix("token.") }
        guard !ofToken.isEmpty else { return }
        let stays =
            ofToken.contains("token.client_id")
            ? "; what was counted against the windows, pauses and stored answers stay: restart for another subscription"
            : ""
        logger.notice(
            "in force from the next token on, the present one is used to its end: \(ofToken.joined(separator: ", "))\(stays)"
        )
    }
}
