// `clash-proxy prove`: holds the promises against one configuration, within a time that is known beforehand.

import Configuration
import Ground

/// Proves the promises on a configuration, with the simulator in the place of Bentley and of issuers. A value.
package struct Prover: Sendable {
    private let config: Config
    private let parent: String
    private let only: Set<Promise>
    private let limit: Duration
    private let sabotage: @Sendable (inout Config) -> Void

    /// - Parameters:
    ///   - config: what is promised: a loaded configuration.
    ///   - parent: the folder below which temporary files go.
    ///   - only: what is proved; nothing else has rows.
    ///   - limit: after so long, what was not tried is a failure.
    ///   - sabotage: what the proxy under proof is told otherwise than what it promises, so that a proof can be seen to fail.
    package init(
        _ config: Config, in parent: String, only: Set<Promise> = Set(Promise.allCases), limit: Duration = .seconds(25),
        sabotage: @escaping @Sendable (inout Config) -> Void = { _ in }
    ) {
        (self.config, self.parent, self.limit, self.sabotage) = (config, parent, limit, sabotage)
        self.only = only
    }

    /// All rows, in the order of the promises.
    package func run() async -> [ProofRow] {
        let table = ProofTable()
        let names = ProvenPeople.names(config)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { [limit] in try? await Task.sleep(for: limit) }
            group.addTask { await everything(table) }
            await group.next()
            table.isCut("not done within \(limit.components.seconds) s")
            group.cancelAll()
        }
        return table.rows(callers: names).filter { only.contains($0.promise) }
    }

    private func everything(_ table: ProofTable) async {
        await withTaskGroup(of: Void.self) { group in
            let ofLife = only.subtracting([.noRecordNoDelete, .noWindowIsExceeded])
            if !ofLife.isEmpty {
                group.addTask {
                    await inWorld(table) { await MainProof(world: $0, table: table, only: ofLife).run() }
                }
            }
            if only.contains(.noRecordNoDelete) {
                group.addTask { await inWorld(table) { await UnrecordedProof(world: $0, table: table).run() } }
            }
            guard only.contains(.noWindowIsExceeded) else { return }
            group.addTask {
                await inWorld(table, { $0.scaleWindows(of: config) }) {
                    await WindowProof(world: $0, table: table).runShared()
                }
            }
            group.addTask {
                await inWorld(table, { $0.scaleOwnWindows(of: config) }) {
                    await WindowProof(world: $0, table: table).runOwn()
                }
            }
        }
    }

    private func inWorld(
        _ table: ProofTable, _ change: @escaping @Sendable (inout Config) -> Void = { _ in },
        proof: (ProofWorld) async -> Void
    ) async {
        do {
            let world = try await ProofWorld.start(config, in: parent) { [sabotage] applied in
                change(&applied)
                sabotage(&applied)
            }
            do {
                try await world.untilReady()
                await proof(world)
            } catch {
                table.isCut("\(error)")
            }
            await world.end()
        } catch {
            table.isCut("the proxy does not start: \(error)")
        }
    }
}
