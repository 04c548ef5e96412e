// Runs a sidecar until a signal asks it to end.

import ArgumentParser
import Glibc
import Logging
import Proxy
import ServiceLifecycle
import UnixSignals

enum Supervisor {
    /// Starts the sidecar, waits for SIGTERM or SIGINT, drains. Throws the exit code unless all of it went well.
    static func run(
        _ sidecar: Sidecar, logging: Logs, started: @escaping @Sendable (Sidecar.Addresses) -> Void = { _ in }
    ) async throws {
        // A terminal that goes away must not take the sidecar with it.
        signal(SIGHUP, SIG_IGN)
        let service = SidecarService(sidecar: sidecar, started: started)
        let group = ServiceGroup(
            configuration: .init(
                services: [
                    .init(
                        service: service, successTerminationBehavior: .gracefullyShutdownGroup,
                        failureTerminationBehavior: .cancelGroup)
                ],
                gracefulShutdownSignals: [.sigterm, .sigint],
                logger: Logger(label: "lifecycle", factory: { _ in SwiftLogNoOpLogHandler() })))
        do {
            try await group.run()
        } catch is DrainCutShort {
            logging.close()
            throw ExitStatus.drainCutShort
        } catch {
            logging.close()
            complain("clash-proxy can not start: \(error)")
            throw ExitCode.failure
        }
        logging.close()
    }
}

extension Supervisor {
    /// Returns when SIGTERM or SIGINT arrives.
    static func waitForSignal() async throws {
        for await _ in await UnixSignalsSequence(trapping: .sigterm, .sigint) { return }
    }
}

/// Some requests had to be broken off at the end of `shutdown.drain_timeout`.
private struct DrainCutShort: Error {}

private struct SidecarService: Service {
    let sidecar: Sidecar
    let started: @Sendable (Sidecar.Addresses) -> Void

    func run() async throws {
        started(try await sidecar.start())
        try? await gracefulShutdown()
        guard await sidecar.drain() else { throw DrainCutShort() }
    }
}
