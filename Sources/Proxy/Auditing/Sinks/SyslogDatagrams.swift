// Syslog over UDP (RFC 5426): a datagram for each record, gone for good once it has left. What the other host says of the port
// (ICMP) is seen with the next one.

import Audit
import Configuration
import Ground
import NIOCore
import NIOPosix
import Synchronization

final class SyslogDatagrams: SinkWire {
    let isConfirming = true
    private let host: String
    private let port: Int
    private let format: SyslogFormat
    private let group: any EventLoopGroup
    private let open = Mutex<(any Channel)?>(nil)

    init(_ url: SinkURL, format: SyslogFormat, group: any EventLoopGroup) {
        (host, port) = (url.address.host, url.address.effectivePort)
        (self.format, self.group) = (format, group)
    }

    func send(_ records: [FollowedRecord]) async throws(SinkTrouble) -> Int? {
        var count = 0
        do {
            let channel: any Channel
            if let known = open.withLock({ $0 }) { channel = known } else { channel = try await connect() }
            guard let address = channel.remoteAddress else { throw SinkTrouble("has no address") }
            for record in records {
                let message = format.datagram(record)
                count += message.count
                try await channel.writeAndFlush(
                    AddressedEnvelope(remoteAddress: address, data: ByteBuffer(bytes: message))
                ).get()
            }
        } catch {
            _ = await close()
            throw SinkTrouble("cannot be reached: \(SyslogWatch.words(error))")
        }
        return count
    }

    func takeEnd() -> SinkEnd? { nil }

    func close() async -> SinkEnd? {
        let channel = open.withLock { open in
            defer { open = nil }
            return open
        }
        channel?.close(promise: nil)
        return nil
    }

    private func connect() async throws -> any Channel {
        let (host, port) = (host, port)
        let address = try await OffThread.run {
            Result { try SocketAddress.makeAddressResolvingHost(host, port: port) }
        }.get()
        let made = try await DatagramBootstrap(group: group).connect(to: address).get()
        open.withLock { $0 = made }
        return made
    }
}
