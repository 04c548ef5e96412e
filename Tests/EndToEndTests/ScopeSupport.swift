// Callers with a scope in front of the simulator or of an origin that takes everything.

import Proxy
import Simulator
import TestSupport
import Testing

@testable import Configuration

/// Keys of callers with their tables; `line` stands below a table.
struct ScopedCallers {
    private(set) var tables = ""
    private var keys: [String: String] = [:]

    mutating func add(
        _ name: String, allow: String = "read,write,run,delete", itwins: [String] = [], operations: String? = nil,
        line: String = ""
    ) throws {
        let made = try KeyGenerator.make(
            name: name, allow: allow, itwins: itwins.isEmpty ? nil : itwins.joined(separator: ","),
            operations: operations)
        keys[name] = made.key.withValue { $0 }
        tables += made.table + line + "\n"
    }

    /// The header that says who calls.
    func key(_ name: String) -> (String, String) { ("X-Api-Key", keys[name] ?? "") }
}

/// The ids of the simulator's two iTwins, which follow from its seed.
enum SeededWorld {
    static let iTwins: [String] = Simulator(SimulatorConfiguration()).iTwinIDs
    static var mine: String { iTwins[0] }
    static var foreign: String { iTwins[1] }

    /// The first 21 characters of every v1 id of a project: its GUID without the last two bits.
    static func idPrefix(_ project: String) -> String {
        String(Simulator(SimulatorConfiguration()).legacyID(project: project, entity: project)?.prefix(21) ?? "")
    }
}

/// A rig whose callers are `mine` and `foreign`, each bound to one of the simulator's iTwins, `free`, and what is added.
func withScopes(
    origin: ScriptedOrigin? = nil, flags: [String] = [], _ add: (inout ScopedCallers) throws -> Void = { _ in },
    _ body: (Rig, ScopedCallers) async throws -> Void
) async throws {
    var callers = ScopedCallers()
    try callers.add("mine", itwins: [SeededWorld.mine])
    try callers.add("foreign", itwins: [SeededWorld.foreign])
    try callers.add("free")
    try add(&callers)
    let known = callers
    try await withRig { options in
        options.origin = origin
        options.file = known.tables
        // What is to be cancelled has not ended before.
        options.simulator.runDuration = .seconds(600)
        options.flags = flags
    } _: { rig in
        try await body(rig, known)
    }
}
