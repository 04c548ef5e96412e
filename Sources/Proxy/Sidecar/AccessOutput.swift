// Where the access log goes. Its thread begins with the first configuration that wants one.

import Configuration
import Synchronization

/// Usable from every thread.
final class AccessOutput: Sendable {
    private let descriptor: Int32
    private let writer = Mutex<LineWriter?>(nil)

    init(descriptor: Int32) { self.descriptor = descriptor }

    /// The access log as a configuration wants it; nil where it wants none.
    func log(_ config: Config.Log) -> AccessLog? {
        guard config.access else { return nil }
        let writer = writer.withLock { writer in
            let there = writer ?? LineWriter(descriptor: descriptor)
            writer = there
            return there
        }
        return AccessLog(format: config.format, writer: writer)
    }

    /// Writes what is queued. Nothing may be logged any more.
    func close() { writer.withLock { $0 }?.close() }
}
