// Loading: a pure function from sources to a checked configuration, or to every mistake at once.
// Steps: take the sources apart, read each key by its row of the table, then check the keys against
// each other. A key that is already wrong takes no part in the checks, so one mistake is told once.

/// A checked configuration that remembers where each value came from.
public struct LoadedConfig: Sendable {
    /// The values.
    public let config: Config
    /// By dotted key (`listen.address`, `caller[1].name`): what some source said.
    let given: [String: GivenValue]
    /// The name of the file that was read.
    public let fileName: String?
}

/// Where the value of a key came from.
struct GivenValue: Sendable {
    var place: ConfigPlace
    /// The variable, if the value was written as one `${NAME}` and nothing else.
    var reference: String?
    /// Repeats the reference that is the default, as the shipped file does.
    var isDefaultReference = false
}

/// Turns sources into a configuration.
public enum ConfigLoader {
    /// Loads `sources`. Precedence: flags, environment, file, default.
    /// - Parameter problemReading: why the file at a path cannot be read, nil if it can; asked once for every
    ///   file the configuration names.
    /// - Throws: every mistake that was found, in the order of the file.
    public static func load(
        _ sources: ConfigSources, problemReading: (String) -> String? = ConfigSources.problemReading
    ) throws(ConfigMistakes) -> LoadedConfig {
        let gathered = GatheredValues(sources)
        var reader = ConfigReader(environment: sources.environment)
        reader.mistakes = gathered.mistakes
        for key in ConfigKeys.all {
            let unset = key.defaultReference.map { RawValue(node: .string($0), place: .builtIn) }
            guard let raw = gathered.values[key.dotted] ?? unset else { continue }
            reader.read(key, raw, as: key.dotted, into: \.config)
        }
        reader.read(callers: gathered.callers)
        reader.faulty.formUnion(gathered.doubtful)
        if !gathered.lacksFile {
            var checks = ConfigChecks(config: reader.config, given: reader.given, faulty: reader.faulty)
            checks.run(problemReading)
            reader.mistakes += checks.mistakes
        }
        guard reader.mistakes.isEmpty else { throw ConfigMistakes(reader.mistakes) }
        return LoadedConfig(config: reader.config, given: reader.given, fileName: sources.file?.name)
    }
}

/// Reads values into a `Config`, collecting what is wrong.
struct ConfigReader {
    let environment: [String: String]
    var config = Config()
    var draft = CallerDraft()
    var given: [String: GivenValue] = [:]
    var mistakes: [ConfigMistake] = []
    /// Keys whose value is not to be trusted; `caller` stands for all of the callers.
    var faulty: Set<String> = []

    init(environment: [String: String]) {
        self.environment = environment
    }

    /// Reads one key, called `name` in messages.
    mutating func read<Root>(
        _ key: ConfigKey<Root>, _ raw: RawValue, as name: String, into root: WritableKeyPath<ConfigReader, Root>
    ) {
        // The environment's own values are final: what injects secrets there must be free to use any text.
        let isFinal = if case .environment = raw.place { true } else { false }
        var value = GivenValue(place: raw.place)
        if case .string(let text) = raw.node, !isFinal {
            value.reference = Interpolation.reference(text)
            value.isDefaultReference = text == key.defaultReference
        }
        given[name] = value
        // Whether an unset default is needed depends on the mode; ConfigChecks knows.
        if value.isDefaultReference, let variable = value.reference, environment[variable] == nil { return }
        do throws(ValueProblems) {
            try key.read(isFinal ? raw.node : try fill(raw.node, key.isSecret), &self[keyPath: root])
        } catch {
            faulty.insert(name)
            for problem in error.all { mistakes.append(mistake(key, raw, name, problem)) }
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

extension ConfigReader {
    /// Reads the `[[caller]]` tables.
    mutating func read(callers: [RawCaller]) {
        for raw in callers {
            let name = "caller[\(raw.index)]"
            let before = mistakes.count
            draft = CallerDraft()
            given[name] = GivenValue(place: raw.place)
            for key in ConfigKeys.caller {
                guard let value = raw.values[key.name] else { continue }
                read(key, value, as: "\(name).\(key.name)", into: \.draft)
            }
            let credential = credential(of: raw, name)
            if raw.values["name"] == nil, !raw.doubtful.contains("name") {
                let problem = "has no name"
                mistakes.append(
                    ConfigMistake(place: raw.place, key: name, problem: problem, remedy: "write name = \"…\""))
            }
            guard let credential, mistakes.count == before else {
                faulty.insert("caller")
                continue
            }
            config.callers.append(
                Config.Caller(
                    name: draft.name, credential: credential, allow: draft.allow, priority: draft.priority,
                    weight: draft.weight))
        }
    }

    /// The one credential of the caller just read; nil, with a mistake told, if there are none or two.
    private mutating func credential(of raw: RawCaller, _ name: String) -> Config.Credential? {
        switch (draft.keyHash, draft.certificate) {
        case (let hash?, nil): return .key(hash)
        case (nil, let certificate?): return .certificate(certificate)
        case (.some, .some):
            mistakes.append(
                ConfigMistake(
                    place: raw.values["certificate"]?.place ?? raw.place, key: "\(name).certificate",
                    problem: "stands beside key_sha256", remedy: "keep one of the two, or make it two callers"))
        case (nil, nil):
            // A credential that is there but wrong was told already.
            let isFaulty = ["key_sha256", "certificate"].contains { key in
                faulty.contains("\(name).\(key)") || raw.doubtful.contains(key)
            }
            if isFaulty { return nil }
            mistakes.append(
                ConfigMistake(
                    place: raw.place, key: name, problem: "has neither key_sha256 nor certificate",
                    remedy: "run `clash-proxy key new NAME` and paste what it prints"))
        }
        return nil
    }
}

extension TOMLNode {
    /// For messages: the literal, cut where it would fill the line.
    fileprivate var shortened: String {
        let literal = literal
        return literal.count > 80 ? literal.prefix(77) + "…" : literal
    }
}
