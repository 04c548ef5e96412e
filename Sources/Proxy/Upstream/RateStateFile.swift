// `rate.state_file`: upstream's pauses over a restart. Written beside and moved into place by a thread of its own, so that
// the call that learnt of a pause does not wait for the disk.

import Glibc
import Logging
import NIOPosix
import RateLimiting
import Synchronization

/// Usable from every thread.
final class RateStateFile: Sendable {
    private let path: String
    private let logger: Logger
    private let threads = NIOThreadPool.singleton
    /// The newest text that is not written yet.
    private let pending = Mutex<String?>(nil)
    /// Held while writing: the newest text wins.
    private let writing = Mutex(())

    init(path: String, logger: Logger) {
        self.path = path
        self.logger = logger
    }

    /// As the gate takes it.
    func file(_ environment: Environment) -> GateStateFile {
        GateStateFile(
            read: { [path] in try? TextFile.read(path) + "\n" },
            write: { self.write($0) },
            wallMilliseconds: {
                let time = environment.wallTime()
                return time.seconds * 1_000 + Int64(time.nanoseconds) / 1_000_000
            })
    }

    private func write(_ text: String) {
        pending.withLock { $0 = text }
        threads.submit { _ in
            self.writing.withLock { _ in
                guard let text = self.pending.withLock({ $0.take() }) else { return }
                if !self.replace(with: text) {
                    self.logger.warning("rate.state_file can not be written", metadata: ["path": "\(self.path)"])
                }
            }
        }
    }

    private func replace(with text: String) -> Bool {
        let new = path + ".new"
        let descriptor = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return false }
        let bytes = Array(text.utf8)
        let written = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        let isWhole = written == bytes.count && fsync(descriptor) == 0
        close(descriptor)
        return isWhole && rename(new, path) == 0
    }
}
