// How one kind of value is read from TOML and written back. A format knows its own range and can say
// in words what it expects, so that every message and every check of a key comes from one place.

/// What TOML type the text of an environment variable or flag stands for.
indirect enum ConfigShape: Sendable {
    case string, integer, number, boolean, table
    case list(of: ConfigShape)
    /// A string, or an array of strings.
    case stringOrList
}

/// Reads, writes and describes values of one kind.
struct ConfigFormat<Value: Sendable & Equatable>: Sendable {
    let shape: ConfigShape
    /// Completes "write …".
    let expects: String
    let read: @Sendable (TOMLNode) throws(ValueProblems) -> Value
    let write: @Sendable (Value) -> TOMLNode
    /// For values that name files: the same text seen from the folder that holds the configuration file.
    let rebase: (@Sendable (_ text: String, _ folder: String) -> String)?

    init(
        _ shape: ConfigShape, expects: String, rebase: (@Sendable (String, String) -> String)? = nil,
        read: @escaping @Sendable (TOMLNode) throws(ValueProblems) -> Value,
        write: @escaping @Sendable (Value) -> TOMLNode
    ) {
        self.shape = shape
        self.expects = expects
        self.rebase = rebase
        self.read = read
        self.write = write
    }

    /// A format whose values are TOML strings.
    init(
        expects: String, rebase: (@Sendable (String, String) -> String)? = nil,
        parse: @escaping @Sendable (String) throws(ValueProblem) -> Value,
        write: @escaping @Sendable (Value) -> String
    ) {
        self.init(.string, expects: expects, rebase: rebase) { node throws(ValueProblems) in
            guard case .string(let text) = node else { throw .wrongType(node, wanted: "a string") }
            do throws(ValueProblem) { return try parse(text) } catch { throw ValueProblems(all: [error]) }
        } write: {
            .string(write($0))
        }
    }
}

extension ValueProblems {
    static func wrongType(_ node: TOMLNode, wanted: String) -> ValueProblems {
        ValueProblems(all: [ValueProblem("is \(node.kind), not \(wanted)")])
    }
}

extension ConfigFormat where Value == Bool {
    static let flag = ConfigFormat(.boolean, expects: "true or false") { node throws(ValueProblems) in
        guard case .boolean(let flag) = node else { throw .wrongType(node, wanted: "a boolean") }
        return flag
    } write: {
        .boolean($0)
    }
}

extension ConfigFormat where Value == Int {
    /// An integer within `range`.
    static func count(_ range: ClosedRange<Int>) -> ConfigFormat {
        ConfigFormat(.integer, expects: "an integer from \(range.lowerBound) to \(range.upperBound)") {
            node throws(ValueProblems) in
            guard case .integer(let number) = node else { throw .wrongType(node, wanted: "an integer") }
            if range.contains(number) { return number }
            let problem = number < range.lowerBound ? "is below \(range.lowerBound)" : "is above \(range.upperBound)"
            throw ValueProblems(all: [ValueProblem(problem)])
        } write: {
            .integer($0)
        }
    }

    /// A number of bytes within `range`.
    static func bytes(_ range: ClosedRange<Int>) -> ConfigFormat {
        let least = Quantity.bytes(range.lowerBound)
        let most = Quantity.bytes(range.upperBound)
        return ConfigFormat(expects: "a size from \"\(least)\" to \"\(most)\" in B, KiB, MiB or GiB") {
            text throws(ValueProblem) in
            let bytes = try Quantity.parseBytes(text)
            if range.contains(bytes) { return bytes }
            throw ValueProblem(bytes < range.lowerBound ? "is below \(least)" : "is above \(most)")
        } write: {
            Quantity.bytes($0)
        }
    }
}

extension ConfigFormat where Value == Duration {
    /// A duration within `range`.
    static func duration(_ range: ClosedRange<Duration>) -> ConfigFormat {
        let least = Quantity.duration(range.lowerBound)
        let most = Quantity.duration(range.upperBound)
        return ConfigFormat(expects: "a duration from \"\(least)\" to \"\(most)\" in ms, s, m or h") {
            text throws(ValueProblem) in
            let duration = try Quantity.parseDuration(text)
            if range.contains(duration) { return duration }
            throw ValueProblem(duration < range.lowerBound ? "is below \(least)" : "is above \(most)")
        } write: {
            Quantity.duration($0)
        }
    }
}

extension ConfigFormat where Value: RawRepresentable & CaseIterable, Value.RawValue == String {
    /// One of the raw values of an enumeration.
    static var choice: ConfigFormat {
        let words = Value.allCases.map(\.rawValue)
        let expects = words.map { "\"\($0)\"" }.joined(separator: ", ")
        return ConfigFormat(expects: "one of \(expects)") { text throws(ValueProblem) in
            if let value = Value(rawValue: text) { return value }
            let guess = Suggestion.nearest(to: text, among: words).map { ", did you mean \"\($0)\"?" } ?? ""
            throw ValueProblem("is not known\(guess)")
        } write: {
            $0.rawValue
        }
    }
}

extension ConfigFormat {
    /// `inner`, or an empty string for "none".
    static func optional<Inner>(_ inner: ConfigFormat<Inner>) -> ConfigFormat where Value == Inner? {
        ConfigFormat(inner.shape, expects: inner.expects + ", or \"\" for none", rebase: inner.rebase) {
            node throws(ValueProblems) in
            node == .string("") ? nil : try inner.read(node)
        } write: {
            $0.map(inner.write) ?? .string("")
        }
    }

    /// An array; all bad elements are told, not only the first.
    static func list<Element>(_ element: ConfigFormat<Element>, nonEmpty: Bool = false) -> ConfigFormat
    where Value == [Element] {
        ConfigFormat(
            .list(of: element.shape), expects: "an array, each element \(element.expects)", rebase: element.rebase
        ) { node throws(ValueProblems) in
            guard case .array(let nodes) = node else { throw .wrongType(node, wanted: "an array") }
            if nonEmpty, nodes.isEmpty { throw ValueProblems(all: [ValueProblem("is empty")]) }
            var values: [Element] = []
            var problems: [ValueProblem] = []
            for (index, node) in nodes.enumerated() {
                do throws(ValueProblems) {
                    values.append(try element.read(node))
                } catch {
                    for var problem in error.all {
                        problem.element = index + 1
                        problem.remedy = problem.remedy ?? "write \(element.expects)"
                        problems.append(problem)
                    }
                }
            }
            if !problems.isEmpty { throw ValueProblems(all: problems) }
            return values
        } write: {
            .array($0.map(element.write))
        }
    }

    /// An array in which order and repetition mean nothing.
    static func set<Element>(_ element: ConfigFormat<Element>, nonEmpty: Bool = false) -> ConfigFormat
    where Value == Set<Element>, Element: CaseIterable {
        let list = ConfigFormat<[Element]>.list(element, nonEmpty: nonEmpty)
        return ConfigFormat(list.shape, expects: list.expects) { node throws(ValueProblems) in
            Set(try list.read(node))
        } write: { set in
            list.write(Element.allCases.filter(set.contains))
        }
    }
}
