// The command line. Wiring only: every command reads its options, calls one thing and turns errors into exit codes.

import ArgumentParser
import Glibc

@main
enum Main {
    /// Runs the command; wrong usage ends with 1, as every failure but those that `ExitStatus` names.
    static func main() async {
        do {
            var command = try ClashProxy.parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch {
            guard ClashProxy.exitCode(for: error) == .validationFailure else { ClashProxy.exit(withError: error) }
            complain(ClashProxy.fullMessage(for: error))
            exit(ExitCode.failure.rawValue)
        }
    }
}

struct ClashProxy: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "clash-proxy",
        abstract: "A sidecar between your tools and Bentley's clash-detection API.",
        discussion: "Without a subcommand it serves.",
        version: "clash-proxy 0.1.0",
        subcommands: [
            ServeCommand.self, CheckCommand.self, LoginCommand.self, DemoCommand.self, SimulateCommand.self,
            KeyCommand.self, CacheCommand.self, HealthCommand.self, AuditCommand.self,
        ],
        defaultSubcommand: ServeCommand.self
    )
}

/// Exit codes that scripts and process supervisors rely on.
enum ExitStatus {
    /// The configuration is wrong (EX_CONFIG of sysexits.h).
    static let configuration = ExitCode(78)
    /// The drain was cut short (EX_TEMPFAIL of sysexits.h).
    static let drainCutShort = ExitCode(75)
}

/// Writes a line to standard error.
func complain(_ text: String) { write(text + "\n", to: STDERR_FILENO) }

/// Writes a line to standard output at once, also into a pipe.
func say(_ text: String) { write(text + "\n", to: STDOUT_FILENO) }

/// Writes text to standard output; false when its reader is gone.
func put(_ text: String) -> Bool { write(text, to: STDOUT_FILENO) }

@discardableResult
private func write(_ text: String, to descriptor: Int32) -> Bool {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
        let written = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        if written > 0 { rest = rest.dropFirst(written) } else if errno != EINTR { return false }
    }
    return true
}
