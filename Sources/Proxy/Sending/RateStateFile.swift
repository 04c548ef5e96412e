// `rate.state_file`: upstream's pauses over a restart. Written beside and moved into place by a thread of its own, so that
// the call that learnt of a pause does not wait for the disk.

import Configuration
import Glibc
import Ground
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
            wallMilliseconds: { environment.wallTime().millisecondsSinceEpoch })
    }

    private func write(_ text: String) {
        pending.withLock { $0 = text }
        threads.submit { _ in
            self.writing.withLock { _ in
                guard let text = self.pending.withLock({ $0.take() }) else { return }
                if !self.replace(with: text) {
                    self.logger.warning("rate.state_file cannot be written", metadata: ["path": "\(self.path)"])
                }
            }
        }
    }

    /// Written under a name that nobody can guess and that must not exist yet, so that no link that lies there is
    /// followed; then moved into place, which replaces a link and not what it leads to.
    private func replace(with text: String) -> Bool {
        let new = "\(path).\(String(UInt64.random(in: .min ... .max), radix: 16)).new"
        let descriptor = open(new, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return false }
        let isWhole = write(Array(text.utf8), to: descriptor) && fsync(descriptor) == 0
        close(descriptor)
        guard isWhole, rename(new, path) == 0 else {
            unlink(new)
            return false
        }
        return syncFolder()
    }

    private func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { bytes in
                Glibc.write(descriptor, bytes.baseAddress?.advanced(by: done), bytes.count - done)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            done += count
        }
        return true
    }

    private func syncFolder() -> Bool {
        let slash = path.lastIndex(of: "/")
        let folder = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        // Some file systems cannot do that for folders and need not.
        return fsync(descriptor) == 0 || errno == EINVAL || errno == ENOTSUP
    }
}
