// A browser on the same machine is not a tool: a web page must not be able to delete through this proxy, neither by
// a plain cross-site POST nor by pointing its own host name at 127.0.0.1 (DNS rebinding).

import Configuration
import Edge
import HTTPTypes

/// The rules for browser origins and for the host a request is addressed to. Immutable.
struct OriginPolicy: Sendable {
    private let corsOrigins: Set<String>
    private let ownHosts: Set<String>
    private let checksHost: Bool

    init(_ config: Config) {
        corsOrigins = Set(config.listen.corsOrigins.map { $0.lowercased() })
        var own: Set<String> = []
        var isUnixOnly = true
        for case .tcp(let host, _) in config.listen.addresses {
            own.insert(host.lowercased())
            isUnixOnly = false
        }
        if let url = config.listen.publicURL { own.insert(url.host.lowercased()) }
        own.formUnion(config.listen.hosts)
        ownHosts = own
        // A page in a browser cannot reach a unix socket; with callers it has no key.
        checksHost = config.callers.isEmpty && config.issuers.isEmpty && !isUnixOnly
    }

    /// The origin that may read the answer, when the request names one that is allowed; nil for tools.
    /// Throws 403 `OriginNotAllowed`.
    func admit(_ head: RequestHead) throws(Failure) -> String? {
        if checksHost, let authority = head.authority, !isOwn(authority) {
            throw Failure(
                .originNotAllowed,
                "The host \(authority.host) is not this proxy's. Call it by its listen address, or name the host in listen.hosts.",
                target: "Host")
        }
        let origins = head.fields[values: .origin]
        if let origin = origins.first {
            guard origins.count == 1, corsOrigins.contains(origin.lowercased()) else { throw foreign("Origin") }
            return origin
        }
        if head.fields[.secFetchSite]?.lowercased().contains("cross-site") == true { throw foreign("Sec-Fetch-Site") }
        return nil
    }

    /// Loopback, the listen address, the host of `public_url`, or one of `hosts`.
    func isOwn(_ authority: Authority) -> Bool {
        ownHosts.contains(authority.host) || authority.isLoopback
    }

    private func foreign(_ header: String) -> Failure {
        Failure(
            .originNotAllowed, "Requests from this browser origin are not allowed (listen.cors_origins).",
            target: header)
    }

    /// The answer to a preflight of an allowed origin (Fetch standard, CORS protocol).
    static func preflightFields(_ head: RequestHead, origin: String) -> HTTPFields {
        var fields = HTTPFields()
        fields[.accessControlAllowOrigin] = origin
        fields[.accessControlAllowMethods] = "GET, HEAD, POST, PUT, PATCH, DELETE"
        if let wanted = head.fields[.accessControlRequestHeaders] { fields[.accessControlAllowHeaders] = wanted }
        fields[.accessControlMaxAge] = "600"
        fields[.vary] = "Origin, Access-Control-Request-Headers"
        return fields
    }
}
