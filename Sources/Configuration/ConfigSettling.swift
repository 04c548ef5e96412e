// What a configuration means today that was written for an earlier release, and what follows from other keys.

extension ConfigReader {
    /// `node` with words that earlier releases used replaced; each is remarked.
    mutating func modern(_ node: TOMLNode, of key: String, _ place: ConfigPlace) -> TOMLNode {
        guard key == "audit.also", case .array(let words) = node else { return node }
        var modern: [TOMLNode] = []
        for word in words {
            switch word {
            case .string("run_in_place"):
                remark(
                    place, key, "\"run_in_place\" is now \"run\", which records every start of a run", "write \"run\"")
                modern.append(.string("run"))
            case .string("remove_suppressions"):
                remark(place, key, "\"remove_suppressions\" is always recorded, as every delete is", "take it out")
            default: modern.append(word)
            }
        }
        return .array(modern)
    }

    /// Variables that begin like ours belong to somebody else when they name no section.
    mutating func remark(strangers: [String]) {
        guard !strangers.isEmpty else { return }
        remarks.append(
            ConfigMistake(
                place: .builtIn,
                problem: "left alone, as they name no section of proxy.conf: \(strangers.joined(separator: ", "))"))
    }

    private mutating func remark(_ place: ConfigPlace, _ key: String, _ problem: String, _ remedy: String) {
        remarks.append(ConfigMistake(place: place, key: key, problem: problem, remedy: remedy))
    }

    /// Defaults that depend on other keys follow them; so does a default that a file merely repeats.
    mutating func settle() {
        let defaults = Config()
        if config.cache.maxEntryBytes == defaults.cache.maxEntryBytes {
            config.cache.maxEntryBytes = min(config.cache.maxEntryBytes, config.cache.maxBytes)
        }
        if config.listen.maxBodyBytes == defaults.listen.maxBodyBytes {
            config.listen.maxBodyBytes = min(config.listen.maxBodyBytes, config.listen.maxHeldBytes / 2)
        }
        if config.rate.maxInFlight == defaults.rate.maxInFlight {
            config.rate.maxInFlight = min(config.rate.maxInFlight, config.upstream.maxConnections)
        }
    }
}
