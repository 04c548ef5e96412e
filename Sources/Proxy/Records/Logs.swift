// The application log of a process, made from the configuration.

import Configuration
import Glibc
import Logging

/// Where log lines go: standard error, by a thread of its own.
package struct Logs: Sendable {
    /// The process's logger.
    package let logger: Logger
    private let writer: LineWriter

    /// Starts the writer.
    package init(_ config: Config.Log, environment: Environment = .system) {
        let writer = LineWriter(descriptor: STDERR_FILENO)
        self.writer = writer
        logger = Logger(label: "clash-proxy") { label in
            LineLogHandler(
                format: config.format, writer: writer, environment: environment, logLevel: Logger.Level(config.level))
        }
    }

    /// Writes what is queued and ends the writer.
    package func close() { writer.close() }
}
