// A rig whose configuration a test changes while it runs.

import Configuration
import Proxy
import Synchronization
import TestSupport

/// What a rig's configuration is read from, at the start and anew.
final class RigSources: Sendable {
    private let sources: Mutex<ConfigSources>

    init(_ sources: ConfigSources) { self.sources = Mutex(sources) }

    var now: ConfigSources { sources.withLock { $0 } }

    /// These flags besides, of which the later count; another file, if given.
    func change(file: String?, flags: [String]) {
        sources.withLock { sources in
            if let file { sources.file = ConfigSources.File(name: "proxy.conf", text: file) }
            sources.flags += flags
        }
    }

    var surroundings: Sidecar.Surroundings {
        var surroundings = Sidecar.Surroundings()
        surroundings.reading = { [self] () throws(ConfigMistakes) in try ConfigLoader.load(now) }
        return surroundings
    }
}

extension Rig {
    /// What SIGHUP does, with these flags besides and, if given, another file.
    @discardableResult
    func reload(_ flags: [String] = [], file: String? = nil) async -> ReloadAnswer {
        sources.change(file: file, flags: flags)
        return await sidecar.reload()
    }

    /// A request to the admin listener.
    func operate(
        _ method: String, _ path: String, _ headers: [(String, String)] = []
    ) async throws -> RawResponse {
        let client = try RawClient(port: adminPort)
        defer { client.close() }
        let lines = ["\(method) \(path) HTTP/1.1", "Host: localhost", "Content-Length: 0"]
        let text = (lines + headers.map { "\($0.0): \($0.1)" }).joined(separator: "\r\n")
        return try await client.exchange(text + "\r\n\r\n", method: method)
    }
}

/// Callers with every right.
struct KeyRing {
    private var tables: [String: String] = [:]
    private var keys: [String: String] = [:]

    init(_ names: String...) throws {
        for name in names {
            let made = try KeyGenerator.make(name: name, allow: "read,write,run,delete")
            keys[name] = made.key.withValue { $0 }
            tables[name] = made.table
        }
    }

    /// The text of proxy.conf with these callers.
    func file(_ names: String...) -> String { names.map { tables[$0] ?? "" }.joined() }

    /// The header that says who calls.
    func key(_ name: String) -> (String, String) { ("X-Api-Key", keys[name] ?? "") }
}
