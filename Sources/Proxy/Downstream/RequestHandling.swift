// What a connection is given: its limits, and who handles its requests.

import Configuration
import NIOCore
import NIOHTTP1

/// Limits of a connection; all times are enforced by one lazy timer.
struct ConnectionLimits: Equatable {
    var headerTimeout: TimeAmount
    var idleTimeout: TimeAmount
    var maxHeaderBytes: Int
    var maxBodyBytes: Int
    /// Bytes a second, of bodies that have taken longer than `ConnectionState.graceForBodies`; 0: no limit.
    var minBodyRate: Int

    /// A head with its target, line ends and blanks.
    var maxHeadBytes: Int { maxHeaderBytes + HeadScan.maxLineBytes + 4_096 }

    var ofDecoder: NIOHTTPDecoderLimitConfiguration {
        var limits = NIOHTTPDecoderLimitConfiguration()
        // The target counts as a field and as a part of the list, and has a limit of its own.
        limits.maxHeaderFieldSize = max(maxHeaderBytes, HeadScan.maxLineBytes)
        limits.maxHeaderListSize = maxHeaderBytes + HeadScan.maxLineBytes
        return limits
    }
}

extension ConnectionLimits {
    init(_ config: Config.Listen) {
        self.init(
            headerTimeout: TimeAmount(config.headerTimeout), idleTimeout: TimeAmount(config.idleTimeout),
            maxHeaderBytes: config.maxHeaderBytes, maxBodyBytes: config.maxBodyBytes,
            minBodyRate: config.minRate)
    }
}

/// What a connection needs from the service behind its listener.
protocol RequestHandling: AnyObject, Sendable {
    var activity: Activity { get }
    /// What a connection gets that is one too many.
    func overLimitAnswer(peer: String) -> ByteBuffer
    /// Takes a request over. Called on the event loop; must end the exchange and leave it, once, now or later. What is found
    /// out about its head can be kept in `exchange.known`: that is handed back with every request that has the same
    /// bytes, on any connection of the listener, so it must hold nothing of the one that brought it first.
    func handle(_ exchange: Exchange)
    /// Answers what never became a request; `head` is nil where it could not even be decoded.
    func refuse(_ failure: Failure, _ head: HTTPRequestHead?, on connection: ConnectionHandler)
    var isDraining: Bool { get }
}
