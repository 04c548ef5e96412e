// First step of loading: takes the sources apart into values by key, the strongest source winning
// (flags, environment, file), and tells every key that nobody knows. Looks at no value yet.

import Ground

/// A value as some source gave it, before `${NAME}` is filled in.
struct RawValue: Sendable {
    var node: TOMLNode
    var place: ConfigPlace
    /// For arrays over several lines of a file: the place of each element, from 1.
    var elementPlaces: [Int: ConfigPlace] = [:]
}

/// One table of an array of tables as some source gave it; values by key without section.
struct RawTable: Sendable {
    /// Its position, from 1.
    var index: Int
    var place: ConfigPlace
    var values: [String: RawValue] = [:]
    /// Keys that were probably meant but misspelt.
    var doubtful: Set<String> = []
}

struct GatheredValues: Sendable {
    /// By dotted key.
    private(set) var values: [String: RawValue] = [:]
    private(set) var tables: [ConfigTable: [RawTable]] = [:]
    private(set) var mistakes: [ConfigMistake] = []
    /// The file is not TOML, so what it would have said is unknown.
    private(set) var lacksFile = false
    /// Keys that the sources may have meant to set but misspelt; `caller` stands for all of the callers.
    private(set) var doubtful: Set<String> = []
    /// Variables that begin like ours but name no section, each with the one that may have been meant.
    private(set) var strangers: [String] = []

    init(_ sources: ConfigSources) {
        if let file = sources.file { add(file) }
        add(environment: sources.environment)
        for flag in sources.flags { add(flag: flag) }
    }
}

extension GatheredValues {
    private mutating func add(_ file: ConfigSources.File) {
        do throws(TOMLSyntaxError) {
            let document = try TOMLNode.parse(file.text)
            let lines = FileLines(name: file.name, lines: TOMLLocator.lines(of: file.text))
            for (name, node) in document.sorted(by: { $0.key < $1.key }) { add(section: name, node, lines) }
        } catch {
            lacksFile = true
            let place = ConfigPlace.file(name: file.name, line: error.line)
            mistakes.append(ConfigMistake(place: place, problem: "not valid TOML: \(error.message)"))
        }
    }

    private mutating func add(section: String, _ node: TOMLNode, _ lines: FileLines) {
        let place = lines.place(of: [section])
        if let table = ConfigTable(rawValue: section) {
            add(table, node, place) { index, key in lines.place(of: [section, "[\(index)]"] + key) }
            return
        }
        guard ConfigKeys.sections.contains(section) else {
            unknown(section: section, node, place)
            return
        }
        guard case .table(let members) = node else {
            mistake(place, section, "is \(node.kind), not a section", "write [\(section)] and its keys below it")
            return
        }
        for (name, node) in members.sorted(by: { $0.key < $1.key }) {
            let path = [section, name]
            // The line of earlier releases' shipped file, which turned off what there is no more.
            if section == "rate", name == "state_file", node == .string("") { continue }
            guard ConfigKeys.all.contains(where: { $0.section == section && $0.name == name }) else {
                unknown(key: name, of: section, lines.place(of: path))
                continue
            }
            values["\(section).\(name)"] = RawValue(
                node: node, place: lines.place(of: path), elementPlaces: lines.elements(of: path, node))
        }
    }

    private mutating func add(
        _ table: ConfigTable, _ node: TOMLNode, _ place: ConfigPlace,
        at placeOf: (_ index: Int, _ key: TOMLPath) -> ConfigPlace
    ) {
        let name = table.rawValue
        tables[table] = []
        guard case .array(let elements) = node else {
            doubtful.insert(name)
            let remedy = node.isTable ? "write [[\(name)]] in double brackets" : "write an array of tables"
            mistake(place, name, "is \(node.kind), not an array of tables", remedy)
            return
        }
        for (offset, element) in elements.enumerated() {
            let index = offset + 1
            guard case .table(let members) = element else {
                doubtful.insert(name)
                mistake(
                    placeOf(index, []), "\(name)[\(index)]", "is \(element.kind), not a table", "write [[\(name)]]")
                continue
            }
            var raw = RawTable(index: index, place: placeOf(index, []))
            for (key, node) in members.sorted(by: { $0.key < $1.key }) {
                guard table.keyNames.contains(key) else {
                    unknown(key, of: &raw, in: table, placeOf(index, [key]))
                    continue
                }
                raw.values[key] = RawValue(node: node, place: placeOf(index, [key]))
            }
            tables[table, default: []].append(raw)
        }
    }

    private mutating func add(environment: [String: String]) {
        for (variable, text) in environment.sorted(by: { $0.key < $1.key })
        where variable.hasPrefix(ConfigKeys.variablePrefix) {
            let place = ConfigPlace.environment(variable: variable)
            if let table = ConfigTable.allCases.first(where: { $0.variable == variable }) {
                add(table, text, place)
            } else if let key = ConfigKeys.all.first(where: { $0.variable == variable }) {
                values[key.dotted] = RawValue(node: key.node(text), place: place)
            } else if !Self.namesSection(variable) {
                strangers.append(variable + (Self.sectionGuess(variable).map { " (did you mean \($0)?)" } ?? ""))
            } else if !Self.isServiceLink(variable, text) {
                unknown(variable: variable, place)
            }
        }
    }

    private mutating func add(flag: String) {
        let name = flag.prefix { $0 != "=" }
        let key = String(name.trimmedBlanks)
        let place = ConfigPlace.flag(key: key)
        let known = ConfigKeys.all.first { $0.dotted == key }
        guard name.endIndex < flag.endIndex else {
            // What has no = may be anything, even a secret, so only a known key is shown.
            let place = known == nil ? ConfigPlace.flag(key: "") : place
            mistakes.append(ConfigMistake(place: place, problem: "has no =", remedy: "write --set section.key=value"))
            return
        }
        let text = String(flag[flag.index(after: name.endIndex)...])
        if let table = ConfigTable(rawValue: key) {
            add(table, text, place)
        } else if let known {
            values[key] = RawValue(node: known.node(text), place: place)
        } else {
            let parts = key.split(separator: ".", maxSplits: 1).map(String.init)
            if parts.count == 2, ConfigKeys.sections.contains(parts[0]) {
                unknown(key: parts[1], of: parts[0], place)
            } else {
                let sections = ConfigKeys.sections + ConfigTable.allCases.map(\.rawValue)
                let help =
                    parts.count == 2
                    ? "sections are \(sections.joined(separator: ", "))" : "write --set section.key=value"
                mistake(place, key, "is not a known key", didYouMean(Suggestion.key(like: key)) ?? help)
            }
        }
    }

    private mutating func add(_ table: ConfigTable, _ text: String, _ place: ConfigPlace) {
        guard let node = TOMLNode.parseValue(text) else {
            doubtful.insert(table.rawValue)
            mistake(place, table.rawValue, "the value is not valid TOML", "write \(table.example)")
            return
        }
        add(table, node, place) { _, _ in place }
    }

    /// Whether the words after the prefix begin with a section, so that the variable must be meant for us.
    private static func namesSection(_ variable: String) -> Bool {
        let words = variable.dropFirst(ConfigKeys.variablePrefix.count)
        return (ConfigKeys.sections + ConfigTable.allCases.map(\.rawValue)).contains { section in
            words == section.uppercased() || words.hasPrefix(section.uppercased() + "_")
        }
    }

    /// The variable that was meant, where at least the section is nearly right.
    private static func sectionGuess(_ variable: String) -> String? {
        let word = variable.dropFirst(ConfigKeys.variablePrefix.count).prefix { $0 != "_" }
        return Suggestion.nearest(to: String(word), among: ConfigKeys.sections).flatMap { _ in guess(variable) }
    }

    private static func guess(_ variable: String) -> String? {
        Suggestion.nearest(
            to: variable, among: ConfigKeys.all.map(\.variable) + ConfigTable.allCases.map(\.variable))
    }

    /// Kubernetes and Docker set such variables for a service of such a name, as clash-proxy-admin.
    private static func isServiceLink(_ variable: String, _ text: String) -> Bool {
        if variable.hasSuffix("_SERVICE_HOST") || variable.contains("_SERVICE_PORT") { return true }
        if variable.hasSuffix("_PORT"), text.contains("://") { return true }
        return variable.contains("_PORT_") && ["_TCP", "_UDP", "_SCTP"].contains(where: variable.contains)
    }
}

extension GatheredValues {
    private mutating func mistake(_ place: ConfigPlace, _ key: String, _ problem: String, _ remedy: String) {
        mistakes.append(ConfigMistake(place: place, key: key, problem: problem, remedy: remedy))
    }

    private mutating func guess(_ key: String?) {
        guard let key else { return }
        mistakes[mistakes.count - 1].guess = key
    }

    private mutating func unknown(section: String, _ node: TOMLNode, _ place: ConfigPlace) {
        let tables = ConfigTable.allCases.map(\.rawValue)
        let sections = ConfigKeys.sections + tables
        if !node.isTable, let key = ConfigKeys.all.first(where: { $0.name == section }) {
            mistake(place, section, "stands outside its section", "write it below [\(key.section)]")
            guess(key.dotted)
        } else if let nearest = Suggestion.nearest(to: section, among: sections) {
            if tables.contains(nearest) { doubtful.insert(nearest) }
            let name = tables.contains(nearest) ? "[[\(nearest)]]" : "[\(nearest)]"
            mistake(place, section, "is not a known section", "did you mean \(name)?")
            guess(nearest)
        } else {
            mistake(place, section, "is not a known section", "there are \(sections.joined(separator: ", "))")
        }
    }

    private mutating func unknown(key name: String, of section: String, _ place: ConfigPlace) {
        let own = ConfigKeys.all.filter { $0.section == section }.map(\.name)
        let dotted = "\(section).\(name)"
        if dotted == "rate.state_file" {
            return mistake(
                place, dotted, "has given way to the fleet's file, which keeps windows as well as pauses",
                "leave the line out and set [fleet] engine = \"file:/var/lib/clash-proxy/fleet.db\"; pauses that the old file holds are not read, Bentley tells them again"
            )
        }
        let nearest = Suggestion.nearest(to: name, among: own).map { "\(section).\($0)" } ?? Suggestion.key(like: name)
        let remedy = didYouMean(nearest) ?? "[\(section)] has \(own.joined(separator: ", "))"
        mistake(place, dotted, "is not a known key", remedy)
        guess(nearest)
    }

    private mutating func unknown(variable: String, _ place: ConfigPlace) {
        let nearest = Self.guess(variable)
        let key = ConfigKeys.all.first { $0.variable == nearest }
        if let key { doubtful.insert(key.dotted) }
        let remedy =
            nearest.map { "did you mean \($0)?" }
            ?? "names are CLASH_PROXY_SECTION_KEY, as \(ConfigKeys.all[0].variable)"
        mistakes.append(ConfigMistake(place: place, problem: "is not a known variable", remedy: remedy))
        guess(key?.dotted)
    }

    /// A key that was probably meant is not checked against others: its own mistake is enough.
    private mutating func didYouMean(_ key: String?) -> String? {
        guard let key else { return nil }
        doubtful.insert(key)
        return "did you mean \(key)?"
    }

    private mutating func unknown(
        _ key: String, of raw: inout RawTable, in table: ConfigTable, _ place: ConfigPlace
    ) {
        let name = table.rawValue
        let nearest = Suggestion.nearest(to: key, among: table.keyNames)
        if let nearest { raw.doubtful.insert(nearest) }
        doubtful.insert(name)
        let remedy =
            nearest.map { "did you mean \($0)?" } ?? "[[\(name)]] has \(table.keyNames.joined(separator: ", "))"
        mistake(place, "\(name)[\(raw.index)].\(key)", "is not a known key", remedy)
    }
}

extension Suggestion {
    /// Finds the key where section or key or both were mistyped, or the section was left out.
    fileprivate static func key(like text: String) -> String? {
        if let key = ConfigKeys.all.first(where: { $0.name == text }) { return key.dotted }
        return nearest(to: text, among: ConfigKeys.all.map(\.dotted))
    }
}

extension TOMLNode {
    fileprivate var isTable: Bool {
        if case .table = self { true } else { false }
    }
}

/// Lines of one file by path.
private struct FileLines {
    let name: String
    let lines: [TOMLPath: Int]

    /// The place of `path`, or of the nearest thing around it.
    func place(of path: TOMLPath) -> ConfigPlace {
        var path = path
        while !path.isEmpty {
            if let line = lines[path] { return .file(name: name, line: line) }
            path.removeLast()
        }
        return .file(name: name, line: nil)
    }

    func elements(of path: TOMLPath, _ node: TOMLNode) -> [Int: ConfigPlace] {
        guard case .array(let elements) = node else { return [:] }
        return Dictionary(uniqueKeysWithValues: elements.indices.map { ($0 + 1, place(of: path + ["[\($0 + 1)]"])) })
    }
}
