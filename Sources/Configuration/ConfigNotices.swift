// What a valid configuration still has to say: keys whose feature is not built yet, and risks. Where
// ignoring a key would leave a door open the proxy refuses to start; everything else is a warning.

extension LoadedConfig {
    /// Why `serve` must not start: keys that guard access or promise something, are set, and are not in force yet.
    package var refusals: [ConfigMistake] {
        var refusals: [ConfigMistake] = []
        for key in ConfigKeys.all where key.guardsAccess && isIdle(key, in: config, as: key.dotted) {
            refusals.append(refusal(key, in: config, as: key.dotted))
        }
        for (offset, caller) in config.callers.enumerated() {
            let draft = CallerDraft(caller)
            for key in ConfigKeys.caller where key.guardsAccess && key.isIdle(in: draft) {
                refusals.append(refusal(key, in: draft, as: "caller[\(offset + 1)].\(key.name)"))
            }
        }
        return refusals
    }

    private func refusal<Root>(_ key: ConfigKey<Root>, in root: Root, as name: String) -> ConfigMistake {
        ConfigMistake(
            place: given[name]?.place ?? .builtIn, key: name,
            problem:
                "\(key.isSecret ? "the value" : key.write(root).literal) is not yet in force in this version, and ignoring it would not be safe",
            remedy: "take it out to run without it")
    }

    /// A mistake that others find in what the configuration names, where its key stands.
    package func mistake(_ key: String, _ problem: String, remedy: String) -> ConfigMistake {
        ConfigMistake(place: given[key]?.place ?? .builtIn, key: key, problem: problem, remedy: remedy)
    }

    /// What an operator should know: what would be written in other words today, keys that were set to something of one's
    /// own but do nothing yet (one line for all), and an admin listener that others can reach.
    package var warnings: [ConfigMistake] {
        var warnings = remarks + cuts
        let idle = idleKeys
        if !idle.isEmpty {
            warnings.append(
                ConfigMistake(
                    place: .builtIn,
                    problem: "set, but not yet in force in this version: \(idle.joined(separator: ", "))"))
        }
        if let open = config.listen.addresses.first(where: { !$0.isLoopback }), !config.listen.usesTLS {
            warnings.append(
                ConfigMistake(
                    place: given["listen.address"]?.place ?? .builtIn, key: "listen.address",
                    problem: "\"\(open)\" can be reached from other machines, "
                        + "and tools talk to it in plain text, keys included",
                    remedy: "set listen.tls_certificate and listen.tls_key, or let only your own network reach it"))
        }
        if let admin = config.admin.address, !admin.isLoopback, !config.listen.usesTLS {
            warnings.append(
                ConfigMistake(
                    place: given["admin.address"]?.place ?? .builtIn, key: "admin.address",
                    problem:
                        "\"\(admin)\" can be reached from other machines, and the key crosses the network in plain text",
                    remedy: "keep it on loopback, or let only your own network reach it"))
        }
        if config.listen.proxyProtocol, config.listen.trustedProxies.isEmpty {
            warnings.append(
                ConfigMistake(
                    place: given["listen.proxy_protocol"]?.place ?? .builtIn, key: "listen.proxy_protocol",
                    problem: "does nothing but end connections with a preamble while listen.trusted_proxies is empty",
                    remedy: "name the proxies in listen.trusted_proxies"))
        }
        for (offset, sink) in config.auditSinks.enumerated() {
            guard let url = sink.url, url.scheme == .tcp || url.scheme == .udp, !url.address.isLoopback else {
                continue
            }
            let key = "audit_sink[\(offset + 1)].url"
            warnings.append(
                ConfigMistake(
                    place: given[key]?.place ?? .builtIn, key: key,
                    problem:
                        "audit records cross the network in plain text, and anybody may answer in the sink's place",
                    remedy: "use tls:// or https://, or let only your own network see it"))
        }
        return warnings
    }

    /// What earlier releases, which took relative paths of a file from the working directory, kept elsewhere: each with
    /// its place then. Whoever starts the proxy can see whether something is there.
    package var formerPaths: [(key: String, former: String, now: String)] {
        let paths = [
            ("audit.path", config.audit.path), ("token.state_file", config.token.stateFile),
        ]
        return paths.compactMap { key, now in
            guard let now, let former = given[key]?.written else { return nil }
            return (key, former, now)
        }
    }

    /// A path of the file that repeats the default has another text by now, for the folder that it starts at.
    private func isIdle<Root>(_ key: ConfigKey<Root>, in root: Root, as name: String) -> Bool {
        key.isIdle(in: root) && given[name]?.repeatsDefault != true
    }

    private var idleKeys: [String] {
        let keys = ConfigKeys.all.filter { !$0.guardsAccess && isIdle($0, in: config, as: $0.dotted) }.map(\.dotted)
        return keys
            + config.callers.enumerated().flatMap { offset, caller in
                let draft = CallerDraft(caller)
                return ConfigKeys.caller.filter { !$0.guardsAccess && $0.isIdle(in: draft) }
                    .map { "caller[\(offset + 1)].\($0.name)" }
            }
    }
}
