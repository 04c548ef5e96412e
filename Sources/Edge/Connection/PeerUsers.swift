// Who connects to a unix socket: the kernel says which user the process at the other end runs as.

import Glibc
import NIOCore
import Synchronization

/// The users who have connected to one listener. Usable from every thread.
final class PeerUsers: Sendable {
    private let known = Mutex([UInt32: PeerIdentity]())
    private static let capacity = 1_024

    /// What a connection to a unix socket proves; nil for other connections. To be called on its event loop.
    func identity(of channel: any Channel) -> PeerIdentity? {
        guard let user = channel.peerUser else { return nil }
        return known.withLock { known in
            if let identity = known[user] { return identity }
            if known.count >= Self.capacity { known.removeAll() }
            let identity = PeerIdentity(user: user)
            known[user] = identity
            return identity
        }
    }
}

extension Channel {
    /// The uid of the process at the other end as it was when it connected; nil where this is no unix socket.
    fileprivate var peerUser: UInt32? {
        guard localAddress?.protocol == .unix, let socket = self as? any SocketOptionProvider else { return nil }
        var user: UInt32?
        // On its event loop it is answered at once.
        let credentials: EventLoopFuture<PeerCredentials> = socket.unsafeGetSocketOption(
            level: NIOBSDSocket.OptionLevel.socket, name: NIOBSDSocket.Option(rawValue: SO_PEERCRED))
        credentials.assumeIsolated().whenSuccess { user = $0.uid }
        return user == .max ? nil : user
    }
}

/// `struct ucred` of socket(7).
private struct PeerCredentials: Sendable {
    let pid: Int32
    let uid: UInt32
    let gid: UInt32
}
