// The other end of a connection, as far as the connection itself shows it: the same for all its requests.

import Ground
import NIOCore
import NIOSSL

/// Who is connected, and how. A value type, free to share.
package struct Peer: Sendable {
    /// Its address without the port, in its usual text, IPv4 also where it came mapped into IPv6; "unix" on a unix socket.
    /// Behind a PROXY preamble the address that it names.
    package private(set) var address: String
    /// Whether what it says about others (`X-Forwarded-For`) counts where its address is trusted. Not behind a preamble that
    /// names nobody: who is there has not been said.
    package private(set) var maySpeakForOthers = true
    /// Whether the connection is TLS.
    package private(set) var isTLS: Bool
    /// What it has proved to be; nil: nothing.
    package private(set) var identity: PeerIdentity?

    init(address: String, isTLS: Bool = false, identity: PeerIdentity? = nil) {
        (self.address, self.isTLS, self.identity) = (address, isTLS, identity)
    }

    /// The scheme of the connection's requests.
    package var scheme: String { isTLS ? "https" : "http" }

    /// The same, whom a preamble has named; nil: nobody.
    func introduced(as source: IPAddress?) -> Peer {
        var peer = self
        if let source { peer.address = source.description } else { peer.maySpeakForOthers = false }
        return peer
    }

    /// The same behind a handshake.
    func secured(_ identity: PeerIdentity?) -> Peer {
        var peer = self
        (peer.isTLS, peer.identity) = (true, identity)
        return peer
    }
}

/// What a peer has proved to be by the connection itself. One object a connection, or for all connections of a user, so that
/// whoever remembers what follows from it can tell by the object.
package final class PeerIdentity: Sendable {
    /// The common and alternative names of the certificate that it presented and that was verified; none without one.
    package let certificateNames: [String]

    /// The uid of its process, on a unix socket.
    package let user: UInt32?

    /// The certificate itself.
    let certificate: NIOSSLCertificate?

    /// The certificate is no good, although the session that it opened is.
    enum Refused: String, Error {
        /// Its time is over.
        case expired = "CERTIFICATE_EXPIRED"
        /// Another authority came in force during the handshake.
        case unknownAuthority = "CLIENT_CA_CHANGED"
    }

    init(certificateNames: [String], _ certificate: NIOSSLCertificate? = nil) {
        (self.certificateNames, self.certificate, user) = (certificateNames, certificate, nil)
    }

    init(user: UInt32) { (certificateNames, certificate, self.user) = ([], nil, user) }
}

extension SocketAddress? {
    /// Who is at the other end, in a word.
    var peerName: String {
        guard let text = self?.ipAddress else { return "unix" }
        return IPAddress(text)?.description ?? text
    }
}
