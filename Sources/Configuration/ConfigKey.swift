// One row of the table of keys: everything that is to be known about a key, so that reading, unknown-key
// hints, environment names, the effective configuration and the list of what is not yet in force agree.

import Ground

/// What keys are set in: the sections, or one table of an array of tables. Begins with every default.
protocol ConfigRoot: Sendable {
    init()
}

/// A key of a section (`Root` is `Config`) or of a `[[caller]]` (`Root` is `CallerDraft`) and the like.
struct ConfigKey<Root: ConfigRoot>: Sendable {
    let section: String
    let name: String
    let comment: String
    let expects: String
    /// The value is shown nowhere, not even in a mistake.
    let isSecret: Bool
    /// Whether the key already does what it says.
    let inForce: Bool
    /// Ignoring the key would leave a door open or a promise unkept, so the proxy does not start while it is set but not
    /// in force.
    let guardsAccess: Bool
    /// Whether a change of it can take effect only in a new process.
    let needsRestart: Bool
    /// The default where it is not the struct's: a reference to an environment variable that may be unset.
    let defaultReference: String?

    /// Sets the key from a value of the file (after `${NAME}` was filled in).
    let read: @Sendable (TOMLNode, inout Root) throws(ValueProblems) -> Void
    /// The value as TOML would hold it. Not for secret keys.
    let write: @Sendable (Root) -> TOMLNode
    /// The text of a flag or environment variable as TOML would hold it.
    let node: @Sendable (String) -> TOMLNode
    /// A text of the configuration file as it reads from the working directory; only keys that name files have it.
    let rebase: (@Sendable (_ text: String, _ folder: String) -> String)?
    /// Whether both have the same value.
    let isSame: @Sendable (Root, Root) -> Bool

    var dotted: String { "\(section).\(name)" }
    var variable: String { ConfigKeys.variablePrefix + "\(section)_\(name)".uppercased() }

    init<Value>(
        _ dotted: String, _ path: any WritableKeyPath<Root, Value> & Sendable, _ format: ConfigFormat<Value>,
        _ comment: String, isSecret: Bool = false, inForce: Bool = true, guardsAccess: Bool = false,
        needsRestart: Bool = false, defaultReference: String? = nil
    ) {
        let names = dotted.split(separator: ".", maxSplits: 1).map(String.init)
        section = names[0]
        name = names[1]
        self.comment = comment
        expects = format.expects
        self.isSecret = isSecret
        self.inForce = inForce
        self.guardsAccess = guardsAccess
        self.needsRestart = needsRestart
        self.defaultReference = defaultReference
        read = { node, root throws(ValueProblems) in root[keyPath: path] = try format.read(node) }
        write = { format.write($0[keyPath: path]) }
        node = { format.shape.node(from: $0) }
        rebase = format.rebase
        isSame = { $0[keyPath: path] == $1[keyPath: path] }
    }

    /// Whether `root` holds a value of this key that asks for something and gets nothing yet.
    func isIdle(in root: Root) -> Bool { !inForce && !isSame(root, Root()) }
}

extension ConfigShape {
    /// What `text` means outside a TOML file; a text that does not fit stays a string and is refused by the format.
    fileprivate func node(from text: String) -> TOMLNode {
        switch self {
        case .string: .string(text)
        case .integer: Int(text).map(TOMLNode.integer) ?? .string(text)
        case .number: Double(text).map(TOMLNode.float) ?? .string(text)
        case .boolean: Bool(text).map(TOMLNode.boolean) ?? .string(text)
        case .table: TOMLNode.parseValue(text) ?? .string(text)
        // The brackets of an IPv6 address are no array.
        case .stringOrList: text.hasPrefix("[") ? TOMLNode.parseValue(text) ?? Self.some(text) : Self.some(text)
        case .list(let element): Self.list(from: text, of: element)
        }
    }

    /// One, or several between commas.
    private static func some(_ text: String) -> TOMLNode {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        return parts.count == 1 ? .string(text) : .array(parts.map { .string(String($0.trimmedBlanks)) })
    }

    private static func list(from text: String, of element: ConfigShape) -> TOMLNode {
        let text = String(text.trimmedBlanks)
        if text.hasPrefix("[") { return TOMLNode.parseValue(text) ?? .string(text) }
        return .array(
            text.isEmpty ? [] : text.split(separator: ",").map { element.node(from: String($0.trimmedBlanks)) })
    }
}
