// What a connection is given: its limits, and who handles its requests.

import HTTPTypes
import NIOCore
import NIOHTTP1

/// Limits of a connection; all times are enforced by one lazy timer.
package struct ConnectionLimits: Equatable, Sendable {
    /// From the first byte of a head to its end.
    package var headerTimeout: TimeAmount
    /// Between requests, and the longest silence in mid-body or while the tool does not read.
    package var idleTimeout: TimeAmount
    /// Bytes of header fields.
    package var maxHeaderBytes: Int
    /// Bytes of a request body.
    package var maxBodyBytes: Int
    /// Bytes a second, of bodies that have taken longer than `graceForBodies`; 0: no limit.
    package var minBodyRate: Int

    /// See the properties.
    package init(
        headerTimeout: TimeAmount, idleTimeout: TimeAmount, maxHeaderBytes: Int, maxBodyBytes: Int, minBodyRate: Int
    ) {
        (self.headerTimeout, self.idleTimeout) = (headerTimeout, idleTimeout)
        (self.maxHeaderBytes, self.maxBodyBytes, self.minBodyRate) = (maxHeaderBytes, maxBodyBytes, minBodyRate)
    }

    /// How long a body may take before its rate counts.
    static let graceForBodies = TimeAmount.seconds(10)

    /// Until when more of a body must have come that is waited for since `since`: it is silent then, or has come more slowly
    /// than `min_rate` allows. Only the time counts in which it was waited for.
    func bodyDeadline(since: NIODeadline, bytes: Int, earlierWaits: TimeAmount) -> NIODeadline {
        guard minBodyRate > 0 else { return since + idleTimeout }
        let (seconds, rest) = bytes.quotientAndRemainder(dividingBy: minBodyRate)
        let earned =
            TimeAmount.seconds(Int64(seconds)) + .nanoseconds(Int64(rest) * 1_000_000_000 / Int64(minBodyRate))
        return min(since + idleTimeout, since + Self.graceForBodies + earned - earlierWaits)
    }

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

/// A complete answer, after which the connection is closed.
package struct LastAnswer {
    let status: HTTPResponse.Status
    let fields: HTTPFields
    let body: [UInt8]

    /// - Parameter fields: without framing and hop-by-hop ones.
    package init(_ status: HTTPResponse.Status, _ fields: HTTPFields, body: [UInt8]) {
        (self.status, self.fields, self.body) = (status, fields, body)
    }

    /// Its fields and the length of its body, as lines.
    var lines: ByteBuffer {
        var bytes = ByteBuffer()
        bytes.writeLines(room: ResponseHead.usualBytes) { lines in
            for field in fields { lines.put(field) }
            ResponseHead.putFraming(.length(body.count), into: &lines)
        }
        return bytes
    }

    /// - Parameter toHead: the request was a HEAD: there is no body.
    func bytes(toHead: Bool) -> ByteBuffer {
        var bytes = ByteBuffer()
        ResponseHead.write(status, fields, .length(body.count), connection: "close", into: &bytes)
        if !toHead { bytes.writeBytes(body) }
        return bytes
    }
}

/// What is known of something that never became a request.
package struct RefusedRequest {
    /// The other end of the connection.
    package let peer: String
    /// The values of `X-Forwarded-For`, as far as they may count.
    package let forwardedFor: [String]
    /// Nil where not even that could be read.
    package let method: String?
    /// The correlation id that the tool offers, whatever it looks like.
    package let offeredID: String?

    init(peer: String, forwardedFor: [String] = [], method: String?, offeredID: String?) {
        (self.peer, self.forwardedFor, self.method, self.offeredID) = (peer, forwardedFor, method, offeredID)
    }

    /// Whether the answer has no body.
    package var isHead: Bool { method == "HEAD" }
}

/// Why a connection came to nothing before there was a request.
package enum ConnectionTrouble: Sendable, Equatable {
    /// A TLS handshake on a port without TLS.
    case tlsOnPlainPort
    /// Why, in a word of the TLS library's.
    case handshakeFailed(String)
    /// It was not complete within `listen.header_timeout`.
    case handshakeTimedOut
}

/// What a listener needs from the service behind it.
package protocol RequestHandling: AnyObject, Sendable {
    /// Counts what is open and under way.
    var activity: Activity { get }
    /// Whether new requests are turned away.
    var isDraining: Bool { get }
    /// Takes a request over. Called on the event loop; must end the exchange and leave it, once, now or later. What is found
    /// out about its head can be kept in `exchange.known`: that is handed back with every request that has the same
    /// bytes, on any connection of the listener, so it must hold nothing of the one that brought it first.
    func handle(_ exchange: Exchange)
    /// The answer to what never became a request. It is written down already when this returns.
    func answer(_ failure: WireFailure, to request: RefusedRequest) -> LastAnswer
    /// A connection ended before there was a request.
    func failed(_ trouble: ConnectionTrouble, peer: String)
    /// What a connection gets that is one too many.
    func overLimitAnswer(peer: String) -> LastAnswer
    /// Where PROXY preambles are expected; nil: nowhere, and they are no HTTP. Asked for once a connection.
    var preambles: PreambleRules? { get }
}
