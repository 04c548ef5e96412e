// Syslog over TCP and TLS (RFC 5425, RFC 6587), octet-counted, by NIO: one connection, made when there is something to send.

import Audit
import Configuration
import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS
import Synchronization

final class SyslogStream: SinkWire {
    private static let connecting = TimeAmount.seconds(4)
    /// For a batch to leave this machine, the handshake included.
    private static let sending = TimeAmount.seconds(20)

    let isConfirming = false
    private let host: String
    private let port: Int
    private let format: SyslogFormat
    private let tls: NIOSSLContext?
    private let group: any EventLoopGroup
    private let changed: @Sendable () -> Void
    private let state = Mutex(State())

    private struct State {
        var channel: (any Channel)?
        /// The peer sends no more, and may not read what is sent from here on.
        var isEnding = false
        /// We send no more, and wait for the peer to end it, too.
        var isClosing = false
        var end: SinkEnd?
    }

    /// - Parameters:
    ///   - caFile: PEM certificates to trust beside the system's; for TLS only.
    ///   - changed: called when the connection has ended; must not block.
    init(
        _ url: SinkURL, caFile: String?, format: SyslogFormat, group: any EventLoopGroup,
        changed: @escaping @Sendable () -> Void
    ) throws {
        (host, port) = (url.address.host, url.address.effectivePort)
        (self.format, self.group, self.changed) = (format, group, changed)
        var context: NIOSSLContext?
        if url.scheme == .tls {
            var configuration = TLSConfiguration.makeClientConfiguration()
            configuration.minimumTLSVersion = .tlsv12
            if let caFile { configuration.additionalTrustRoots = [.file(caFile)] }
            context = try NIOSSLContext(configuration: configuration)
        }
        tls = context
    }

    func send(_ records: [FollowedRecord]) async throws(SinkTrouble) -> Int? {
        let (open, isOver) = state.withLock { ($0.channel, $0.isEnding || $0.end != nil) }
        if isOver { return nil }
        let channel: any Channel
        if let open { channel = open } else { channel = try await connect() }
        var bytes: [UInt8] = []
        for record in records { format.appendFrame(record, to: &bytes) }
        let count = bytes.count
        do {
            // A peer that takes nothing is as good as gone.
            let guardian = channel.eventLoop.scheduleTask(in: Self.sending) { channel.close(promise: nil) }
            defer { guardian.cancel() }
            try await withTaskCancellationHandler {
                try await channel.writeAndFlush(ByteBuffer(bytes: bytes)).get()
            } onCancel: {
                channel.close(promise: nil)
            }
        } catch {
            drop(channel, .broken)
            _ = takeEnd()
            throw SinkTrouble("took nothing, or broke off: \(SyslogWatch.words(error))")
        }
        return count
    }

    func takeEnd() -> SinkEnd? {
        state.withLock { state in
            defer { state.end = nil }
            return state.end
        }
    }

    /// Says that nothing more comes, and waits for the peer to do the same.
    func close() async -> SinkEnd? {
        guard let channel = state.withLock({ $0.channel }) else { return takeEnd() }
        state.withLock { $0.isClosing = true }
        await withTaskCancellationHandler {
            do {
                try await channel.close(mode: .output)
                try await channel.closeFuture.get()
            } catch {
                drop(channel, .broken)
            }
        } onCancel: {
            // Before anything else closes it and looks like a good end.
            drop(channel, .broken)
        }
        return takeEnd()
    }

    private func connect() async throws(SinkTrouble) -> any Channel {
        let watch = SyslogWatch(isSecured: tls != nil) { [weak self] channel, end in
            guard let self else { return }
            if let end { drop(channel, end) } else { peerEnds(channel) }
        }
        let made: any Channel
        do {
            made = try await bootstrap(watch).connect(host: host, port: port).get()
        } catch {
            throw SinkTrouble("cannot be reached: \(SyslogWatch.words(error))")
        }
        do {
            let guardian = made.eventLoop.scheduleTask(in: Self.connecting) { made.close(promise: nil) }
            defer { guardian.cancel() }
            try await watch.ready(on: made.eventLoop).get()
        } catch {
            made.close(promise: nil)
            throw SinkTrouble("makes no TLS connection: \(SyslogWatch.words(error)) (ca_file adds an authority)")
        }
        state.withLock { $0.channel = made }
        // It may have ended before it was known here.
        if !made.isActive { drop(made, .broken) }
        return made
    }

    private func bootstrap(_ watch: SyslogWatch) -> ClientBootstrap {
        ClientBootstrap(group: group).connectTimeout(Self.connecting)
            .channelOption(.allowRemoteHalfClosure, value: true)
            // After a quiet minute, each quarter of a minute (TCP_KEEPIDLE and TCP_KEEPINTVL, seconds): what stands between
            // forgets no connection, over whose end all would be sent again.
            .channelOption(.socketOption(.so_keepalive), value: 1)
            .channelOption(.tcpOption(.init(rawValue: 4)), value: 60)
            .channelOption(.tcpOption(.init(rawValue: 5)), value: 15)
            // A peer that acknowledges nothing for half a minute is gone (milliseconds).
            .channelOption(.tcpOption(.init(rawValue: 18)), value: 30_000)
            .channelInitializer { [tls, host] channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls {
                        // A name is asked for by SNI; an address is checked against the certificate all the same.
                        let name = host.contains(":") || host.allSatisfy { $0.isNumber || $0 == "." } ? nil : host
                        try channel.pipeline.syncOperations.addHandler(
                            NIOSSLClientHandler(context: tls, serverHostname: name))
                    }
                    try channel.pipeline.syncOperations.addHandler(watch.handler)
                }
            }
    }

    private func peerEnds(_ channel: any Channel) {
        let isClosing = state.withLock { state in
            if state.channel === channel { state.isEnding = true }
            return state.isClosing
        }
        if isClosing {
            // It has seen our end, before which it has read all.
            drop(channel, .clean)
        } else if !channel.isActive {
            // We have given it up, or nothing can be known any more.
            drop(channel, .broken)
        }
    }

    private func drop(_ channel: any Channel, _ end: SinkEnd) {
        let isOurs = state.withLock { state in
            guard state.channel === channel else { return false }
            (state.channel, state.isEnding, state.end) = (nil, false, end)
            return true
        }
        channel.close(promise: nil)
        if isOurs { changed() }
    }
}
