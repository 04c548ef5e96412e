// The configuration as it is in effect, written as TOML: every key, its value and where that came from.
// Secrets show as the reference they were written as, or as a placeholder that the loader refuses.

import Audit

extension LoadedConfig {
    /// Every key with its value; the comment tells its origin. Holds no secret; loads again as it is if
    /// every secret is a reference.
    package func effectiveTOML() -> String {
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
        var note = key.inForce ? "" : "; not yet in force"
        if let former = lowered[name] { note += "; lowered from \(former.literal): \(Self.ceiling)" }
        return "\(key.name) = \(node.literal)  # \(PrintableText.escaped(origin.description))\(note)"
    }
}

extension LoadedConfig {
    private static let ceiling = "cache and held bytes may take a quarter of the container's memory limit each"

    /// Fits the values to the container, as `serve` does. `effectiveTOML` and `warnings` say what that changed.
    package mutating func fit(_ limits: ContainerLimits) {
        let former = config
        guard config.fit(limits) else { return }
        for key in ConfigKeys.all where !key.isSame(former, config) { lowered[key.dotted] = key.write(former) }
    }

    /// Sizes that somebody chose and does not get.
    var cuts: [ConfigMistake] {
        [
            ("cache.max_bytes", config.cache.maxBytes), ("listen.max_held_bytes", config.listen.maxHeldBytes),
        ].compactMap { key, bytes in
            guard let former = lowered[key], let given = given[key], !given.repeatsDefault else { return nil }
            return ConfigMistake(
                place: given.place, key: key,
                problem: "\(former.literal) is lowered to \(Quantity.bytes(bytes)): \(Self.ceiling)",
                remedy: "give the container more memory, or take less of it")
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
