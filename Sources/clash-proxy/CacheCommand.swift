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
            let config = try options.load(only: ["admin.address", "listen.tls_certificate"])
            guard let address = config.admin.address else {
                complain("admin.address is empty: there is nobody to ask")
                throw ExitStatus.configuration
            }
            for request in requests {
                let answer: AdminClient.Answer
                do throws(AdminClient.Unreachable) {
                    answer = try await AdminClient.ask(
                        "POST", "/purge?" + request.form, at: address, certificate: config.listen.tlsCertificate,
                        key: ProcessEnvironment.adminKey)
                } catch {
                    complain(error.description)
                    throw ExitCode.failure
                }
                guard answer.status == 200 else {
                    complain(answer.body)
                    throw ExitCode.failure
                }
                say(answer.body.filter { $0 != "\n" })
            }
        }
    }
}
