// The machine's own file system. Descriptors are closed on exec; interrupted calls are made again, except close.

import CAudit
import Glibc

struct PosixFileSystem: FileSystem {
    func createFolder(_ path: String) throws(FileFailure) -> Bool {
        if unsafe mkdir(path, 0o700) == 0 { return true }
        if errno == EEXIST { return false }
        throw failure("create folder", path)
    }

    func status(_ path: String) throws(FileFailure) -> FileStatus? {
        var result = stat()
        if unsafe stat(path, &result) == 0 { return FileStatus(result) }
        if errno == ENOENT || errno == ENOTDIR { return nil }
        throw failure("stat", path)
    }

    func setMode(_ path: String, _ mode: UInt32) throws(FileFailure) {
        guard unsafe chmod(path, mode) == 0 else { throw failure("chmod", path) }
    }

    func list(_ folder: String) throws(FileFailure) -> [String] {
        guard let stream = unsafe opendir(folder) else { throw failure("list", folder) }
        defer { unsafe closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = unsafe readdir(stream) else { break }
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
                unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        guard errno == 0 else { throw failure("list", folder) }
        return names
    }

    func syncFolder(_ path: String) throws(FileFailure) {
        let descriptor = unsafe Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("open", path) }
        defer { Glibc.close(descriptor) }
        guard fsync(descriptor) == 0 else { throw failure("sync", path) }
    }

    func rename(_ path: String, to target: String) throws(FileFailure) {
        guard unsafe Glibc.rename(path, target) == 0 else { throw failure("rename", path) }
    }

    func remove(_ path: String) throws(FileFailure) {
        guard unsafe unlink(path) == 0 else { throw failure("remove", path) }
    }

    func open(_ path: String, _ access: FileAccess) throws(FileFailure) -> FileHandle {
        let flags =
            switch access {
            // A pipe in the place of a file is an error at its first read, and not waited for.
            case .read: O_RDONLY | O_NONBLOCK
            case .append: O_RDWR | O_APPEND | O_NOFOLLOW
            case .create: O_RDWR | O_APPEND | O_NOFOLLOW | O_CREAT | O_EXCL
            }
        let descriptor = retrying { unsafe Int(Glibc.open(path, flags | O_CLOEXEC, 0o600)) }
        guard descriptor >= 0 else { throw failure("open", path) }
        // Whoever writes to a file of the log has it to himself, also where somebody has removed the lock file.
        guard access == .read || retrying({ Int(flock(Int32(descriptor), LOCK_EX | LOCK_NB)) }) == 0 else {
            let failure = failure("lock", path)
            Glibc.close(Int32(descriptor))
            throw failure
        }
        return FileHandle(descriptor: Int32(descriptor), path: path)
    }

    func status(_ file: FileHandle) throws(FileFailure) -> FileStatus {
        var result = stat()
        guard unsafe fstat(file.descriptor, &result) == 0 else { throw failure("stat", file.path) }
        return FileStatus(result)
    }

    func read(_ file: FileHandle, at offset: Int64, into buffer: UnsafeMutableRawBufferPointer) throws(FileFailure)
        -> Int
    {
        let count = retrying { unsafe pread(file.descriptor, buffer.baseAddress, buffer.count, Int(offset)) }
        guard count >= 0 else { throw failure("read", file.path) }
        return count
    }

    func write(_ file: FileHandle, _ bytes: UnsafeRawBufferPointer) throws(FileFailure) -> Int {
        let count = retrying { unsafe Glibc.write(file.descriptor, bytes.baseAddress, bytes.count) }
        guard count >= 0 else { throw failure("write", file.path) }
        return count
    }

    func sync(_ file: FileHandle) throws(FileFailure) {
        // Not made again after an error: the kernel drops the pages it could not write and would then say yes.
        guard fdatasync(file.descriptor) == 0 else { throw failure("sync", file.path) }
    }

    func truncate(_ file: FileHandle, to size: Int64) throws(FileFailure) {
        guard retrying({ Int(ftruncate(file.descriptor, Int(size))) }) == 0 else {
            throw failure("truncate", file.path)
        }
    }

    func reserve(_ file: FileHandle, from offset: Int64, length: Int64) throws(FileFailure) {
        guard retrying({ Int(caudit_reserve(file.descriptor, offset, length)) }) == 0 else {
            throw failure("reserve space in", file.path)
        }
    }

    func close(_ file: FileHandle) {
        Glibc.close(file.descriptor)
    }

    func lock(_ path: String) throws(FileFailure) -> FileHandle {
        let flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC
        let descriptor = retrying { unsafe Int(Glibc.open(path, flags, 0o600)) }
        guard descriptor >= 0 else { throw failure("open", path) }
        guard retrying({ Int(flock(Int32(descriptor), LOCK_EX | LOCK_NB)) }) == 0 else {
            let failure = failure("lock", path)
            Glibc.close(Int32(descriptor))
            throw failure
        }
        return FileHandle(descriptor: Int32(descriptor), path: path)
    }

    private func failure(_ operation: String, _ path: String) -> FileFailure {
        FileFailure(operation: operation, path: path, code: errno)
    }

    private func retrying(_ call: () -> Int) -> Int {
        while true {
            let result = call()
            if result >= 0 || errno != EINTR { return result }
        }
    }
}

extension FileStatus {
    init(_ result: stat) {
        identity = FileIdentity(device: UInt64(result.st_dev), inode: UInt64(result.st_ino))
        size = Int64(result.st_size)
        mode = UInt32(result.st_mode) & 0o7777
        isFolder = result.st_mode & S_IFMT == S_IFDIR
    }
}
