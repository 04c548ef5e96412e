// The configuration as it is in effect, written as TOML: every key, its value and where that came from.
// Secrets show as the reference they were written as, or as a placeholder that the loader refuses.

extension LoadedConfig {
    /// Every key with its value; the comment tells its origin. Holds no secret; loads again as it is if
    /// every secret is a reference.
    public func effectiveTOML() -> String {
        var lines = ["# Effective configuration of clash-proxy. Secrets are hidden."]
        for section in ConfigKeys.sections {
            lines += ["", "[\(section)]"]
            for key in ConfigKeys.all where key.section == section {
                lines.append(line(key, in: config, as: key.dotted))
            }
        }
        for (offset, caller) in config.callers.enumerated() {
            lines += ["", "[[caller]]"]
            let draft = CallerDraft(caller)
            for key in ConfigKeys.caller where key.write(draft) != .string("") {
                lines.append(line(key, in: draft, as: "caller[\(offset + 1)].\(key.name)"))
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private func line<Root>(_ key: ConfigKey<Root>, in root: Root, as name: String) -> String {
        var node = key.write(root).escaped
        if key.isSecret {
            if let variable = given[name]?.reference {
                node = .string("${\(variable)}")
            } else if node != .string("") {
                node = .string(Secret.placeholder)
            }
        }
        let origin = given[name]?.place ?? .builtIn
        let note = key.isIdle(in: root) ? "; not yet in force" : ""
        return "\(key.name) = \(node.literal)  # \(origin)\(note)"
    }
}

extension CallerDraft {
    /// The keys that give `caller`.
    init(_ caller: Config.Caller) {
        name = caller.name
        allow = caller.allow
        priority = caller.priority
        weight = caller.weight
        switch caller.credential {
        case .key(let hash): keyHash = hash
        case .certificate(let name): certificate = name
        }
    }
}

extension TOMLNode {
    /// With every `${` written so that it stays one.
    fileprivate var escaped: TOMLNode {
        switch self {
        case .string(let text): .string(Interpolation.escape(text))
        case .array(let elements): .array(elements.map(\.escaped))
        default: self
        }
    }
}
