// What a connection is given: its limits, and who handles its requests.

import NIOCore
import NIOHTTP1

/// Limits of a connection; all times are enforced by one lazy timer.
struct ConnectionLimits {
    var headerTimeout: TimeAmount
    var idleTimeout: TimeAmount
    var maxBodyBytes: Int
}

/// What the connection needs from the proxy.
protocol RequestHandling: AnyObject {
    /// Takes a request over. Called on the event loop; must end the exchange exactly once, now or later.
    func handle(_ exchange: Exchange, on connection: ConnectionHandler)
    /// Answers what never became a request; `head` is nil where it could not even be decoded.
    func refuse(_ failure: Failure, _ head: HTTPRequestHead?, on connection: ConnectionHandler)
    /// A new exchange record for a head that has just been read; `offeredID` is the tool's correlation id.
    func newRecord(
        _ head: RequestHead, path: String, offeredID: String?, on connection: ConnectionHandler
    ) -> ExchangeRecord
    var isDraining: Bool { get }
}
