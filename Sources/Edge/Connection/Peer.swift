// The other end of a connection, as far as the connection itself shows it: the same for all its requests.

/// Who is connected, and how. A value type, free to share.
package struct Peer: Sendable {
    /// Its address without the port; "unix" on a unix socket.
    package let address: String
    /// Whether the connection is TLS.
    package let isTLS: Bool
    /// What it has proved to be; nil: nothing.
    package let identity: PeerIdentity?

    init(address: String, isTLS: Bool = false, identity: PeerIdentity? = nil) {
        (self.address, self.isTLS, self.identity) = (address, isTLS, identity)
    }

    /// The scheme of the connection's requests.
    package var scheme: String { isTLS ? "https" : "http" }
}

/// What a peer has proved to be by the connection itself. One object a connection, or for all connections of a user, so that
/// whoever remembers what follows from it can tell by the object.
package final class PeerIdentity: Sendable {
    /// The common and alternative names of the certificate that it presented and that was verified; none without one.
    package let certificateNames: [String]

    /// The uid of its process, on a unix socket.
    package let user: UInt32?

    /// The certificate's time is over, although the session that it opened lives on.
    struct Expired: Error {}

    init(certificateNames: [String]) { (self.certificateNames, user) = (certificateNames, nil) }

    init(user: UInt32) { (certificateNames, self.user) = ([], user) }
}
