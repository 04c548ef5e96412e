// What the HTTP decoder's errors mean for the tool.

import NIOCore
import NIOHTTP1

enum DecodingFailure {
    /// The failure to answer with; nil when the connection itself broke and nobody is left to be told.
    static func failure(for error: any Error, firstLineBytes: Int) -> Failure? {
        guard let error = error as? HTTPParserError else { return nil }
        switch error {
        case .headerOverflow where firstLineBytes > RequestHead.maxTargetBytes:
            return Failure(.targetTooLong, "The request target is longer than \(RequestHead.maxTargetBytes) bytes.")
        case .headerOverflow:
            return Failure(
                .headersTooLarge, "The request headers are larger than listen.max_header_bytes, or too many.")
        case .invalidEOFState, .closedConnection:
            return nil
        case .invalidChunkSize:
            return .invalid("The chunked request body is malformed.")
        case .invalidContentLength, .unexpectedContentLength:
            return .invalid("Content-Length is malformed, repeated, or stands beside Transfer-Encoding.")
        case .invalidMethod:
            return .invalid("The request method is not known.")
        case .invalidVersion:
            return .invalid("Only HTTP/1.0 and HTTP/1.1 are spoken here.")
        default:
            return .invalid("The request is not well-formed HTTP/1.1.")
        }
    }
}

/// Stands before the decoder and tells the connection that bytes arrive, so that the clock of a request head starts
/// with its first byte.
final class HeadWatch: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let connection: ConnectionHandler

    init(_ connection: ConnectionHandler) { self.connection = connection }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        connection.willDecode(unwrapInboundIn(data))
        context.fireChannelRead(data)
    }
}
