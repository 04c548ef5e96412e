import ArgumentParser
import Configuration
import Glibc
import Logging
import Proxy

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Runs the sidecar until SIGTERM or Ctrl-C.")

    @OptionGroup var options: ConfigOptions

    func run() async throws {
        let loaded = try options.loadToServe()
        let logging = Logs(loaded.config.log)
        for warning in loaded.warnings { logging.logger.warning("\(warning.description)") }
        for path in loaded.formerPaths where access(path.former, F_OK) == 0 && access(path.now, F_OK) != 0 {
            logging.logger.warning(
                "relative paths start at the folder of the file now: what an earlier release kept is not there; move it",
                metadata: ["key": "\(path.key)", "from": "\(path.former)", "to": "\(path.now)"])
        }
        logging.logger.notice("configuration taken", metadata: ["file": "\(loaded.fileName ?? "none, the defaults")"])
        var config = loaded.config
        try ProcessLimits.fit(&config, files: ProcessLimits.apply(), logger: logging.logger)
        let inherited = try Self.inheritedSockets(config)
        let sidecar: Sidecar
        do {
            sidecar = try await Sidecar(config, logger: logging.logger, inherited: inherited)
        } catch {
            complain("clash-proxy cannot start: \(error)")
            throw ExitCode.failure
        }
        try await Supervisor.run(sidecar, logging: logging)
    }

    private static func inheritedSockets(_ config: Config) throws -> InheritedSockets {
        do throws(ConfigMistakes) {
            return try InheritedSockets(ProcessEnvironment.variables(), config)
        } catch {
            complain(error.description)
            throw ExitStatus.configuration
        }
    }
}
