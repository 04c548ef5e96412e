// A real unix datagram socket, as a service manager binds one.

import Glibc

/// Bound to a path, or to a name in the abstract namespace.
public final class DatagramSocket: Sendable {
    private let descriptor: Int32

    /// - Parameter name: a path, or `@` and a name.
    public init(_ name: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var bytes = Array(name.utf8)
        if name.hasPrefix("@") { bytes[0] = 0 } else { bytes.append(0) }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
        let code = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
        }
        guard code == 0 else { throw RawClient.Trouble(description: "cannot bind \(name): errno \(errno)") }
    }

    /// The next datagram; waits for it at most so long.
    public func receive(within seconds: Int = 20) async throws -> String {
        let descriptor = descriptor
        return try await onThread {
            var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard Glibc.poll(&poll, 1, Int32(seconds * 1_000)) == 1 else {
                throw RawClient.Trouble(description: "no datagram came")
            }
            var buffer = [UInt8](repeating: 0, count: 4_096)
            let count = recv(descriptor, &buffer, buffer.count, 0)
            return String(decoding: buffer[..<max(0, count)], as: UTF8.self)
        }
    }

    deinit { close(descriptor) }
}
