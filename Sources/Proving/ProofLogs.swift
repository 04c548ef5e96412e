// What the proxy under proof writes, and where: a folder that goes with the proof, and lines in memory.

import Glibc
import Ground
import Logging
import Synchronization

extension PrivateFolder {
    /// What a file holds; empty where it cannot be read.
    static func text(of path: String) -> String {
        guard let file = fopen(path, "re") else { return "" }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while case let count = fread(&chunk, 1, chunk.count, file), count > 0 { bytes += chunk[..<count] }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// The application log in memory, at every level. Usable from every thread.
final class ProofLog: Sendable {
    private let lines = Mutex("")

    var text: String { lines.withLock { $0 } }

    var logger: Logger { Logger(label: "prove") { _ in Handler(log: self) } }

    private struct Handler: LogHandler {
        let log: ProofLog
        var logLevel = Logger.Level.trace
        var metadata: Logger.Metadata = [:]

        init(log: ProofLog) { self.log = log }

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let line = "\(event.level) \(event.message) \(event.metadata ?? [:])\n"
            log.lines.withLock { $0 += line }
        }
    }
}
