// Who signs the certificates of clients, asked about connections whose handshake was under another one.

import NIOSSL
import SwiftASN1
import X509

/// The certificates of `listen.client_ca`. Immutable, usable from every thread.
final class ClientAuthority: Sendable {
    private let certificates: [Certificate]

    init(_ certificates: [Certificate]) { self.certificates = certificates }

    /// Whether a certificate that was verified once leads to one of these. What the client showed between the two is not known
    /// any more: who needs that has to show it in another handshake.
    func vouches(for certificate: NIOSSLCertificate) -> Bool {
        guard let leaf = try? Certificate(derEncoded: certificate.toDERBytes()) else { return false }
        return leadsHere(leaf, steps: certificates.count)
    }

    private func leadsHere(_ certificate: Certificate, steps: Int) -> Bool {
        certificates.contains { authority in
            guard authority.subject == certificate.issuer,
                authority.publicKey.isValidSignature(certificate.signature, for: certificate)
            else { return false }
            return authority.subject == authority.issuer || steps > 1 && leadsHere(authority, steps: steps - 1)
        }
    }
}

/// What connections are told when another authority is in force.
struct AuthorityChange: Sendable {
    /// Nil: nobody is asked for a certificate any more.
    let authority: ClientAuthority?

    /// Whether a connection may go on.
    func admits(_ peer: Peer) -> Bool {
        guard peer.isTLS, let authority else { return true }
        return peer.identity?.certificate.map(authority.vouches) ?? false
    }
}
