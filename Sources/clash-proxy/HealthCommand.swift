import ArgumentParser
import Configuration
import Proxy

struct HealthCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "health", abstract: "Asks a running proxy whether it is ready; exit code 0 when it is.")

    @OptionGroup var options: ConfigOptions

    func run() async throws {
        let operators = try Operators(options)
        let answer = await HealthCheck.ask(
            operators.address, certificate: operators.certificate, key: ProcessEnvironment.adminKey)
        guard answer.isReady else {
            complain(answer.text)
            throw ExitCode.failure
        }
        say(answer.text)
    }
}
