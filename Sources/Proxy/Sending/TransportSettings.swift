// The way out in the configuration's words: one for everybody who calls somebody, be it the API, the token endpoint, an
// issuer or a webhook.

import Configuration
import CoreFoundation
import CurlTransport
import Glibc
import Ground

extension CurlTransport.Configuration {
    /// - Parameter maxConnections: at once.
    init(_ config: Config.Upstream, maxConnections: Int) throws(CurlSetupFailure) {
        self.init(
            maxConnections: maxConnections, connectTimeout: config.connectTimeout, caFile: config.caFile,
            http2: config.http2, proxy: try OutgoingProxy(config))
    }
}

extension OutgoingProxy {
    /// Nil where none is configured. Throws when its credentials cannot be read.
    init?(_ config: Config.Upstream) throws(CurlSetupFailure) {
        guard let proxy = config.proxy else { return nil }
        self.init(origin: proxy.server, credentials: try config.proxyCredentialsFile.map(Self.credentials))
    }

    private static func credentials(in file: String) throws(CurlSetupFailure) -> Credentials {
        guard let text = try? TextFile.read(file), let both = UserAndPassword(text) else {
            throw CurlSetupFailure(description: "upstream.proxy_credentials_file \(file) holds no user:password")
        }
        return both.password.withValue { Credentials(user: both.user, password: $0) }
    }

    /// Whether others than the owner of this file may read it.
    static func isOpenToOthers(_ file: String) -> Bool {
        FileStatus(path: file, followsLinks: true).map { $0.permissions & 0o077 != 0 } ?? false
    }
}
