// Addresses the proxy listens on, as text and as value.

import Ground

/// `host:port`, `[v6]:port` or `unix:/path`.
package enum ListenAddress: Sendable, Hashable, CustomStringConvertible {
    /// A host name or numeric address (v6 without brackets) and a port, 0 to 65535.
    case tcp(host: String, port: Int)
    /// The path of a unix domain socket.
    case unix(path: String)

    /// Whether only this machine can connect: a loopback address, or any unix socket.
    package var isLoopback: Bool {
        switch self {
        case .tcp(let host, _): HostName.isLoopback(host)
        case .unix: true
        }
    }

    /// The text that gives this address.
    package var description: String {
        switch self {
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }

    /// Reads `text`; throws what is wrong with it.
    init(parsing text: String) throws(ValueProblem) {
        if text.hasPrefix("unix:") {
            self = .unix(path: try Self.socketPath(String(text.dropFirst(5))))
            return
        }
        if text.contains("://") { throw ValueProblem("is a URL, and an address has neither scheme nor path") }
        guard let colon = text.lastIndex(of: ":") else { throw ValueProblem("has no port") }
        let host = text[..<colon]
        guard let port = HostName.number(text[text.index(after: colon)...]), (0...65535).contains(port) else {
            throw ValueProblem("has no port from 0 to 65535 after its last colon")
        }
        if host.isEmpty { throw ValueProblem("has no host before the colon (0.0.0.0 would be every interface)") }
        self = .tcp(host: try HostName.parse(host), port: port)
    }

    private static func socketPath(_ path: String) throws(ValueProblem) -> String {
        if path.isEmpty { throw ValueProblem("has no path after unix:") }
        // sun_path holds 108 bytes with the closing NUL (unix(7)).
        if path.utf8.count > 107 { throw ValueProblem("is longer than the 107 bytes a unix socket path can have") }
        return path
    }
}
