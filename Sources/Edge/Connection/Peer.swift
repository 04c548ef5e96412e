// Who is at the other end of a tool's connection.

import Ground
import NIOCore

/// The other end of a connection, as the socket names it or, from the first request on, as a PROXY preamble does. Confined
/// to the connection's event loop.
package final class Peer {
    /// Its address in the usual text, IPv4 also where it came mapped into IPv6; `unix` on a unix socket.
    package private(set) var address: String
    /// Whether what it says about others (`X-Forwarded-For`) counts where its address is trusted. Not behind a preamble that
    /// names nobody: who is there has not been said.
    package private(set) var maySpeakForOthers = true

    init(address: String) { self.address = address }

    convenience init(_ channel: any Channel) { self.init(address: Self.name(channel.remoteAddress)) }

    /// What a preamble says; nil where it names nobody.
    func introduce(_ source: IPAddress?) {
        if let source { address = source.description } else { maySpeakForOthers = false }
    }

    /// How logs call who connects from there.
    static func name(_ address: SocketAddress?) -> String {
        guard let text = address?.ipAddress else { return "unix" }
        return IPAddress(text)?.description ?? text
    }
}
