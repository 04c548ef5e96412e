// An absolute http or https URL as the configuration may hold one: scheme, host, port and path,
// never a user, password, query or fragment. Other modules check for themselves what they are handed as text.

import Ground

/// An absolute http(s) URL without user, query and fragment (RFC 3986 section 3).
package struct BaseURL: Sendable, Hashable, CustomStringConvertible {
    /// Scheme.
    package var scheme: Origin.Scheme
    /// Lower case; IPv6 without brackets.
    package var host: String
    /// nil when the URL names none, or names its scheme's own.
    package var port: Int?
    /// Empty, or begins with `/` and does not end with one.
    package var path = ""

    /// From its parts, unchecked.
    package init(scheme: Origin.Scheme, host: String, port: Int? = nil, path: String = "") {
        self.scheme = scheme
        self.host = host
        self.port = port
        self.path = path
    }

    /// The port to connect to: the one named, or the scheme's.
    package var effectivePort: Int { port ?? scheme.defaultPort }

    /// The server.
    package var server: Origin { Origin(scheme: scheme, host: host, port: effectivePort) }

    /// Host and port as a `Host` header has them.
    package var authority: String { server.authority }

    /// Scheme and authority, `https://api.bentley.com`.
    package var origin: String { server.url }

    /// The whole URL, without a trailing slash.
    package var description: String { origin + path }

    /// Whether the host can only mean this machine.
    package var isLoopback: Bool { HostName.isLoopback(host) }

    /// Reads `text`; throws what is wrong with it. No problem shows `text`: it may hold a password.
    init(parsing text: String) throws(ValueProblem) {
        guard let mark = text.firstRange(of: "://"),
            let scheme = Origin.Scheme(rawValue: text[..<mark.lowerBound].lowercased())
        else {
            throw ValueProblem(
                "is not an absolute URL that begins with https:// or http://", hidesValue: text.contains("@"))
        }
        let rest = text[mark.upperBound...]
        if rest.contains("?") { throw ValueProblem("has a query (?), which it must not have", hidesValue: true) }
        if rest.contains("#") { throw ValueProblem("has a fragment (#), which it must not have", hidesValue: true) }
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        let authority = rest[..<slash]
        if authority.contains("@") {
            throw ValueProblem("has a user name or password (@), which it must not have", hidesValue: true)
        }
        (host, port) = try Self.hostAndPort(authority, scheme)
        path = try Self.path(rest[slash...])
        self.scheme = scheme
    }

    private static func hostAndPort(_ text: Substring, _ scheme: Origin.Scheme) throws(ValueProblem) -> (String, Int?) {
        let afterBracket = text.lastIndex(of: "]") ?? text.startIndex
        guard let colon = text[afterBracket...].lastIndex(of: ":") else { return (try HostName.parse(text), nil) }
        guard let port = HostName.number(text[text.index(after: colon)...]), (1...65535).contains(port) else {
            throw ValueProblem("has no port from 1 to 65535 after its colon")
        }
        let isSchemesOwn = port == scheme.defaultPort
        return (try HostName.parse(text[..<colon]), isSchemesOwn ? nil : port)
    }

    private static func path(_ text: Substring) throws(ValueProblem) -> String {
        guard text.utf8.allSatisfy({ (0x21...0x7e).contains($0) && $0 != 0x22 && $0 != 0x5c }) else {
            throw ValueProblem("has a character that a URL cannot hold; percent-encode it")
        }
        if text.split(separator: "/").contains(where: { $0 == "." || $0 == ".." }) {
            throw ValueProblem("has a . or .. segment")
        }
        var path = text
        while path.hasSuffix("/") { path.removeLast() }
        return String(path)
    }
}
