// The little that has to be known of an endpoint's URL: whether credentials may be sent there, and whose it is.

enum EndpointURL {
    /// Scheme, host and port (RFC 6454) in lower case, the scheme's own port left out. Nil unless it is an absolute URL
    /// of https, or of http on a host that `isLoopback` (v6 without brackets), without a user and without a fragment.
    static func origin(of url: String, isLoopback: (String) -> Bool) -> String? {
        guard url.utf8.allSatisfy({ (0x21...0x7E).contains($0) }), !url.contains(where: { "#\\\"<>".contains($0) }),
            let mark = url.firstRange(of: "://")
        else { return nil }
        let scheme = url[..<mark.lowerBound].lowercased()
        let authority = url[mark.upperBound...].prefix { $0 != "/" && $0 != "?" }.lowercased()
        guard !authority.contains("@"), let (host, port) = split(authority) else { return nil }
        switch scheme {
        case "https": return "https://" + host + (port == nil || port == 443 ? "" : ":\(port ?? 443)")
        case "http" where isLoopback(host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host):
            return "http://" + host + (port == nil || port == 80 ? "" : ":\(port ?? 80)")
        default: return nil
        }
    }

    private static func split(_ authority: String) -> (host: String, port: Int?)? {
        let end = authority.hasPrefix("[") ? authority.firstIndex(of: "]").map(authority.index(after:)) : nil
        guard !authority.hasPrefix("[") || end != nil else { return nil }
        let host = authority[..<(end ?? authority.firstIndex(of: ":") ?? authority.endIndex)]
        let rest = authority[host.endIndex...]
        guard !host.isEmpty else { return nil }
        if rest.isEmpty { return (String(host), nil) }
        guard rest.first == ":", let port = UInt16(rest.dropFirst()), port > 0 else { return nil }
        return (String(host), Int(port))
    }
}
