// Sockets that a service manager has opened for this process, and listens on already (sd_listen_fds(3)).

import Glibc
import Ground

/// One of them.
package struct InheritedSocket: Sendable {
    /// Its number; open for as long as the process wants it.
    let descriptor: CInt
    private let address: Address

    fileprivate enum Address: Sendable {
        case tcp(host: String, port: Int)
        case unix(path: String)
    }

    /// One of the descriptors is not what it should be, or their number is none.
    package struct Unusable: Error, CustomStringConvertible {
        /// What is wrong and what to do.
        package let description: String
    }

    /// Where it listens.
    package var place: ListenPlace {
        switch address {
        case .tcp(let host, let port): .tcp(host: host, port: port)
        case .unix(let path): .unix(path: path)
        }
    }

    /// Whether only this machine can connect.
    package var isLoopback: Bool {
        switch address {
        case .tcp(let host, _): HostName.isLoopback(host)
        case .unix: true
        }
    }

    private static let first: CInt = 3

    /// The sockets that are meant for this process; empty where there are none. To be called once, before anything else opens
    /// descriptors.
    ///
    /// - Parameter variables: of the process.
    package static func all(_ variables: [String: String]) throws(Unusable) -> [InheritedSocket] {
        guard let count = variables["LISTEN_FDS"], variables["LISTEN_PID"] == "\(getpid())" else { return [] }
        guard let count = CInt(count), (1...1_024).contains(count) else {
            throw Unusable(description: "LISTEN_FDS is no number of sockets from 1 to 1024")
        }
        var sockets: [InheritedSocket] = []
        for descriptor in first..<first + count { sockets.append(try InheritedSocket(descriptor)) }
        return sockets
    }

    init(_ descriptor: CInt) throws(Unusable) {
        self.descriptor = descriptor
        guard Self.option(SO_TYPE, of: descriptor) == CInt(SOCK_STREAM.rawValue),
            Self.option(SO_ACCEPTCONN, of: descriptor) == 1, let address = Self.address(of: descriptor)
        else {
            throw Unusable(
                description: "descriptor \(descriptor) of LISTEN_FDS is no listening TCP or unix stream socket: "
                    + "use ListenStream= with Accept=no")
        }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        self.address = address
    }

    private static func option(_ name: CInt, of descriptor: CInt) -> CInt? {
        var (value, size) = (CInt(), socklen_t(MemoryLayout<CInt>.size))
        return getsockopt(descriptor, SOL_SOCKET, name, &value, &size) == 0 ? value : nil
    }

    private static func address(of descriptor: CInt) -> Address? {
        var storage = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &storage) { pointer -> Address? in
            let got = pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) }
            guard got == 0 else { return nil }
            // The kernel says by the family which of these it has written; `storage` is as large as any of them.
            switch CInt(pointer.pointee.ss_family) {
            case AF_INET: return pointer.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { Address($0.pointee) }
            case AF_INET6: return pointer.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { Address($0.pointee) }
            case AF_UNIX: return pointer.withMemoryRebound(to: sockaddr_un.self, capacity: 1) { Address($0.pointee) }
            default: return nil
            }
        }
    }
}

extension InheritedSocket.Address {
    fileprivate init(_ address: sockaddr_in) {
        self = withUnsafeBytes(of: address) { .tcp($0, address: 4..<8) }
    }

    fileprivate init(_ address: sockaddr_in6) {
        self = withUnsafeBytes(of: address) { .tcp($0, address: 8..<24) }
    }

    /// By place (ip(7), ipv6(7)) and not by name: which module the names belong to depends on what was compiled before.
    private static func tcp(_ bytes: UnsafeRawBufferPointer, address: Range<Int>) -> Self {
        .tcp(host: HostName.text(of: Array(bytes[address])), port: Int(bytes[2]) << 8 | Int(bytes[3]))
    }

    fileprivate init(_ address: sockaddr_un) {
        self = .unix(path: UnixAddress.path(of: address))
    }
}
