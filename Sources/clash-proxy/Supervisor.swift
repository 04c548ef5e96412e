// Runs a sidecar until a signal asks it to end.

import ArgumentParser
import Glibc
import Proxy
import UnixSignals

enum Supervisor {
    /// Starts the sidecar, waits for SIGTERM or SIGINT, drains; a second signal ends it at once. Throws the exit code unless
    /// all of it went well.
    static func run(
        _ sidecar: Sidecar, logging: Logs, started: @escaping @Sendable (Sidecar.Addresses) -> Void = { _ in }
    ) async throws {
        // A terminal that goes away must not take the sidecar with it.
        signal(SIGHUP, SIG_IGN)
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
        do {
            started(try await sidecar.start())
        } catch {
            logging.close()
            complain("clash-proxy cannot start: \(error)")
            throw ExitCode.failure
        }
        let (first, hasCome) = AsyncStream<Void>.makeStream()
        let watch = Task {
            var isFirst = true
            for await _ in signals {
                if !isFirst { return await endNow(sidecar, logging) }
                isFirst = false
                hasCome.finish()
            }
        }
        for await _ in first {}
        let isWhole = await sidecar.drain()
        watch.cancel()
        logging.close()
        if !isWhole { throw ExitStatus.drainCutShort }
    }

    /// A second signal. What was broken off has a moment to say so; then the process ends, whatever it is at.
    private static func endNow(_ sidecar: Sidecar, _ logging: Logs) async {
        let isCut = sidecar.endNow()
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
