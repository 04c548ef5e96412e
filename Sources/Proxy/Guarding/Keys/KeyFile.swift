// The file that keeps idempotency keys over restarts: lines at its end, each durable before anybody goes on; made anew from
// what is still known when most of it is not. One process has it, under a lock of its own.

import Glibc
import Ground

/// An open file. Used by one thread at a time.
struct KeyFile: ~Copyable {
    /// What went wrong, for the log.
    struct Trouble: Error, CustomStringConvertible {
        let what: String
        let code: Int32

        init(_ what: String, code: Int32 = errno) { (self.what, self.code) = (what, code) }

        var description: String { "\(what): \(String(cString: strerror(code)))" }
    }

    static let name = "idempotency.jsonl"
    /// Above that it is not read: nobody makes one so large.
    private static let mostBytes: Int64 = 512 << 20

    private let folder: String
    private let lock: Int32
    private var descriptor: Int32
    /// Its length as far as it was written by whole lines.
    private(set) var size: Int64
    private var isTorn = false

    private var path: String { "\(folder)/\(Self.name)" }

    private init(folder: String, lock: Int32, descriptor: Int32, size: Int64) {
        (self.folder, self.lock, self.descriptor, self.size) = (folder, lock, descriptor, size)
    }

    /// Opens the file in this folder, or makes it, and reads it. No link is followed. What is no record is set aside.
    ///
    /// - Parameter read: is shown each record.
    static func open(
        in folder: String, notes: inout [String], read: (KeyBook.Record) -> Void
    ) throws(Trouble) -> KeyFile {
        let path = "\(folder)/\(name)"
        let lock = try open("\(folder)/idempotency.lock", O_RDWR | O_CREAT)
        var descriptor: Int32 = -1
        do throws(Trouble) {
            guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
                throw Trouble("lock \(folder)/idempotency.lock (another process has it)")
            }
            descriptor = try open(path, O_RDWR | O_CREAT | O_APPEND | O_NONBLOCK)
            let size = try load(descriptor, path, &notes, read)
            try syncFolder(folder)
            return KeyFile(folder: folder, lock: lock, descriptor: descriptor, size: size)
        } catch {
            if descriptor >= 0 { close(descriptor) }
            close(lock)
            throw error
        }
    }

    deinit {
        close(descriptor)
        close(lock)
    }

    /// Whether what has its name is this file: what is written to one that was removed, or moved away, is there for nobody.
    var isInPlace: Bool {
        guard let own = FileStatus(descriptor: descriptor), let named = FileStatus(path: path, followsLinks: false)
        else { return false }
        return named.kind == .regular && named.device == own.device && named.inode == own.inode
    }

    /// Writes lines; when this returns they are durable. After a failure the next call cuts off what was half written.
    mutating func append(_ bytes: [UInt8]) throws(Trouble) {
        if isTorn {
            guard ftruncate(descriptor, Int(size)) == 0 else { throw Trouble("truncate \(path)") }
            isTorn = false
        }
        isTorn = true
        try Self.write(bytes, descriptor, path)
        guard fdatasync(descriptor) == 0 else { throw Trouble("sync \(path)") }
        isTorn = false
        size += Int64(bytes.count)
    }

    /// Puts a file with these bytes in its place, whole or not at all.
    mutating func replace(with bytes: [UInt8]) throws(Trouble) {
        let new = "\(path).new"
        unlink(new)
        let descriptor = try Self.open(new, O_RDWR | O_CREAT | O_EXCL | O_APPEND)
        do throws(Trouble) {
            try Self.write(bytes, descriptor, new)
            guard fsync(descriptor) == 0 else { throw Trouble("sync \(new)") }
            guard rename(new, path) == 0 else { throw Trouble("rename \(new)") }
        } catch {
            close(descriptor)
            unlink(new)
            throw error
        }
        close(self.descriptor)
        (self.descriptor, size, isTorn) = (descriptor, Int64(bytes.count), false)
        try Self.syncFolder(folder)
    }

    // MARK: Reading

    /// Returns how many bytes of records the file has now.
    private static func load(
        _ descriptor: Int32, _ path: String, _ notes: inout [String], _ read: (KeyBook.Record) -> Void
    ) throws(Trouble) -> Int64 {
        guard let status = FileStatus(descriptor: descriptor), status.kind == .regular else {
            throw Trouble("read \(path), which is no plain file", code: EINVAL)
        }
        if status.permissions & 0o077 != 0 {
            guard fchmod(descriptor, 0o600) == 0 else { throw Trouble("chmod \(path)") }
            notes.append("\(name) was open to others; it is 0600 now")
        }
        let bytes = try contents(descriptor, path)
        var (start, end, bad) = (0, 0, 0)
        while let newline = bytes[start...].firstIndex(of: 0x0A) {
            if let record = KeyBook.Record(line: bytes[start..<newline]) {
                read(record)
                end = newline + 1
            } else {
                bad += 1
            }
            start = newline + 1
        }
        guard end < bytes.count else {
            if bad > 0 { notes.append("\(bad) lines of \(name) are no records and were passed over") }
            return Int64(bytes.count)
        }
        // What stands behind the last record is torn.
        let aside = try setAside(bytes[end...], path)
        guard ftruncate(descriptor, end) == 0, fdatasync(descriptor) == 0 else { throw Trouble("truncate \(path)") }
        notes.append("torn tail: \(bytes.count - end) bytes of \(name) are in \(aside)")
        return Int64(end)
    }

    private static func contents(_ descriptor: Int32, _ path: String) throws(Trouble) -> [UInt8] {
        let length = lseek(descriptor, 0, SEEK_END)
        guard length >= 0, length <= mostBytes else { throw Trouble("read \(path), which is too large", code: EFBIG) }
        var bytes = [UInt8](repeating: 0, count: Int(length))
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeMutableBytes { buffer in
                pread(descriptor, buffer.baseAddress?.advanced(by: done), buffer.count - done, done)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw Trouble("read \(path)") }
            done += count
        }
        return bytes
    }

    /// Returns the name of the file that it is in.
    private static func setAside(_ bytes: ArraySlice<UInt8>, _ path: String) throws(Trouble) -> String {
        for number in 1...1_000 {
            let aside = "\(path).torn-\(number)"
            let descriptor = Glibc.open(aside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
            if descriptor < 0, errno == EEXIST { continue }
            guard descriptor >= 0 else { throw Trouble("open \(aside)") }
            defer { close(descriptor) }
            try write(Array(bytes), descriptor, aside)
            guard fsync(descriptor) == 0 else { throw Trouble("sync \(aside)") }
            return "\(name).torn-\(number)"
        }
        throw Trouble("set the torn tail of \(path) aside", code: EEXIST)
    }

    // MARK: System calls

    private static func open(_ path: String, _ flags: Int32) throws(Trouble) -> Int32 {
        let descriptor = Glibc.open(path, flags | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Trouble("open \(path)") }
        return descriptor
    }

    private static func write(_ bytes: [UInt8], _ descriptor: Int32, _ path: String) throws(Trouble) {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                Glibc.write(descriptor, buffer.baseAddress?.advanced(by: done), buffer.count - done)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw Trouble("write \(path)") }
            done += count
        }
    }

    private static func syncFolder(_ path: String) throws(Trouble) {
        let descriptor = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Trouble("open \(path)") }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 || errno == EINVAL || errno == ENOTSUP else { throw Trouble("sync \(path)") }
    }
}
