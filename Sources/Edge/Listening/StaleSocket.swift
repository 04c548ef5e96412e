// A unix socket's file outlives a killed process. It may only be removed when nobody answers on it.

import Glibc
import Ground
import NIOCore

enum StaleSocket {
    /// Whether the file at `path` is a socket that nobody listens on. Throws `EADDRINUSE` when somebody does, or when
    /// it is no socket at all: such a file is never removed.
    static func mayBeRemoved(_ path: String) throws -> Bool {
        guard let file = FileStatus(path: path, followsLinks: false) else { return false }
        guard file.kind == .socket, !isAnswered(path) else { throw InUse(path: path) }
        return true
    }

    struct InUse: Error, CustomStringConvertible {
        let path: String
        var description: String { "\(path) exists and is in use, or is not a socket; remove it or choose another path" }
    }

    /// A socket that is bound to `path`, in the place of a stale one. One that NIO binds removes at its end whatever lies
    /// at the path then.
    ///
    /// - Parameter mode: its permission bits; nil: what the umask gives.
    static func bind(_ path: String, mode: UInt32? = nil) throws -> CInt {
        guard let address = UnixAddress(path: path) else {
            throw IOError(errnoCode: ENAMETOOLONG, reason: "the path of a socket")
        }
        if try mayBeRemoved(path) { unlink(path) }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw IOError(errnoCode: errno, reason: "socket") }
        guard address.withAddress({ Glibc.bind(descriptor, $0, $1) }) == 0 else {
            let code = errno
            Glibc.close(descriptor)
            throw IOError(errnoCode: code, reason: "bind")
        }
        // Nobody can connect before it listens.
        if let mode, chmod(path, mode) != 0 {
            let code = errno
            Glibc.close(descriptor)
            unlink(path)
            throw IOError(errnoCode: code, reason: "chmod")
        }
        return descriptor
    }

    private static func isAnswered(_ path: String) -> Bool {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0, let address = UnixAddress(path: path) else { return true }
        defer { Glibc.close(descriptor) }
        return address.withAddress { Glibc.connect(descriptor, $0, $1) } == 0
    }
}

/// The file of a unix socket that was bound here. Somebody may have put another in its place since.
struct SocketFile: Sendable {
    private let path: String
    private let identity: FileStatus?

    /// To be made as soon as it is bound.
    init(_ path: String) {
        self.path = path
        identity = Self.identity(path)
    }

    /// Removes it if it is still the one that was bound.
    func remove() {
        guard let identity, identity == Self.identity(path) else { return }
        unlink(path)
    }

    private static func identity(_ path: String) -> FileStatus? {
        FileStatus(path: path, followsLinks: false).flatMap { $0.kind == .socket ? $0 : nil }
    }
}
