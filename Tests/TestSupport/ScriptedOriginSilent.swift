// A listener that never answers a connection attempt: its accept queue is full, so the kernel drops further SYNs.

import Glibc

/// An address on loopback to which connecting hangs.
public final class SilentOrigin: Sendable {
    /// The port.
    public let port: Int
    private let descriptors: [Int32]

    /// Listens with the smallest queue and fills it.
    public init() {
        let (listener, port) = ScriptedOrigin.listen(backlog: 0)
        var descriptors = [listener]
        for _ in 0..<8 {
            let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
            let client = socket(AF_INET, kind, 0)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
            address.sin_port = UInt16(port).bigEndian
            _ = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(client, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            descriptors.append(client)
        }
        self.port = port
        self.descriptors = descriptors
    }

    deinit {
        for descriptor in self.descriptors { close(descriptor) }
    }

    /// `http://127.0.0.1:PORT`
    public var url: String { "http://127.0.0.1:\(self.port)" }
}
