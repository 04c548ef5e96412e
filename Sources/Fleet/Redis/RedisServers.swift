// Where the engine is and how it is entered.

/// One server.
package struct RedisServer: Sendable, Hashable {
    /// Name or address; an IPv6 address without brackets.
    package let host: String
    /// 1 to 65535.
    package let port: Int

    /// A server at this address.
    package init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    /// As it stands in URLs.
    package var text: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// User and password for AUTH.
package struct RedisCredentials: Sendable, Equatable {
    /// Nil: the default user.
    let user: String?
    let password: String

    /// From what a file holds: `user:password` or `password`. The first colon separates, one line end at the end is dropped.
    /// Nil where there is no password.
    package init?(file content: [UInt8]) {
        var bytes = content[...]
        if bytes.last == 0x0A { bytes.removeLast() }
        if bytes.last == 0x0D, content.last == 0x0A { bytes.removeLast() }
        guard let text = String(validating: bytes, as: UTF8.self) else { return nil }
        if let colon = text.firstIndex(of: ":") {
            user = text[..<colon].isEmpty ? nil : String(text[..<colon])
            password = String(text[text.index(after: colon)...])
        } else {
            user = nil
            password = text
        }
        if password.isEmpty { return nil }
    }

    var command: RedisCommand {
        user.map { RedisCommand("AUTH", $0, password) } ?? RedisCommand("AUTH", password)
    }
}

extension RedisCredentials: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Never the password.
    package var description: String { "credentials" }
    /// Never the password.
    package var debugDescription: String { "credentials" }
    /// Never the password.
    package var customMirror: Mirror { Mirror(self, children: []) }
}

/// The servers of one engine: all hold the same data, one of them takes writes.
package struct RedisServers: Sendable {
    /// At least one, in the order of the URL.
    let servers: [RedisServer]
    let database: Int
    let credentials: RedisCredentials?
    /// Nil: in the clear.
    let tls: RedisTLS?

    /// - Parameters:
    ///   - servers: at least one; the first sixteen are used.
    ///   - database: 0 or more.
    ///   - credentials: nil: no AUTH.
    ///   - tls: nil: in the clear.
    package init(_ servers: [RedisServer], database: Int, credentials: RedisCredentials?, tls: RedisTLS?) {
        precondition(!servers.isEmpty, "an engine without a server")
        self.servers = Array(servers.prefix(16))
        self.database = database
        self.credentials = credentials
        self.tls = tls
    }
}
