// The edge in the configuration's words.

import Configuration
import Edge
import NIOCore

extension ConnectionLimits {
    init(_ config: Config.Listen) {
        self.init(
            headerTimeout: TimeAmount(config.headerTimeout), idleTimeout: TimeAmount(config.idleTimeout),
            maxHeaderBytes: config.maxHeaderBytes, maxBodyBytes: config.maxBodyBytes, minBodyRate: config.minRate)
    }
}

extension TLSFiles {
    /// Nil where no certificate is configured.
    init?(_ config: Config.Listen) {
        guard let certificate = config.tlsCertificate, let key = config.tlsKey else { return nil }
        self.init(certificate: certificate, key: key, clientCA: config.clientCA)
    }
}

extension ListenAddress {
    /// - Parameter mode: of unix sockets; nil: what the umask gives.
    func place(mode: FileMode? = nil) -> ListenPlace {
        switch self {
        case .tcp(let host, let port): .tcp(host: host, port: port)
        case .unix(let path): .unix(path: path, mode: mode?.bits)
        }
    }
}

extension TimeAmount {
    init(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        self = .nanoseconds(seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
    }
}

extension PreambleRules {
    /// Nil where none is expected of anybody.
    init?(_ config: Config.Listen, trouble: @escaping @Sendable (_ problem: String, _ peer: String) -> Void) {
        guard config.proxyProtocol else { return nil }
        self.init(proxies: config.trustedProxies, trouble: trouble)
    }
}
