// Where connections are accepted.

/// An address to listen on.
package enum ListenPlace: Sendable, CustomStringConvertible {
    /// A host name or numeric address (v6 without brackets) and a port; 0 picks one.
    case tcp(host: String, port: Int)
    /// The path of a unix domain socket, 107 bytes at most, and its permission bits; nil: what the umask gives.
    case unix(path: String, mode: UInt32? = nil)
    /// A socket that listens already.
    case inherited(InheritedSocket)

    /// As it is configured: `host:port`, `[v6]:port` or `unix:/path`.
    package var description: String {
        switch self {
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path, _): "unix:\(path)"
        case .inherited(let socket): socket.place.description
        }
    }

    /// Whether it is a unix socket.
    package var isUnix: Bool {
        switch self {
        case .tcp: false
        case .unix: true
        case .inherited(let socket): socket.place.isUnix
        }
    }
}
