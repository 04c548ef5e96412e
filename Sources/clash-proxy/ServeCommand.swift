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
        let (files, logger) = (ProcessLimits.apply(), logging.logger)
        let adjusted = try loaded.adjusted { try ProcessLimits.fit(&$0, files: files, logger: logger) }
        let config = adjusted.config
        var surroundings = Sidecar.Surroundings()
        surroundings.effective = adjusted.effectiveTOML()
        surroundings.commit = BuildVersion.commit
        surroundings.inherited = try Self.inheritedSockets(config)
        surroundings.reading = { [options] () throws(ConfigMistakes) in
            let loaded = try options.read()
            do {
                return try loaded.adjusted { try ProcessLimits.fit(&$0, files: files, logger: logger) }
            } catch {
                throw ConfigMistakes("the limit on open files (ulimit -n) is too low for it", remedy: "raise it")
            }
        }
        surroundings.logSettings = logging.settings
        // One way to end, whoever asks for it.
        surroundings.quit = { kill(getpid(), SIGTERM) }
        surroundings.manager = ServiceManager(ProcessEnvironment.variables())
        try await Supervisor.run(logging: logging) { [surroundings] in
            try await Sidecar(config, logger: logger, surroundings: surroundings)
        }
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
