// What the HTTP decoder finds, put together with what it does not keep.

import NIOCore
import NIOHTTP1

/// Stands behind the decoder. Confined to the connection's event loop.
final class DecodedParts: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart

    private unowned let connection: ConnectionHandler
    /// The head of the message that the decoder is in the middle of.
    private(set) var openHead: HTTPRequestHead?
    private var notes: HeadNotes?
    private var raw: ByteBuffer?

    init(_ connection: ConnectionHandler) { self.connection = connection }

    /// The head that the decoder is given next: what it says beyond its decoded form, and its bytes as they came.
    func expect(_ notes: HeadNotes?, raw: ByteBuffer) { (self.notes, self.raw) = (notes, raw) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            openHead = head
            defer { (notes, raw) = (nil, nil) }
            connection.take(.head(head, notes, raw: raw))
        case .body(let bytes): connection.take(.body(bytes))
        case .end:
            openHead = nil
            connection.take(.end)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { connection.decoderFailed(error) }
}
