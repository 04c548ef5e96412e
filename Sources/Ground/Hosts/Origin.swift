// The server a request goes to: scheme, host and port (RFC 9110 section 4.3.1), nothing else.
// Parsed strictly, because this is what decides where a bearer token is sent.

/// A server: scheme, host and port.
package struct Origin: Sendable, Hashable {
    /// How the server is spoken to.
    package enum Scheme: String, Sendable, Hashable {
        /// In the clear.
        case http
        /// Over TLS.
        case https

        /// The port used when the URL names none.
        package var defaultPort: Int { self == .https ? 443 : 80 }
    }

    /// The scheme.
    package let scheme: Scheme
    /// Lower-case host name or address; an IPv6 address without its brackets.
    package let host: String
    /// 1 to 65535.
    package let port: Int
    /// The origin as a URL without a trailing slash; the port is left out when it is the scheme's default.
    package let url: String

    /// Host and port as a `Host` header has them: an IPv6 address in brackets, the scheme's own port left out.
    package var authority: String { String(url.dropFirst(scheme.rawValue.utf8.count + 3)) }

    /// Whether the host can only mean this machine.
    package var isLoopback: Bool { HostName.isLoopback(host) }

    /// Splits an absolute URL without a fragment where its authority ends: before the first `/` or `?`. Nil where what
    /// stands before is no origin. The rest is not looked at.
    package static func split(_ url: String) -> (origin: Origin, rest: Substring)? {
        guard let mark = url.firstRange(of: "://") else { return nil }
        let end = url[mark.upperBound...].firstIndex { $0 == "/" || $0 == "?" } ?? url.endIndex
        return Origin(url: String(url[..<end])).map { ($0, url[end...]) }
    }

    /// Parses `http://host`, `https://host:port` or `https://[v6]:port`, with at most a final slash.
    /// Nil for anything more: user names, paths, queries, spaces, other schemes, a port outside 1–65535.
    package init?(url: String) {
        guard let colon = url.utf8.firstIndex(of: UInt8(ascii: ":")),
            let scheme = Scheme(rawValue: url[..<colon].lowercased())
        else { return nil }
        var rest = url[colon...]
        guard rest.hasPrefix("://") else { return nil }
        rest = rest.dropFirst(3)
        if rest.utf8.last == UInt8(ascii: "/") { rest = rest.dropLast() }

        let host: Substring
        let portText: Substring?
        if rest.utf8.first == UInt8(ascii: "[") {
            guard let bracket = rest.utf8.firstIndex(of: UInt8(ascii: "]")) else { return nil }
            host = rest[rest.index(after: rest.startIndex)..<bracket]
            let after = rest[rest.index(after: bracket)...]
            guard after.isEmpty || after.utf8.first == UInt8(ascii: ":") else { return nil }
            portText = after.isEmpty ? nil : after.dropFirst()
            guard !host.isEmpty, host.utf8.allSatisfy(Self.isIPv6Byte) else { return nil }
        } else {
            let separator = rest.utf8.firstIndex(of: UInt8(ascii: ":"))
            host = rest[..<(separator ?? rest.endIndex)]
            portText = separator.map { rest[rest.index(after: $0)...] }
            guard !host.isEmpty, host.utf8.allSatisfy(Self.isNameByte) else { return nil }
        }
        guard let port = Self.port(portText, default: scheme.defaultPort) else { return nil }
        self.init(scheme: scheme, host: host.lowercased(), port: port)
    }

    /// From parts that were checked before: a lower-case host, an IPv6 address without brackets, and a port.
    package init(scheme: Scheme, host: String, port: Int) {
        self.scheme = scheme
        self.host = host
        self.port = port
        let name = host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]" : host
        url = "\(scheme.rawValue)://\(name)" + (port == scheme.defaultPort ? "" : ":\(port)")
    }

    private static func port(_ text: Substring?, default fallback: Int) -> Int? {
        guard let text else { return fallback }
        guard !text.isEmpty, text.utf8.allSatisfy(ASCII.isDigit), let port = Int(text), (1...65535).contains(port)
        else { return nil }
        return port
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default:
            false
        }
    }

    private static func isIPv6Byte(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: ":") || byte == UInt8(ascii: ".") || ASCII.hexValue(byte) != nil
    }
}
