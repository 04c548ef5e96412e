// The command line. Wiring only: every command reads its options, calls one thing and turns errors into exit codes.

import ArgumentParser
import Audit
import CArguments
import Configuration
import Glibc
import Proxy

@main
enum Main {
    /// Runs the command. Exit codes: see `ExitStatus`; everything else that fails ends with 1.
    static func main() async {
        // As early as can be: whoever asks for a reload just after the start must not end the process by it.
        // A handler, as what is ignored would not reach `Supervisor` either.
        let onHangUp = signal(SIGHUP) { _ in }
        StandardStreams.fill()
        guard let arguments = ProcessArguments.all() else {
            complain("clash-proxy was given no list of arguments, not even its own name, so it cannot know what to do")
            exit(ExitCode.failure.rawValue)
        }
        if let unknown = UnknownCommand.message(arguments, below: ClashProxy.self) {
            complain(unknown)
            exit(ExitStatus.commandLine.rawValue)
        }
        do {
            var command = try ClashProxy.parseAsRoot(arguments)
            // To the others a terminal that goes away is the end.
            if !(command is ServeCommand) { signal(SIGHUP, onHangUp) }
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch {
            let text = ClashProxy.fullMessage(for: error)
            let code = ClashProxy.exitCode(for: error)
            if !text.isEmpty { code.isSuccess ? say(text) : complain(text) }
            exit(code.rawValue)
        }
    }
}

/// Descriptors 0 to 2 that were closed when the process began.
enum StandardStreams {
    /// Makes them lead nowhere, before a socket or the audit log takes their numbers and gets what is meant for them.
    static func fill() {
        for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
            // Takes the lowest number that is free.
            _ = open("/dev/null", O_RDWR)
        }
    }
}

/// The arguments as the kernel gave them, not as Swift finds them again.
enum ProcessArguments {
    /// Without the program's name; nil when the process was given none at all.
    static func all() -> [String]? {
        guard carguments_count() > 0 else { return nil }
        return (1..<max(1, carguments_count())).compactMap { carguments_at($0).map { String(cString: $0) } }
    }
}

/// A first word that names no command. Without this it would be an argument too many of `serve`, and its `--help` that
/// of another command.
enum UnknownCommand {
    /// What to say about it; nil when there is none.
    static func message(
        _ arguments: [String], below command: any ParsableCommand.Type, path: String = "clash-proxy"
    ) -> String? {
        let commands = command.configuration.subcommands
        guard let word = arguments.first, !word.hasPrefix("-"), !commands.isEmpty else { return nil }
        if word == "help" { return message(Array(arguments.dropFirst()), below: command, path: path) }
        if let next = commands.first(where: { $0._commandName == word }) {
            return message(Array(arguments.dropFirst()), below: next, path: "\(path) \(word)")
        }
        let names = commands.map { $0._commandName }
        let help = Words.nearest(to: word, among: names).map { "did you mean \($0)?" }
        return "\(path): there is no command '\(word.printable)'; "
            + (help ?? "there are \(names.joined(separator: ", "))")
    }
}

struct ClashProxy: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "clash-proxy",
        abstract: "A sidecar between your tools and Bentley's clash-detection API.",
        discussion: "Without a subcommand it serves.",
        version: BuildVersion.text,
        subcommands: [
            ServeCommand.self, CheckCommand.self, LoginCommand.self, DemoCommand.self, SimulateCommand.self,
            KeyCommand.self, StatusCommand.self, ExplainCommand.self, ProveCommand.self, CacheCommand.self,
            FleetCommand.self,
            HealthCommand.self,
            AuditCommand.self, ApprovalsCommand.self,
        ],
        defaultSubcommand: ServeCommand.self
    )
}

/// Exit codes that scripts and process supervisors rely on.
enum ExitStatus {
    /// The configuration is wrong (EX_CONFIG of sysexits.h).
    static let configuration = ExitCode(78)
    /// The command line is wrong (EX_USAGE of sysexits.h); the argument parser's own code for it.
    static let commandLine = ExitCode(64)
    /// The drain was cut short (EX_TEMPFAIL of sysexits.h).
    static let drainCutShort = ExitCode(75)
}

/// Writes a line to standard error.
func complain(_ text: String) { write(text + "\n", to: STDERR_FILENO) }

/// Writes a line to standard output at once, also into a pipe.
func say(_ text: String) { write(text + "\n", to: STDOUT_FILENO) }

/// Writes text to standard output; false when its reader is gone.
func put(_ text: String) -> Bool { write(text, to: STDOUT_FILENO) }

/// Writes lines of our own making, colours included, to standard output: what comes from outside in them was escaped before.
func draw(_ text: String) { writeAll(text, to: STDOUT_FILENO) }

/// The one way to a terminal. Names come from files, arguments and tools, so what it would obey or reorder is escaped.
@discardableResult
private func write(_ text: String, to descriptor: Int32) -> Bool {
    writeAll(PrintableText.lines(text), to: descriptor)
}

@discardableResult
private func writeAll(_ text: String, to descriptor: Int32) -> Bool {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
        let written = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        if written > 0 { rest = rest.dropFirst(written) } else if errno != EINTR { return false }
    }
    return true
}
