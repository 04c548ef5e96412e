// What a tool's kernel has not acknowledged of what the socket took.

import Glibc
import NIOCore

enum SocketQueue {
    /// Bytes that were handed to the socket and not acknowledged by the other side; of a unix socket, the room that what
    /// the other side has not read takes up. 0 where the channel is no socket of its own. On the channel's event loop.
    static func unacknowledged(_ channel: any Channel) -> Int {
        let count = try? channel.pipeline.syncOperations.withUnsafeTransportIfAvailable {
            (socket: NIOBSDSocket.Handle) -> Int32 in
            // SIOCOUTQ (tcp(7), unix(7)), which is the same number.
            var bytes: Int32 = 0
            return ioctl(socket, UInt(TIOCOUTQ), &bytes) == 0 ? bytes : 0
        }
        return Int(count ?? 0)
    }
}
