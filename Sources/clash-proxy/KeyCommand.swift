import ArgumentParser
import Proxy

struct KeyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key", abstract: "Caller keys.", subcommands: [New.self])

    struct New: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "new", abstract: "Makes a caller key; prints it once, with the table for proxy.conf.")

        @Argument(help: "The caller's name, as it will stand in logs.")
        var name: String

        @Option(help: "Its rights, comma-separated: read, write, run, delete.")
        var allow = "read"

        func run() async throws {
            do throws(ConfigMistakes) {
                let key = try KeyGenerator.make(name: name, allow: allow)
                complain("The key of '\(name)'. It is shown this once and stored nowhere:\n")
                key.key.withValue { say($0) }
                complain("\nPaste into proxy.conf:\n")
                say(key.table)
            } catch {
                complain(error.description)
                throw ExitStatus.configuration
            }
        }
    }
}
