// TLS towards the engine. Certificate and host are always verified.

import NIOCore
import NIOSSL

/// What is needed for TLS.
package struct RedisTLS: Sendable {
    private let context: NIOSSLContext

    /// Trusts the authorities of a PEM file; nil: those of the system.
    ///
    /// - Throws: `RedisTrouble.tls` where the file cannot be used.
    package init(authorities path: String?) throws(RedisTrouble) {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.certificateVerification = .fullVerification
        configuration.minimumTLSVersion = .tlsv12
        do {
            if let path {
                let certificates = try NIOSSLCertificate.fromPEMFile(path)
                if certificates.isEmpty { throw RedisTrouble.tls("\(path) holds no PEM certificate") }
                configuration.trustRoots = .certificates(certificates)
            }
            context = try NIOSSLContext(configuration: configuration)
        } catch let trouble as RedisTrouble {
            throw trouble
        } catch {
            throw .tls(RedisTrouble.printable("fleet.ca_file \(path ?? ""): \(error)"))
        }
    }

    /// The handler for one connection. NIOSSL takes addresses out of the server name by itself where it must: an address
    /// is compared with the certificate's addresses, a name with its names.
    func handler(for server: RedisServer) throws -> NIOSSLClientHandler {
        let isAddress = (try? SocketAddress(ipAddress: server.host, port: server.port)) != nil
        return try NIOSSLClientHandler(context: context, serverHostname: isAddress ? nil : server.host)
    }
}
