import ArgumentParser
import Configuration
import Proxy

struct HealthCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "health", abstract: "Asks a running proxy whether it is ready; exit code 0 when it is.")

    @OptionGroup var options: ConfigOptions

    func run() async throws {
        guard let address = try options.load(only: ["admin.address"]).admin.address else {
            complain("admin.address is empty: there is nobody to ask")
            throw ExitStatus.configuration
        }
        let answer = await HealthCheck.ask(address, key: ProcessEnvironment.adminKey)
        guard answer.isReady else {
            complain(answer.text)
            throw ExitCode.failure
        }
        say(answer.text)
    }
}
