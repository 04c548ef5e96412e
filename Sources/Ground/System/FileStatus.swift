// What the kernel says of a file. Here, and not where it is asked for: in rooms that see another C library's modules beside
// glibc's, the order of the build decides whose the members of its structs are.

import Glibc

/// Of one file, at one moment.
package struct FileStatus: Equatable, Sendable {
    /// What lies there.
    package enum Kind: Sendable {
        /// A file, a socket, or anything else.
        case regular, socket, other
    }

    /// What it is.
    package let kind: Kind
    /// The nine bits of who may read, write and execute.
    package let permissions: UInt32
    /// With `inode` the file itself, whatever it is called.
    package let device: UInt64
    /// See `device`.
    package let inode: UInt64
    /// How many names it has.
    package let names: UInt64

    /// Nil where it cannot be asked for; `errno` says why.
    ///
    /// - Parameter followsLinks: false: a link is a link, `other`.
    package init?(path: String, followsLinks: Bool) {
        var status = stat()
        guard (followsLinks ? stat(path, &status) : lstat(path, &status)) == 0 else { return nil }
        self.init(status)
    }

    /// Of what is open.
    package init?(descriptor: CInt) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return nil }
        self.init(status)
    }

    private init(_ status: stat) {
        kind =
            switch status.st_mode & S_IFMT {
            case S_IFREG: .regular
            case S_IFSOCK: .socket
            default: .other
            }
        permissions = status.st_mode & 0o777
        (device, inode) = (UInt64(status.st_dev), UInt64(status.st_ino))
        names = UInt64(status.st_nlink)
    }
}
