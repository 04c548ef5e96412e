// What stands between the socket of a new connection and its requests.
//
//   plain   socket ─ ConnectionHandler ─ decoder ─ DecodedParts
//   h2c     socket ─ PrefaceHandler (until the first bytes), and in its place the same, or
//   HTTP/2  socket ─ FrameWatch ─ NIOHTTP2Handler ─ HTTP2Connection
//   TLS     socket ─ PlainRequestGuard (until the first bytes) ─ NIOSSLServerHandler ─ HandshakeHandler (until it is complete),
//           and in the latter's place RecordWriter and what the negotiated protocol needs
//
// Where PROXY preambles are expected, PreambleHandler stands alone until its own has come, and all the rest comes in its place;
// behind others' sockets stands PreambleGuard until it is clear that none comes.

import NIOCore
import NIOHTTP1
import NIOSSL

/// TLS as one listener uses it.
package struct ListenerTLS: Sendable {
    let tls: ServerTLS
    let audience: ServerTLS.Audience

    /// See `ServerTLS`.
    package init(_ tls: ServerTLS, for audience: ServerTLS.Audience) { (self.tls, self.audience) = (tls, audience) }
}

/// Gives the connections of one listener their handlers.
struct ConnectionPipeline: Sendable {
    /// What is offered by ALPN (RFC 7301), best first. Who does not ask is taken to mean HTTP/1.1.
    static let protocols = ["h2", "http/1.1"]

    let service: any RequestHandling
    private(set) var limits: ConnectionLimits
    let executors: ExecutorTable
    /// Nil: plain.
    let tls: ListenerTLS?
    let users = PeerUsers()
    /// Whether tools that know may speak HTTP/2 without TLS.
    let h2c: Bool

    /// The same for connections with other limits.
    func with(_ limits: ConnectionLimits) -> ConnectionPipeline {
        var pipeline = self
        pipeline.limits = limits
        return pipeline
    }

    /// To be called once for each new connection, before anything has been read from it.
    func begin(on channel: any Channel) throws {
        let isOneTooMany = !service.activity.open(channel)
        if !isOneTooMany { channel.closeFuture.whenComplete { _ in service.activity.close(channel) } }
        if channel.remoteAddress?.protocol != .unix {
            _ = channel.setOption(.tcpOption(.tcp_nodelay), value: 1)
        }
        if isOneTooMany {
            guard tls != nil else { return try addRefusal(to: channel, channel.remoteAddress.peerName, nil) }
            guard service.activity.refusalBegan() else { return channel.close(promise: nil) }
            channel.closeFuture.whenComplete { _ in service.activity.refusalEnded() }
        }
        let peer = Peer(address: channel.remoteAddress.peerName, identity: users.identity(of: channel))
        guard let rules = service.preambles else { return try begin(on: channel, peer, isOneTooMany: isOneTooMany) }
        if rules.expect(from: peer.address) {
            let preamble = PreambleHandler(rules, peer: peer.address, timeout: limits.headerTimeout) { source in
                try begin(on: channel, peer.introduced(as: source), isOneTooMany: isOneTooMany)
            }
            return try channel.pipeline.syncOperations.addHandler(preamble)
        }
        try channel.pipeline.syncOperations.addHandler(PreambleGuard(rules, peer: peer.address))
        try begin(on: channel, peer, isOneTooMany: isOneTooMany)
    }

    /// It is known whose connection it is.
    private func begin(on channel: any Channel, _ peer: Peer, isOneTooMany: Bool) throws {
        if let tls { return try beginTLS(on: channel, peer, tls, isOneTooMany: isOneTooMany) }
        guard h2c else { return try addHTTP1(to: channel, peer) }
        try channel.pipeline.syncOperations.addHandler(
            PrefaceHandler(limits, isDraining: { service.isDraining }) { isHTTP2 in
                if isHTTP2 { try addHTTP2(to: channel, peer) } else { try addHTTP1(to: channel, peer) }
            })
    }

    /// HTTP/1.1, whatever the connection came through.
    func addHTTP1(to channel: any Channel, _ peer: Peer) throws {
        let connection = ConnectionHandler(
            proxy: service, limits: limits, peer: peer, executor: executors[channel.eventLoop],
            knownHeads: executors.knownHeads(channel.eventLoop))
        try channel.pipeline.syncOperations.addHandlers(
            connection,
            ByteToMessageHandler(
                HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes, limitConfiguration: limits.ofDecoder)),
            connection.decodedParts)
    }

    /// HTTP/2, whatever the connection came through.
    func addHTTP2(to channel: any Channel, _ peer: Peer) throws {
        try HTTP2Pipeline.add(
            to: channel, proxy: service, limits: limits, peer: peer, executor: executors[channel.eventLoop],
            knownHeads: executors.knownHeads(channel.eventLoop))
    }

    // MARK: TLS

    private func beginTLS(on channel: any Channel, _ peer: Peer, _ tls: ListenerTLS, isOneTooMany: Bool) throws {
        let context = tls.tls.context(for: tls.audience)
        let ready = NIOSSLServerHandler(context: context)
        let handshake = HandshakeHandler(timeout: limits.headerTimeout) { negotiated in
            if isOneTooMany { return try addRefusal(to: channel, peer.address, negotiated) }
            let identity = try ready.peerCertificate.map { try tls.tls.identity(of: $0, in: context) }
            try proceed(on: channel, peer.secured(identity), negotiated)
        } failed: { trouble in
            service.failed(trouble, peer: peer.address)
        }
        try channel.pipeline.syncOperations.addHandlers(
            PlainRequestGuard(service, peer: peer.address, handshake: handshake), ready, handshake)
    }

    /// The handshake is complete: `negotiated` (ALPN) says what is spoken; nil: the peer did not ask.
    private func proceed(on channel: any Channel, _ peer: Peer, _ negotiated: String?) throws {
        try channel.pipeline.syncOperations.addHandler(RecordWriter())
        if negotiated == "h2" { try addHTTP2(to: channel, peer) } else { try addHTTP1(to: channel, peer) }
    }

    /// One connection too many, which can be told so by now.
    private func addRefusal(to channel: any Channel, _ peer: String, _ negotiated: String?) throws {
        if negotiated == "h2" {
            return try channel.pipeline.syncOperations.addHandler(HTTP2Refusal(service, peer: peer))
        }
        try channel.pipeline.syncOperations.addHandler(OverLimitHandler(service, peer: peer, lingers: tls != nil))
    }
}
