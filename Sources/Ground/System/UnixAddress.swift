// Addresses of unix sockets (unix(7)): a path, or a name in the abstract namespace.

import Glibc

/// An address that can be bound, connected or sent to.
package struct UnixAddress: Sendable {
    private let address: sockaddr_un
    private let length: socklen_t

    /// A path is at most so many bytes long.
    package static let maxPathBytes = MemoryLayout<sockaddr_un>.size - MemoryLayout<sa_family_t>.size - 1

    /// Nil where the path is empty or too long.
    package init?(path: String) {
        guard !path.isEmpty, path.utf8.count <= Self.maxPathBytes else { return nil }
        self.init(Array(path.utf8) + [0])
    }

    /// - Parameter name: an absolute path, or `@` and a name in the abstract namespace, as `NOTIFY_SOCKET` has it. Nil where
    ///   it is neither, or too long.
    package init?(pathOrAbstract name: String) {
        let bytes = Array(name.utf8)
        guard bytes.count > 1, bytes.count <= Self.maxPathBytes else { return nil }
        // Of an abstract name the length counts, of a path its end.
        switch bytes[0] {
        case UInt8(ascii: "/"): self.init(bytes + [0])
        case UInt8(ascii: "@"): self.init([0] + bytes.dropFirst())
        default: return nil
        }
    }

    private init(_ bytes: [UInt8]) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        self.address = address
        length = socklen_t(MemoryLayout<sockaddr_un>.size - MemoryLayout.size(ofValue: address.sun_path) + bytes.count)
    }

    /// The path that a socket is bound to; empty where there is none.
    package static func path(of address: sockaddr_un) -> String {
        let path = withUnsafeBytes(of: address.sun_path) { $0.prefix { $0 != 0 }.map { $0 } }
        return String(decoding: path, as: UTF8.self)
    }

    /// For calls of the kernel.
    package func withAddress<Result>(_ call: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { call($0, length) }
        }
    }
}
