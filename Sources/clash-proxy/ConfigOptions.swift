// The options that all commands with a configuration share.

import ArgumentParser
import Configuration
import Glibc
import Proxy

struct ConfigOptions: ParsableArguments {
    @Option(help: "The configuration file. Default: ./proxy.conf, then /etc/clash-proxy/proxy.conf.")
    var config: String?

    @Option(
        name: .customLong("set"), parsing: .unconditionalSingleValue,
        help: "Overrides one key: section.key=value. Repeatable.")
    var settings: [String] = []

    /// Loads the configuration.
    func read() throws(ConfigMistakes) -> LoadedConfig {
        try ConfigLoader.load(
            ConfigSources.read(config: config, environment: ProcessEnvironment.variables(), flags: settings))
    }

    /// Loads the configuration, or prints every mistake and exits with 78.
    func load() throws -> LoadedConfig {
        do throws(ConfigMistakes) {
            let loaded = try read()
            let mistakes = loaded.certificateMistakes()
            guard mistakes.isEmpty else { throw ConfigMistakes(mistakes) }
            return loaded
        } catch {
            complain(error.description)
            throw ExitStatus.configuration
        }
    }

    /// Loads a configuration that may be served with, to hold its promises against it: no credential of Bentley's has to be at
    /// hand for that.
    func loadToProve() throws -> LoadedConfig {
        do throws(ConfigMistakes) {
            let sources = try ConfigSources.read(
                config: config, environment: ProcessEnvironment.variables(), flags: settings)
            return try ConfigLoader.load(sources, judgesSecrets: false).servable()
        } catch {
            complain(error.description)
            throw ExitStatus.configuration
        }
    }

    /// Loads these keys alone, for commands that need no others: no secret has to be at hand for them.
    func load(only keys: Set<String>) throws -> Config {
        do throws(ConfigMistakes) {
            let sources = try ConfigSources.read(
                config: config, environment: ProcessEnvironment.variables(), flags: settings)
            return try ConfigLoader.load(sources, only: keys).config
        } catch {
            complain(error.description)
            throw ExitStatus.configuration
        }
    }

    /// Loads a configuration that may be served with: keys that guard access must be in force.
    func loadToServe() throws -> LoadedConfig {
        let loaded = try load()
        do throws(ConfigMistakes) {
            return try loaded.servable()
        } catch {
            complain(error.description)
            throw ExitStatus.configuration
        }
    }
}

enum ProcessEnvironment {
    /// The path of this program, to be pasted into a shell.
    static var executable: String {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        guard count > 0 else { return "clash-proxy" }
        return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// The key for the admin listener of a running proxy, if one is set.
    static var adminKey: String? { variables()["CLASH_ADMIN_KEY"] }

    /// `path` as seen from everywhere.
    static func absolute(_ path: String) -> String {
        guard !path.hasPrefix("/"), let folder = getcwd(nil, 0) else { return path }
        defer { free(folder) }
        return String(cString: folder) + "/" + path
    }

    /// The environment variables as they are now.
    static func variables() -> [String: String] {
        var variables: [String: String] = [:]
        var entry = environ
        while let text = entry.pointee {
            let pair = String(cString: text).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if pair.count == 2 { variables[String(pair[0])] = String(pair[1]) }
            entry += 1
        }
        return variables
    }
}
