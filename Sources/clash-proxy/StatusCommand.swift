// `clash-proxy status`: how a running proxy stands, in a terminal.

import ArgumentParser
import Audit
import Glibc
import Ground

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Shows how a running proxy stands: budget, queue, token, cache, callers, deletes.",
        discussion: "Ends with 1 when the proxy cannot be asked. Colours on a terminal only, and not with NO_COLOR set."
    )

    @Flag(help: "Again every two seconds, until Ctrl-C.") var watch = false
    @Flag(help: "The document of /status.json, for scripts.") var json = false
    @OptionGroup var options: ConfigOptions

    func run() async throws {
        let operators = try Operators(options)
        let isTerminal = isatty(STDOUT_FILENO) == 1
        let colours = isTerminal && (ProcessEnvironment.variables()["NO_COLOR"] ?? "").isEmpty
        while true {
            let text = try await operators.ask("GET", "/status.json")
            guard let document = JSON(Array(text.utf8)), document["version"]?.string != nil else {
                complain("what answers there is no clash-proxy: check admin.address")
                throw ExitCode.failure
            }
            if json {
                say(PrintableText.json(text.oneLine))
            } else {
                // Home, and nothing below: the screen is written over, not scrolled.
                let clear = watch && isTerminal ? "\u{1B}[H\u{1B}[J" : ""
                draw(clear + StatusText(document, colours: colours).lines.map { $0 + "\n" }.joined())
            }
            guard watch else { return }
            try await Task.sleep(for: .seconds(2))
        }
    }
}
