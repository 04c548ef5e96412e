// Loading: a pure function from sources to a checked configuration, or to every mistake at once.
// Steps: take the sources apart, read each key by its row of the table, then check the keys against
// each other. A key that is already wrong takes no part in the checks, so one mistake is told once.

/// A checked configuration that remembers where each value came from.
package struct LoadedConfig: Sendable {
    /// The values.
    package internal(set) var config: Config
    /// By dotted key (`listen.address`, `caller[1].name`): what some source said.
    let given: [String: GivenValue]
    /// The name of the file that was read; nil when there was none.
    package let fileName: String?
    /// What the sources say that is no mistake, but not what they would say today.
    let remarks: [ConfigMistake]
    /// By dotted key: what the container made smaller, and what it was before.
    var lowered: [String: TOMLNode] = [:]
}

/// Where the value of a key came from.
struct GivenValue: Sendable {
    var place: ConfigPlace
    /// The variable, if the value was written as one `${NAME}` and nothing else.
    var reference: String?
    /// Repeats the reference that is the default, as the shipped file does.
    var isDefaultReference = false
    /// Says in so many words what holds anyway.
    var repeatsDefault = false
    /// A relative path of the file, or a default beside it, as it was before the file's folder was put before it.
    var written: String?
}

/// Turns sources into a configuration.
package enum ConfigLoader {
    /// Loads `sources`. Precedence: flags, environment, file, default.
    /// - Parameters:
    ///   - judgesSecrets: false where no credential is used: one that is not at hand is no mistake then, and is left out.
    ///   - problem: why the file at a path is not what a key needs, nil if it is; asked once for every file the configuration
    ///     names.
    /// - Throws: every mistake that was found, in the order of the file.
    package static func load(
        _ sources: ConfigSources, judgesSecrets: Bool = true,
        problem: (String, FileContent) -> String? = ConfigSources.problem
    ) throws(ConfigMistakes) -> LoadedConfig {
        let gathered = GatheredValues(sources)
        var reader = ConfigReader(environment: sources.environment, folder: sources.folder)
        reader.judgesSecrets = judgesSecrets
        reader.mistakes = gathered.mistakes
        reader.remark(strangers: gathered.strangers)
        for key in ConfigKeys.all {
            guard let raw = gathered.values[key.dotted] ?? unset(key, sources) else { continue }
            reader.read(key, raw, as: key.dotted, into: \.config)
        }
        reader.readTables(gathered)
        reader.faulty.formUnion(gathered.doubtful)
        reader.settle()
        if !judgesSecrets { reader.faulty.formUnion(ConfigKeys.credentials) }
        if !gathered.lacksFile {
            var checks = ConfigChecks(config: reader.config, given: reader.given, faulty: reader.faulty)
            checks.run { judgesSecrets || !$1.isCredential ? problem($0, $1) : nil }
            reader.mistakes += checks.mistakes
        }
        return try reader.result(sources)
    }

    /// Loads no more than `keys` (dotted), for commands that need nothing else: what is wrong elsewhere, or secret and not
    /// at hand, is no business of theirs. All other keys have their defaults.
    package static func load(_ sources: ConfigSources, only keys: Set<String>) throws(ConfigMistakes) -> LoadedConfig {
        let gathered = GatheredValues(sources)
        var reader = ConfigReader(environment: sources.environment, folder: sources.folder)
        reader.mistakes = gathered.mistakes.filter { concerns($0, keys) }
        for key in ConfigKeys.all where keys.contains(key.dotted) {
            guard let raw = gathered.values[key.dotted] ?? unset(key, sources, fills: false) else { continue }
            reader.read(key, raw, as: key.dotted, into: \.config)
        }
        return try reader.result(sources)
    }

    /// What a key stands for that no source names: a variable, or a path that starts at the folder of the file, as it
    /// does where the file repeats the default.
    private static func unset(_ key: ConfigKey<Config>, _ sources: ConfigSources, fills: Bool = true) -> RawValue? {
        if let reference = key.defaultReference {
            return fills ? RawValue(node: .string(reference), place: .builtIn) : nil
        }
        guard sources.file != nil, let rebase = key.rebase, case .string(let path) = key.write(Config()),
            rebase(path, sources.folder) != path
        else { return nil }
        return RawValue(node: .string(path), place: .builtIn)
    }

    /// Whether a mistake may have hidden one of `keys`. What was typed for this very command always counts.
    private static func concerns(_ mistake: ConfigMistake, _ keys: Set<String>) -> Bool {
        switch mistake.place {
        case .flag: return true
        case .file where mistake.key == nil: return true
        default: break
        }
        return keys.contains { key in
            let section = String(key.prefix { $0 != "." })
            return [key, section].contains(mistake.key) || [key, section].contains(mistake.guess)
        }
    }
}

/// Reads values into a `Config`, collecting what is wrong.
struct ConfigReader {
    let environment: [String: String]
    /// Where relative paths of the file begin.
    let folder: String
    var config = Config()
    /// Tables while their keys are read one by one.
    var draft = CallerDraft()
    var issuer = Config.Issuer()
    var sink = Config.AuditSink()
    var given: [String: GivenValue] = [:]
    var mistakes: [ConfigMistake] = []
    var remarks: [ConfigMistake] = []
    /// Keys whose value is not to be trusted; `caller` stands for all of the callers.
    var faulty: Set<String> = []
    /// Whether a credential has to be at hand.
    var judgesSecrets = true

    init(environment: [String: String], folder: String) {
        self.environment = environment
        self.folder = folder
    }

    /// What was read, unless something is wrong with it.
    func result(_ sources: ConfigSources) throws(ConfigMistakes) -> LoadedConfig {
        guard mistakes.isEmpty else { throw ConfigMistakes(mistakes) }
        return LoadedConfig(config: config, given: given, fileName: sources.file?.name, remarks: remarks)
    }

    /// Reads one key, called `name` in messages.
    mutating func read<Root>(
        _ key: ConfigKey<Root>, _ raw: RawValue, as name: String, into root: WritableKeyPath<ConfigReader, Root>
    ) {
        // The environment's own values are final: what injects secrets there must be free to use any text.
        let isFinal = if case .environment = raw.place { true } else { false }
        var value = GivenValue(place: raw.place)
        value.repeatsDefault = !key.isSecret && raw.node == key.write(Root())
        if case .string(let text) = raw.node, !isFinal {
            value.reference = Interpolation.reference(text)
            value.isDefaultReference = text == key.defaultReference
        }
        given[name] = value
        // Whether an unset default is needed depends on the mode; ConfigChecks knows.
        if value.isDefaultReference, let variable = value.reference, environment[variable] == nil { return }
        do throws(ValueProblems) {
            let filled = isFinal ? raw.node : try fill(raw.node, key.isSecret)
            let node = rebased(modern(filled, of: key.dotted, raw.place), key.rebase, raw.place)
            if case .string(let text) = filled, case .string(let path) = node, path != text {
                given[name]?.written = text
            }
            try key.read(node, &self[keyPath: root])
        } catch {
            faulty.insert(name)
            if !judgesSecrets, key.isSecret || ConfigKeys.credentials.contains(name) { return }
            for problem in error.all { mistakes.append(mistake(key, raw, name, problem)) }
        }
    }

    /// Paths of the file, and the defaults beside them, begin at its folder; those of flags and the environment at the
    /// working directory.
    private func rebased(
        _ node: TOMLNode, _ rebase: (@Sendable (String, String) -> String)?, _ place: ConfigPlace
    ) -> TOMLNode {
        guard let rebase else { return node }
        switch place {
        case .file, .builtIn: break
        case .environment, .flag: return node
        }
        switch node {
        case .string(let text): return .string(rebase(text, folder))
        case .array(let elements): return .array(elements.map { rebased($0, rebase, place) })
        default: return node
        }
    }

    private func fill(_ node: TOMLNode, _ isSecret: Bool) throws(ValueProblems) -> TOMLNode {
        do throws(ValueProblems) {
            return try Interpolation.fill(node, from: environment)
        } catch {
            if case .string(let text) = node, isSecret, Interpolation.reference(text) == nil {
                // A secret that merely contains ${ would show a part of itself as the name of a variable.
                let remedy = "write $${ for a literal ${"
                throw ValueProblems(all: [ValueProblem("has a ${ that names no variable that is set", remedy: remedy)])
            }
            throw error
        }
    }

    private func mistake<Root>(
        _ key: ConfigKey<Root>, _ raw: RawValue, _ name: String, _ problem: ValueProblem
    ) -> ConfigMistake {
        var shown = raw.node
        var mistake = ConfigMistake(place: raw.place, key: name, problem: "", remedy: problem.remedy)
        if let element = problem.element, case .array(let elements) = raw.node {
            shown = elements[element - 1]
            mistake.key = "\(name)[\(element)]"
            mistake.place = raw.elementPlaces[element] ?? raw.place
        }
        let hides = key.isSecret || problem.hidesValue
        mistake.problem = (hides ? "the value" : shown.shortened) + " " + problem.text
        if mistake.remedy == nil { mistake.remedy = "write \(key.expects)" }
        return mistake
    }
}

extension TOMLNode {
    /// For messages: the literal, cut where it would fill the line.
    fileprivate var shortened: String {
        let literal = literal
        return literal.count > 80 ? literal.prefix(77) + "…" : literal
    }
}
