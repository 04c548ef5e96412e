import ArgumentParser
import Configuration
import Proxy

struct HealthCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "health", abstract: "Asks a running proxy whether it is ready; exit code 0 when it is.")

    @OptionGroup var options: ConfigOptions

    func run() async throws {
        let config = try options.load(only: ["admin.address", "listen.tls_certificate"])
        guard let address = config.admin.address else {
            complain("admin.address is empty: there is nobody to ask")
            throw ExitStatus.configuration
        }
        let answer = await HealthCheck.ask(
            address, certificate: config.listen.tlsCertificate, key: ProcessEnvironment.adminKey)
        guard answer.isReady else {
            complain(answer.text)
            throw ExitCode.failure
        }
        say(answer.text)
    }
}
