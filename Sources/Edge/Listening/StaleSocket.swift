// A unix socket's file outlives a killed process. It may only be removed when nobody answers on it.

import Glibc
import NIOCore

enum StaleSocket {
    /// Whether the file at `path` is a socket that nobody listens on. Throws `EADDRINUSE` when somebody does, or when
    /// it is no socket at all: such a file is never removed.
    static func mayBeRemoved(_ path: String) throws -> Bool {
        var info = stat()
        guard lstat(path, &info) == 0 else { return false }
        guard info.st_mode & S_IFMT == S_IFSOCK, !isAnswered(path) else { throw InUse(path: path) }
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
        // Throws when the path is too long.
        _ = try SocketAddress(unixDomainSocketPath: path)
        if try mayBeRemoved(path) { unlink(path) }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw IOError(errnoCode: errno, reason: "socket") }
        guard withAddress(path, { Glibc.bind(descriptor, $0, $1) }) == 0 else {
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
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return true }
        defer { Glibc.close(descriptor) }
        return withAddress(path) { Glibc.connect(descriptor, $0, $1) } == 0
    }

    private static func withAddress(_ path: String, _ call: (UnsafePointer<sockaddr>, socklen_t) -> CInt) -> CInt {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let capacity = MemoryLayout.size(ofValue: address.sun_path) - 1
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix(capacity)) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                call($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}

/// The file of a unix socket that was bound here. Somebody may have put another in its place since.
struct SocketFile: Sendable {
    private let path: String
    private let identity: Identity?

    private struct Identity: Equatable {
        let device: dev_t
        let inode: ino_t

        init?(_ path: String) {
            var info = stat()
            guard lstat(path, &info) == 0, info.st_mode & S_IFMT == S_IFSOCK else { return nil }
            (device, inode) = (info.st_dev, info.st_ino)
        }
    }

    /// To be made as soon as it is bound.
    init(_ path: String) {
        self.path = path
        identity = Identity(path)
    }

    /// Removes it if it is still the one that was bound.
    func remove() {
        guard let identity, identity == Identity(path) else { return }
        unlink(path)
    }
}
