// Runs a sidecar until a signal asks it to end.

import ArgumentParser
import Glibc
import Proxy
import Synchronization
import UnixSignals

enum Supervisor {
    /// Makes and starts the sidecar, waits for SIGTERM or SIGINT, drains; a second signal ends it at once, in whatever phase.
    /// SIGHUP reads the configuration anew. Throws the exit code unless all of it went well.
    ///
    /// - Parameter made: the sidecar, with what the signals mean to the process already in force.
    static func run(
        logging: Logs, started: @escaping @Sendable (Sidecar.Addresses) -> Void = { _ in },
        _ made: () async throws -> Sidecar
    ) async throws {
        // A terminal that goes away must not take the sidecar with it, nor a reload that comes too early.
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint, .sighup)
        let running = Running()
        let (first, hasCome) = AsyncStream<Void>.makeStream()
        let watch = Task {
            var isFirst = true
            for await signal in signals {
                if signal == .sighup {
                    // A task of its own: it may not stand before a signal to end.
                    Task { await running.sidecar?.reload() }
                } else if isFirst {
                    isFirst = false
                    hasCome.finish()
                } else {
                    return await endNow(running.sidecar, logging)
                }
            }
        }
        do {
            let sidecar = try await made()
            running.set(sidecar)
            started(try await sidecar.start())
        } catch let refusal as FleetRefusal {
            logging.close()
            complain("clash-proxy cannot start: \(refusal)")
            throw ExitStatus.configuration
        } catch {
            logging.close()
            complain("clash-proxy cannot start: \(error)")
            throw ExitCode.failure
        }
        for await _ in first {}
        let isWhole = await running.sidecar?.drain() ?? true
        watch.cancel()
        logging.close()
        if !isWhole { throw ExitStatus.drainCutShort }
    }

    /// The sidecar, once there is one.
    private final class Running: Sendable {
        private let made = Mutex<Sidecar?>(nil)

        var sidecar: Sidecar? { made.withLock { $0 } }

        func set(_ sidecar: Sidecar) { made.withLock { $0 = sidecar } }
    }

    /// A second signal. What was broken off has a moment to say so; then the process ends, whatever it is at.
    private static func endNow(_ sidecar: Sidecar?, _ logging: Logs) async {
        let isCut = sidecar?.endNow() ?? false
        try? await Task.sleep(for: .seconds(1))
        if Task.isCancelled { return }
        logging.close()
        exit(isCut ? ExitStatus.drainCutShort.rawValue : 0)
    }
}

extension Supervisor {
    /// Returns when SIGTERM or SIGINT arrives.
    static func waitForSignal() async throws {
        for await _ in await UnixSignalsSequence(trapping: .sigterm, .sigint) { return }
    }
}
