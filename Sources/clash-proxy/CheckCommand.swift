import ArgumentParser
import Audit
import Configuration
import Proxy

struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Validates the configuration and prints what is in effect, secrets hidden.")

    @OptionGroup var options: ConfigOptions

    func run() async throws {
        var loaded = try options.load()
        loaded.fit(.current())
        guard put(loaded.effectiveTOML()) else { throw ExitCode.failure }
        for warning in loaded.warnings { complain("warning: \(warning.description)") }
        guard loaded.refusals.isEmpty else {
            for refusal in loaded.refusals { complain(refusal.description) }
            throw ExitStatus.configuration
        }
        say(
            "ok: "
                + (loaded.fileName.map { "read \(PrintableText.escaped($0))" }
                    ?? "no file was found; defaults, environment and --set"))
    }
}
