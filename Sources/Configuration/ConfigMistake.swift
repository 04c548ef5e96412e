// What is wrong with a configuration, told so that the reader can fix it without the manual: where,
// which key, what is wrong, what would be right. A value is only shown where its key is no secret.

import Audit

/// Where a value of the configuration comes from.
package enum ConfigPlace: Sendable, Hashable, CustomStringConvertible {
    /// Nobody gave it.
    case builtIn
    /// A file, as it was named, and the line (from 1) where that is known.
    case file(name: String, line: Int?)
    /// An environment variable.
    case environment(variable: String)
    /// A `--set` argument for this key.
    case flag(key: String)

    /// `default`, `proxy.conf:12`, the variable's name, or `--set key`.
    package var description: String {
        switch self {
        case .builtIn: "default"
        case .file(let name, let line): line.map { "\(name):\($0)" } ?? name
        case .environment(let variable): variable
        case .flag(let key): key.isEmpty ? "--set" : "--set \(key)"
        }
    }
}

/// One thing that is wrong with the configuration, or worth a warning. Holds no secret.
package struct ConfigMistake: Sendable, Hashable, CustomStringConvertible {
    /// Where it was found.
    package var place: ConfigPlace
    /// `listen.address`, `caller[2].allow`; nil where no key is concerned.
    package var key: String?
    /// What is wrong.
    package var problem: String
    /// What would be right.
    package var remedy: String?
    /// The key or section that was probably meant.
    var guess: String?

    /// One that others find than the loader.
    package init(place: ConfigPlace, key: String? = nil, problem: String, remedy: String? = nil) {
        (self.place, self.key, self.problem, self.remedy) = (place, key, problem, remedy)
    }

    /// One line: `proxy.conf:3: listen.address: "8080" has no port; write host:port`. Fit for a terminal, whatever the
    /// names in it are.
    package var description: String {
        var parts: [String] = []
        if place != .builtIn { parts.append(place.description) }
        if let key, place != .flag(key: key) { parts.append(key) }
        parts.append(remedy.map { "\(problem); \($0)" } ?? problem)
        return PrintableText.escaped(parts.joined(separator: ": "))
    }
}

/// All mistakes of one configuration, in the order of the file, then environment, then flags. Never empty.
package struct ConfigMistakes: Error, Sendable, CustomStringConvertible {
    /// The mistakes.
    package let all: [ConfigMistake]

    /// - Parameter mistakes: at least one.
    package init(_ mistakes: [ConfigMistake]) {
        all = mistakes.enumerated().sorted { left, right in
            (left.element.place.rank, left.offset) < (right.element.place.rank, right.offset)
        }.map(\.element)
    }

    /// One line each.
    package var description: String { all.map(\.description).joined(separator: "\n") }
}

extension ConfigPlace {
    /// File lines first and in their order.
    fileprivate var rank: Int {
        switch self {
        case .file(_, let line): line ?? 0
        case .builtIn: .max - 2
        case .environment: .max - 1
        case .flag: .max
        }
    }
}

/// What is wrong with one value, before anybody knows which key and line it belongs to. Reads after the
/// value: "has no port".
struct ValueProblem: Error, Equatable {
    var text: String
    /// The value itself must not be shown.
    var hidesValue = false
    /// For a list: which element, from 1.
    var element: Int?
    /// What to do, where that is something else than writing another value.
    var remedy: String?

    init(_ text: String, hidesValue: Bool = false, remedy: String? = nil) {
        self.text = text
        self.hidesValue = hidesValue
        self.remedy = remedy
    }
}

/// Everything that is wrong with one value; more than one only for lists.
struct ValueProblems: Error {
    var all: [ValueProblem]
}
