// `[fleet]`: which engine, and this process's seat in it.

import Configuration
import Crypto
import Fleet
import Glibc
import Ground
import NIOCore
import RateLimiting

/// The fleet does not take this process: it must not start (exit code 78).
package struct FleetRefusal: Error, CustomStringConvertible {
    /// What is wrong, and what to do.
    package let description: String
}

/// How a process becomes a member.
enum FleetStart {
    /// Nil where there is no engine. Throws what speaks against ever using it.
    static func seat(
        _ config: Config, version: String, group: any EventLoopGroup, time: Time
    ) throws -> FleetSeat? {
        guard let engine = config.fleet.engine else { return nil }
        do throws(FleetError) {
            let (ledger, isShared) = try ledger(engine, config, group, time)
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
        _ engine: FleetEngine, _ config: Config, _ group: any EventLoopGroup, _ time: Time
    ) throws(FleetError) -> (any FleetLedger, isShared: Bool) {
        switch engine {
        case .file(let path): return (try FileLedger(path: absolute(path), time: time), true)
        case .redis(let hosts, let database, let isTLS):
            let servers = RedisServers(
                hosts.map { RedisServer(host: $0.name, port: $0.port) }, database: database,
                credentials: try config.fleet.passwordFile.map(credentials),
                tls: isTLS ? try tls(config.fleet.caFile) : nil)
            return (
                RedisLedger(servers, fleet: name(config), maxLag: config.fleet.maxLag, group: group, time: time), false
            )
        }
    }

    /// Returns when the engine can be asked, or is known not to answer for now: a first connection over TLS takes longer than
    /// a member waits for an answer.
    static func linked(_ seat: FleetSeat) async { await (seat.ledger as? RedisLedger)?.linked() }

    private static func credentials(in file: String) throws(FleetError) -> RedisCredentials {
        guard let text = try? TextFile.read(file), let credentials = RedisCredentials(file: Array(text.utf8)) else {
            throw .unsafe("fleet.password_file \(file) holds no password")
        }
        return credentials
    }

    private static func tls(_ authorities: String?) throws(FleetError) -> RedisTLS {
        do throws(RedisTrouble) {
            return try RedisTLS(authorities: authorities)
        } catch {
            throw .unsafe(error.text)
        }
    }

    /// Whose limits these are: upstream counts by client.
    private static func name(_ config: Config) -> String {
        let text = "\(config.upstream.url)\n\(config.token.clientID)"
        return Hex.text(Array(SHA256.hash(data: Array(text.utf8)).prefix(8)))
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
