// What a valid configuration still has to say: keys whose feature is not built yet, and risks. Where
// ignoring a key would leave a door open the proxy refuses to start; everything else is a warning.

extension LoadedConfig {
    /// Why `serve` must not start: keys that guard access, are set, and are not in force yet.
    public var refusals: [ConfigMistake] {
        var refusals: [ConfigMistake] = []
        for key in ConfigKeys.all where key.guardsAccess && key.isIdle(in: config) {
            refusals.append(refusal(key, key.write(config), as: key.dotted))
        }
        for (offset, caller) in config.callers.enumerated() {
            let draft = CallerDraft(caller)
            for key in ConfigKeys.caller where key.guardsAccess && key.isIdle(in: draft) {
                refusals.append(refusal(key, key.write(draft), as: "caller[\(offset + 1)].\(key.name)"))
            }
        }
        return refusals
    }

    private func refusal<Root>(_ key: ConfigKey<Root>, _ value: TOMLNode, as name: String) -> ConfigMistake {
        ConfigMistake(
            place: given[name]?.place ?? .builtIn, key: name,
            problem: "\(value.literal) is not yet in force in this version, and ignoring it would not be safe",
            remedy: "take it out to run without it")
    }

    /// What an operator should know: keys that were set to something of one's own but do nothing yet (one
    /// warning per section), and an admin listener that others can reach.
    public var warnings: [ConfigMistake] {
        var warnings: [ConfigMistake] = []
        for section in ConfigKeys.sections {
            let idle = ConfigKeys.all.filter { key in
                key.section == section && !key.guardsAccess && isExplicit(key.dotted)
                    && key.isIdle(in: config) && key.write(config) != key.write(Config())
            }
            guard let first = idle.first else { continue }
            let names = idle.map(\.name).joined(separator: ", ")
            warnings.append(
                ConfigMistake(
                    place: given[first.dotted]?.place ?? .builtIn, key: section,
                    problem: "set, but not yet in force in this version: \(names)"))
        }
        if let admin = config.admin.address, !admin.isLoopback {
            warnings.append(
                ConfigMistake(
                    place: given["admin.address"]?.place ?? .builtIn, key: "admin.address",
                    problem: "\"\(admin)\" can be reached from other machines, and it asks nobody who they are",
                    remedy: "keep it on loopback, or let only your own network reach it"))
        }
        return warnings
    }

    private func isExplicit(_ key: String) -> Bool {
        guard let value = given[key] else { return false }
        return value.place != .builtIn && !value.isDefaultReference
    }
}

/// A key that two configurations disagree about.
public struct ConfigChange: Sendable, Hashable {
    /// `listen.address`; `caller` for any change of the callers.
    public var key: String
    /// Whether it can take effect only in a new process.
    public var needsRestart: Bool
}

extension Config {
    /// What would change from this configuration to `new`, in the order of proxy.conf.
    public func changes(to new: Config) -> [ConfigChange] {
        var changes = ConfigKeys.all.filter { !$0.isSame(self, new) }
            .map { ConfigChange(key: $0.dotted, needsRestart: $0.needsRestart) }
        if callers != new.callers { changes.append(ConfigChange(key: "caller", needsRestart: false)) }
        return changes
    }
}
