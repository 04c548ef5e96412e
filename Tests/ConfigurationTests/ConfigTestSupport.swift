// Shared by the configuration tests: loading from text with nothing around it.

import Configuration

/// What the default client credentials refer to.
let testCredentials = ["CLASH_CLIENT_ID": "service-abc", "CLASH_CLIENT_SECRET": "hunter2"]

/// Loads `text` as proxy.conf; every file can be read unless `unreadable` says why not.
func loadConfig(
    _ text: String? = nil, environment: [String: String] = testCredentials, flags: [String] = [],
    unreadable: [String: String] = [:]
) throws(ConfigMistakes) -> LoadedConfig {
    let file = text.map { ConfigSources.File(name: "proxy.conf", text: $0) }
    let sources = ConfigSources(file: file, environment: environment, flags: flags)
    return try ConfigLoader.load(sources) { path, _ in unreadable[path] }
}

/// The messages that `text` gets; empty when it is accepted.
func configMistakes(
    _ text: String? = nil, environment: [String: String] = testCredentials, flags: [String] = [],
    unreadable: [String: String] = [:]
) -> [String] {
    do throws(ConfigMistakes) {
        _ = try loadConfig(text, environment: environment, flags: flags, unreadable: unreadable)
        return []
    } catch {
        return error.all.map(\.description)
    }
}
