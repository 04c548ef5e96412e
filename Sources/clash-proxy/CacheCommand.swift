// `clash-proxy cache purge`: drops stored answers of a running proxy.

import ArgumentParser
import Configuration
import Proxy

struct CacheCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cache", abstract: "Acts on the cache of a running proxy.", subcommands: [Purge.self])

    struct Purge: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "purge",
            abstract: "Drops stored answers, through the admin listener.",
            discussion: """
                For changes that were made elsewhere, past this proxy: what goes through it is purged by itself.
                Tags are such as report:ID, run:ID, test:ID, rule:ID, repository:ID, list:reports or list:tests.
                """)

        @Flag(help: "Everything.") var all = false
        @Option(help: "Everything of the iTwin (v1: project) with this id.") var itwin: String?
        @Option(help: "Everything with this tag.") var tag: String?
        @OptionGroup var options: ConfigOptions

        private var requests: [PurgeRequest] {
            (all ? [.all] : []) + (itwin.map { [.itwin($0)] } ?? []) + (tag.map { [.tag($0)] } ?? [])
        }

        func validate() throws {
            guard requests.count == 1, itwin != "", tag != "" else {
                throw ValidationError("Say one of --all, --itwin ID and --tag TAG.")
            }
        }

        func run() async throws {
            let operators = try Operators(options)
            for request in requests {
                say(try await operators.ask("POST", "/purge?" + request.form).filter { $0 != "\n" })
            }
        }
    }
}
