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
        lines += tables(.caller, ConfigKeys.caller, config.callers.map(CallerDraft.init))
        lines += tables(.issuer, ConfigKeys.issuer, config.issuers)
        lines += tables(.auditSink, ConfigKeys.auditSink, config.auditSinks)
        return lines.joined(separator: "\n") + "\n"
    }

    private func tables<Root>(_ table: ConfigTable, _ keys: [ConfigKey<Root>], _ roots: [Root]) -> [String] {
        roots.enumerated().flatMap { offset, root in
            ["", "[[\(table.rawValue)]]"]
                + keys.filter { $0.write(root) != .string("") }
                .map { line($0, in: root, as: "\(table.rawValue)[\(offset + 1)].\($0.name)") }
        }
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
        let note = key.inForce ? "" : "; not yet in force"
        return "\(key.name) = \(node.literal)  # \(origin)\(note)"
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
