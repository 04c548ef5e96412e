// `[fleet]`: which engine, and this process's seat in it.

import Configuration
import Fleet
import Glibc
import Ground
import RateLimiting

/// The fleet does not take this process: it must not start (exit code 78).
package struct FleetRefusal: Error, CustomStringConvertible {
    /// What is wrong, and what to do.
    package let description: String
}

/// How a process becomes a member.
enum FleetStart {
    /// Nil where there is no engine. Throws what speaks against ever using it.
    static func seat(_ config: Config, version: String, time: Time) throws -> FleetSeat? {
        guard let engine = config.fleet.engine else { return nil }
        do throws(FleetError) {
            let (ledger, isShared) = try ledger(engine, time)
            let policy = FleetPolicy(
                windows: config.rate.windows.map { FleetWindow($0, isForRuns: false) }
                    + config.rate.runWindows.map { FleetWindow($0, isForRuns: true) },
                maxMembers: config.fleet.maxMembers, reserve: isShared ? 0 : config.fleet.offlineReserve.value * 10)
            let name = config.fleet.name.isEmpty ? "\(MachineName.text) \(getpid())" : config.fleet.name
            var settings = MemberState.Settings(
                id: FleetMemberID(.random(in: 1 ... .max)), name: name, version: version, policy: policy)
            // A file answers in microseconds or says why not; what takes longer is a machine that is busy, for all of them.
            if isShared { (settings.slowAfter, settings.cutAfter) = (1_000_000_000, 1_000_000_000) }
            return FleetSeat(settings, ledger: ledger, time: time)
        } catch {
            throw FleetRefusal(description: "fleet.engine: \(error.text)")
        }
    }

    /// The engine, and whether it is of this host alone, so that all of it goes or nothing.
    private static func ledger(
        _ engine: FleetEngine, _ time: Time
    ) throws(FleetError) -> (any FleetLedger, isShared: Bool) {
        switch engine {
        case .file(let path): return (try FileLedger(path: absolute(path), time: time), true)
        case .redis: throw .unsafe("redis:// and rediss:// are not built yet: use \"file:/path.db\"")
        }
    }

    private static func absolute(_ path: String) -> String {
        path.hasPrefix("/") ? path : (SharedFolder.real(".") ?? ".") + "/" + path
    }
}

extension FleetWindow {
    init(_ window: GateWindow, isForRuns: Bool) {
        self.init(limit: window.limit, span: window.span.wholeMilliseconds, isForRuns: isForRuns)
    }
}
