// The other side of a TLS listener of ours, for commands that ask a running proxy.

import NIOCore
import NIOSSL

/// Trusts exactly the certificate that is in a file, whatever names it has.
package enum PinnedClient {
    /// To stand first in the pipeline of a connection. Blocks for as long as the disk takes; throws when there is no
    /// certificate in the file.
    ///
    /// - Parameter certificate: the path of a PEM chain.
    package static func handler(certificate: String) throws -> any ChannelHandler {
        guard let pinned = try NIOSSLCertificate.fromPEMFile(certificate).first else {
            throw TLSFileError(.unusable, .certificate, "holds no PEM certificate")
        }
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        let context = try NIOSSLContext(configuration: configuration)
        // In place of every other check: names and authorities say nothing about which process this is.
        return try NIOSSLClientHandler(
            context: context, serverHostname: nil,
            customVerificationCallback: { chain, verdict in
                verdict.succeed(chain.first == pinned ? .certificateVerified : .failed)
            })
    }
}
