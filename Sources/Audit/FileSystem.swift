// Every touch of the disk goes through this protocol, so that tests can fail it, tear it and lose what was not synced,
// at every step. The calls block; paths are as the configuration gave them.

import CAudit
import Glibc

/// An open file.
struct FileHandle: Sendable, Hashable {
    var descriptor: Int32
    /// As it was opened; for messages.
    var path: String
}

/// Which file it is, whatever its name.
struct FileIdentity: Sendable, Hashable {
    var device: UInt64
    var inode: UInt64
}

struct FileStatus: Sendable, Equatable {
    var identity: FileIdentity
    /// Bytes.
    var size: Int64
    /// The permission bits.
    var mode: UInt32
    var isFolder: Bool
}

enum FileAccess: Sendable {
    case read
    /// An existing file; what is written goes to its end.
    case append
    /// A new file, 0600, that must not exist yet; what is written goes to its end.
    case create
}

/// A call of the file system that failed.
struct FileFailure: Error, Sendable, Equatable, CustomStringConvertible {
    var operation: String
    var path: String
    /// `errno`.
    var code: Int32

    var isOutOfSpace: Bool { code == ENOSPC || code == EDQUOT || code == EFBIG }

    var description: String {
        let text = unsafe caudit_error_text(code).map { unsafe String(cString: $0) } ?? "error \(code)"
        return "\(operation) \(path): \(text)"
    }
}

protocol FileSystem: Sendable {
    /// Makes a folder, 0700; false if something of that name exists.
    func createFolder(_ path: String) throws(FileFailure) -> Bool
    /// Follows links; nil if nothing is there.
    func status(_ path: String) throws(FileFailure) -> FileStatus?
    func setMode(_ path: String, _ mode: UInt32) throws(FileFailure)
    /// Names in no order, without `.` and `..`.
    func list(_ folder: String) throws(FileFailure) -> [String]
    /// Makes creations and renames in the folder durable.
    func syncFolder(_ path: String) throws(FileFailure)
    func rename(_ path: String, to target: String) throws(FileFailure)
    func remove(_ path: String) throws(FileFailure)

    func open(_ path: String, _ access: FileAccess) throws(FileFailure) -> FileHandle
    func status(_ file: FileHandle) throws(FileFailure) -> FileStatus
    /// How many bytes were read; 0 at the end.
    func read(_ file: FileHandle, at offset: Int64, into buffer: UnsafeMutableRawBufferPointer) throws(FileFailure)
        -> Int
    /// How many bytes were written, at least one.
    func write(_ file: FileHandle, _ bytes: UnsafeRawBufferPointer) throws(FileFailure) -> Int
    /// `fdatasync`: what was written is durable, and the length that reading it needs.
    func sync(_ file: FileHandle) throws(FileFailure)
    func truncate(_ file: FileHandle, to size: Int64) throws(FileFailure)
    /// Sets blocks aside for `length` bytes from `offset` on, without changing the file's size.
    func reserve(_ file: FileHandle, from offset: Int64, length: Int64) throws(FileFailure)
    func close(_ file: FileHandle)
    /// Opens or makes a file and locks it for this process; EWOULDBLOCK if another has it. Held until closed.
    func lock(_ path: String) throws(FileFailure) -> FileHandle
}
