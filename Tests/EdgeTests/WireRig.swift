// A connection without a socket: bytes in, what the service is handed and what goes out.

import HTTPTypes
import NIOCore
import NIOEmbedded
import NIOHTTP1

@testable import Edge

/// Answers every request at once, or holds it, and notes what it was handed.
final class NotingService: RequestHandling {
    let activity = Activity(maxConnections: 10)
    let preambles: PreambleRules? = nil
    // Proof of `unsafe`: every test drives its channels from one thread.
    nonisolated(unsafe) private(set) var notes: [String] = []
    /// Requests whose head was handed over with what an earlier one had left.
    nonisolated(unsafe) private(set) var known = 0
    nonisolated(unsafe) var isDraining = false
    /// Requests are not answered but kept here.
    nonisolated(unsafe) var holds = false
    nonisolated(unsafe) private(set) var held: [Exchange] = []

    private final class Mark {}

    func overLimitAnswer(peer: String) -> LastAnswer { LastAnswer(.serviceUnavailable, [:], body: []) }

    func handle(_ exchange: Exchange) {
        if exchange.known?.memo != nil { known += 1 }
        exchange.known?.memo = Mark()
        let head = exchange.head
        let facts = [
            exchange.peer, head.method.rawValue, head.target, head.path, head.authorityText, "\(head.isHTTP10)",
            "\(head.keepsAlive)", "\(head.isAbsoluteForm)", "\(head.framing)", "\(exchange.requestIsComplete)",
            "id=" + (exchange.offeredID.flatMap { OfferedID.isAcceptable($0) ? $0 : nil } ?? "none"),
        ]
        let fields = head.fields.map { field in
            "\(field.name.rawName)=\(field.withUnsafeBytesOfValue { Array($0) })"
        }
        notes.append((facts + fields).joined(separator: " "))
        if holds { return held.append(exchange) }
        exchange.respond(.ok, [:], body: [])
        exchange.leave()
    }

    func failed(_ trouble: ConnectionTrouble, peer: String) { notes.append("\(peer) failed: \(trouble)") }

    func answer(_ failure: WireFailure, to request: RefusedRequest) -> LastAnswer {
        notes.append("\(request.peer) refused \(failure.reason) \(failure.message)")
        return LastAnswer(.badRequest, [:], body: Array("refused".utf8))
    }
}

/// One connection of a listener.
struct WireRig {
    let channel: EmbeddedChannel
    let service: NotingService
    let connection: ConnectionHandler

    init(
        _ service: NotingService, peer: String = "peer", heads: KnownHeads<KnownRequest>,
        local: SocketAddress? = nil
    ) throws {
        self.service = service
        channel = EmbeddedChannel()
        channel.localAddress = local
        let limits = ConnectionLimits(
            headerTimeout: .seconds(10), idleTimeout: .seconds(75), maxHeaderBytes: 16 << 10, maxBodyBytes: 1 << 20,
            minBodyRate: 1_024)
        connection = ConnectionHandler(
            proxy: service, limits: limits, peer: Peer(address: peer), executor: EventLoopExecutor(channel.eventLoop),
            knownHeads: heads)
        try channel.pipeline.syncOperations.addHandlers(
            connection,
            ByteToMessageHandler(
                HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes, limitConfiguration: limits.ofDecoder)),
            connection.decodedParts)
        channel.connect(to: try SocketAddress(ipAddress: "127.0.0.1", port: 1), promise: nil)
    }

    func read(_ bytes: [UInt8]) { _ = try? channel.writeInbound(ByteBuffer(bytes: bytes)) }
    func read(_ text: String) { read(Array(text.utf8)) }

    func pass(_ time: TimeAmount) { channel.embeddedEventLoop.advanceTime(by: time) }

    func tell(_ event: DrainEvent) { channel.pipeline.fireUserInboundEventTriggered(event) }

    /// What has gone out since this was asked last.
    func sentText() -> String { String(decoding: sent(), as: UTF8.self) }

    func sent() -> [UInt8] {
        var bytes: [UInt8] = []
        while let buffer = try? channel.readOutbound(as: ByteBuffer.self) { bytes += buffer.readableBytesView }
        return bytes
    }
}
