// Where connections are accepted.

/// An address to listen on.
package enum ListenPlace: Sendable, CustomStringConvertible {
    /// A host name or numeric address (v6 without brackets) and a port; 0 picks one.
    case tcp(host: String, port: Int)
    /// The path of a unix domain socket, 107 bytes at most.
    case unix(path: String)

    /// As it is configured: `host:port`, `[v6]:port` or `unix:/path`.
    package var description: String {
        switch self {
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }

    /// Whether it is a unix socket.
    var isUnix: Bool { if case .unix = self { true } else { false } }
}
