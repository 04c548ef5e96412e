// What a configuration that is read while the proxy runs comes to: what takes effect, and what waits for a new process. A pure
// decision; who runs the proxy carries it out.

/// A key that two configurations disagree about.
package struct ConfigChange: Sendable, Hashable {
    /// `listen.address`; `caller` for any change of the callers.
    package var key: String
    /// Whether it can take effect only in a new process.
    package var needsRestart: Bool
}

extension Config {
    /// What would change from this configuration to `new`, in the order of proxy.conf.
    package func changes(to new: Config) -> [ConfigChange] {
        var changes = ConfigKeys.all.filter { !$0.isSame(self, new) }
            .map { ConfigChange(key: $0.dotted, needsRestart: needsRestart($0, for: new)) }
        if callers != new.callers { changes.append(ConfigChange(key: "caller", needsRestart: false)) }
        if issuers != new.issuers { changes.append(ConfigChange(key: "issuer", needsRestart: false)) }
        if auditSinks != new.auditSinks { changes.append(ConfigChange(key: "audit_sink", needsRestart: false)) }
        return changes
    }

    /// Of a sign-in all of `[token]` does: it belongs to the client and the endpoint that it was made with. TLS is turned on
    /// and off by a restart only; its files are exchanged while it runs.
    private func needsRestart(_ key: ConfigKey<Config>, for new: Config) -> Bool {
        if key.needsRestart { return true }
        // What members share they have to agree on.
        if fleet.engine != nil, Self.ofFleet.contains(key.dotted) { return true }
        if Self.ofTLS.contains(key.dotted) { return listen.usesTLS != new.listen.usesTLS }
        return key.section == "token" && token.mode == .refreshToken && !Self.ofLogin.contains(key.dotted)
    }

    private static let ofFleet: Set = ["rate.windows", "rate.run_windows"]

    private static let ofTLS: Set = ["listen.tls_certificate", "listen.tls_key", "listen.client_ca"]

    /// What `login` reads, which is a process of its own.
    private static let ofLogin: Set = ["token.authorize_url", "token.redirect_port"]
}

/// What a running proxy does about a configuration that was read anew.
package struct ConfigReload: Sendable, Equatable {
    /// In force from now on: as it was read, but for what needs a restart, which stays as it runs.
    package let config: Config
    /// The keys that take effect, in the order of proxy.conf.
    package let changed: [String]
    /// The keys that have changed and will take effect in a new process.
    package let needsRestart: [String]
}

extension LoadedConfig {
    /// What becomes of a proxy that runs with `running` when it is given this configuration.
    ///
    /// - Throws: what would be wrong with it as long as what needs a restart stays as it runs. The whole is to be safe at any
    ///   moment: callers may not go while the address that needs them stays.
    package func reload(
        _ running: Config, problem: (String, FileContent) -> String? = ConfigSources.problem
    ) throws(ConfigMistakes) -> ConfigReload {
        let changes = running.changes(to: config)
        let waiting = changes.filter(\.needsRestart).map(\.key)
        var mixed = config
        for key in ConfigKeys.all where waiting.contains(key.dotted) { key.copy(running, &mixed) }
        if !waiting.isEmpty {
            var checks = ConfigChecks(config: mixed, given: given, faulty: [])
            checks.run(problem)
            guard checks.mistakes.isEmpty else {
                throw ConfigMistakes(
                    checks.mistakes.map { mistake in
                        var mistake = mistake
                        let kept = waiting.joined(separator: ", ")
                        mistake.problem += " (while this stays as it runs until a restart: \(kept))"
                        return mistake
                    })
            }
        }
        return ConfigReload(
            config: mixed, changed: changes.filter { !$0.needsRestart }.map(\.key), needsRestart: waiting)
    }

    /// This configuration if it may be served with.
    ///
    /// - Throws: the keys that guard access and are not in force.
    package func servable() throws(ConfigMistakes) -> LoadedConfig {
        let refusals = refusals
        guard refusals.isEmpty else { throw ConfigMistakes(refusals) }
        return self
    }

    /// The same, fitted to where it runs.
    package func adjusted(_ change: (inout Config) throws -> Void) rethrows -> LoadedConfig {
        var adjusted = self
        try change(&adjusted.config)
        return adjusted
    }
}
