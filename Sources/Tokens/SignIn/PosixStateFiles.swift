// The machine's own files. Descriptors are closed on exec; interrupted calls are made again, except close.

import Glibc

struct PosixStateFiles: StateFiles {
    private static let largest = 256 * 1024

    var user: UInt32 { geteuid() }

    func read(_ path: String) throws(StateTrouble) -> StateFileContent? {
        // Not blocking, for the case that it is a pipe.
        let descriptor = retrying { open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) }
        guard descriptor >= 0 else {
            switch errno {
            case ENOENT: return nil
            case ELOOP: return StateFileContent(kind: .link, owner: user, mode: 0o600, bytes: [])
            default: throw trouble("open", path)
            }
        }
        defer { Glibc.close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw trouble("stat", path) }
        let isFile = status.st_mode & S_IFMT == S_IFREG
        return StateFileContent(
            kind: isFile ? .file : .other, owner: status.st_uid, mode: UInt32(status.st_mode) & 0o7777,
            bytes: isFile ? try content(descriptor, path) : [])
    }

    private func content(_ descriptor: Int32, _ path: String) throws(StateTrouble) -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16 * 1024)
        while true {
            let count = retrying { Glibc.read(descriptor, &chunk, chunk.count) }
            guard count >= 0 else { throw trouble("read", path) }
            if count == 0 { return bytes }
            bytes += chunk[..<count]
            guard bytes.count <= Self.largest else {
                throw StateTrouble(message: "\(path) is larger than any sign-in", isReplaceable: true)
            }
        }
    }

    func create(_ path: String) throws(StateTrouble) -> StateFileHandle {
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
        let descriptor = retrying { open(path, flags, 0o600) }
        guard descriptor >= 0 else { throw trouble("create", path) }
        return StateFileHandle(descriptor: descriptor, path: path)
    }

    func write(_ bytes: [UInt8], to file: StateFileHandle) throws(StateTrouble) {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { bytes in
                retrying { pwrite(file.descriptor, bytes.baseAddress?.advanced(by: done), bytes.count - done, done) }
            }
            guard count > 0 else { throw trouble("write", file.path) }
            done += count
        }
        guard retrying({ ftruncate(file.descriptor, bytes.count) }) == 0 else { throw trouble("truncate", file.path) }
    }

    func sync(_ file: StateFileHandle) throws(StateTrouble) {
        // Not made again after an error: the kernel drops the pages it could not write and would then say yes.
        guard fsync(file.descriptor) == 0 else { throw trouble("sync", file.path) }
    }

    func close(_ file: StateFileHandle) {
        Glibc.close(file.descriptor)
    }

    func rename(_ path: String, to target: String) throws(StateTrouble) {
        guard Glibc.rename(path, target) == 0 else { throw trouble("rename", path) }
    }

    func syncFolder(_ path: String) throws(StateTrouble) {
        let descriptor = retrying { open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        guard descriptor >= 0 else { throw trouble("open", path) }
        defer { Glibc.close(descriptor) }
        // Some file systems cannot do that for folders and need not.
        guard fsync(descriptor) == 0 || errno == EINVAL || errno == ENOTSUP else { throw trouble("sync", path) }
    }

    func remove(_ path: String) throws(StateTrouble) {
        guard unlink(path) == 0 || errno == ENOENT else { throw trouble("remove", path) }
    }

    func lock(_ path: String) throws(StateTrouble) -> StateFileHandle? {
        let descriptor = retrying { open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o600) }
        guard descriptor >= 0 else { throw trouble("open", path) }
        guard retrying({ flock(descriptor, LOCK_EX | LOCK_NB) }) == 0 else {
            let isTaken = errno == EWOULDBLOCK
            let failure = trouble("lock", path)
            Glibc.close(descriptor)
            if isTaken { return nil }
            throw failure
        }
        return StateFileHandle(descriptor: descriptor, path: path)
    }

    private func trouble(_ operation: String, _ path: String) -> StateTrouble {
        let remedy =
            switch errno {
            case EACCES, EPERM:
                "; its folder must belong to the user of this process (uid \(user)), for files are made beside it: "
                    + "`chown \(user)` it, or name another in token.state_file"
            case EROFS: "; name a file in a folder that can be written in token.state_file, such as a volume"
            case ENOENT, ENOTDIR: "; make its folder, or name another in token.state_file"
            default: ""
            }
        // Safe on any thread since glibc 2.32.
        return StateTrouble(message: "cannot \(operation) \(path): \(String(cString: strerror(errno)))\(remedy)")
    }

    private func retrying<Result: SignedInteger>(_ call: () -> Result) -> Result {
        while true {
            let result = call()
            if result >= 0 || errno != EINTR { return result }
        }
    }
}
