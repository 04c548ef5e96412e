import ArgumentParser
import Configuration
import Proxy

struct KeyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key", abstract: "Caller keys.", subcommands: [New.self])

    struct New: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "new", abstract: "Makes a caller key; prints it once, with the table for proxy.conf.")

        @Argument(help: "The caller's name, as it will stand in logs.")
        var name: String

        @Option(help: "Its rights, comma-separated: read, write, run, delete, approve.")
        var allow = "read"

        @Option(help: "The iTwins it may touch, comma-separated; without it: all.")
        var itwins: String?

        @Option(help: "The operations it may call, comma-separated, such as v2.reports.*; without it: all.")
        var operations: String?

        func run() async throws {
            let key = try make()
            let text = key.key.withValue { secret in
                """
                # The key of '\(name.printable)'. It is shown this once and stored nowhere; tools read it as CLASH_KEY:
                \(secret)

                # Paste into proxy.conf:
                \(key.table)
                """
            }
            guard put(text + "\n") else {
                complain("the key could not be written to standard output and is lost; make another")
                throw ExitCode.failure
            }
        }

        private func make() throws -> KeyGenerator.NewKey {
            do throws(ConfigMistakes) {
                return try KeyGenerator.make(
                    name: name, allow: allow, itwins: itwins, operations: operations)
            } catch {
                complain(error.description)
                throw ExitStatus.commandLine
            }
        }
    }
}
