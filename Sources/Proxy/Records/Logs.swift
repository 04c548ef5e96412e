// The application log of a process, made from the configuration.

import Configuration
import Glibc
import Logging
import Synchronization

/// How the application log is written, which a reload can change. Usable from every thread.
package final class LogSettings: Sendable {
    private let settings: Mutex<(level: Logger.Level, format: LogFormat)>

    init(_ config: Config.Log) { settings = Mutex((Logger.Level(config.level), config.format)) }

    var level: Logger.Level { settings.withLock { $0.level } }
    var format: LogFormat { settings.withLock { $0.format } }

    /// Whether less would be told.
    func isQuieter(_ config: Config.Log) -> Bool { Logger.Level(config.level) > level }

    func change(to config: Config.Log) { settings.withLock { $0 = (Logger.Level(config.level), config.format) } }
}

/// Where log lines go: standard error, by a thread of its own.
package struct Logs: Sendable {
    /// The process's logger.
    package let logger: Logger
    /// Changed by a reload.
    package let settings: LogSettings
    private let writer: LineWriter

    /// Starts the writer.
    package init(_ config: Config.Log, environment: Environment = .system) {
        let writer = LineWriter(descriptor: STDERR_FILENO)
        let settings = LogSettings(config)
        (self.writer, self.settings) = (writer, settings)
        logger = Logger(label: "clash-proxy") { label in
            LineLogHandler(settings: settings, writer: writer, environment: environment)
        }
    }

    /// Writes what is queued and ends the writer.
    package func close() { writer.close() }
}
