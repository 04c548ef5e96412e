// What the HTTP decoder finds, put together with what it does not keep.

import NIOCore
import NIOHTTP1

/// Takes the parts of requests in their order.
protocol PartTaking: AnyObject {
    func take(_ part: ReceivedPart)
}

/// Stands behind the decoder. Confined to the connection's event loop.
final class DecodedParts: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart

    private unowned let connection: any PartTaking
    /// The head of the message that the decoder is in the middle of.
    private(set) var openHead: HTTPRequestHead?
    /// The decoder has given up: nothing that comes can be understood any more.
    private(set) var hasFailed = false
    private var notes: HeadNotes?
    private var raw: ByteBuffer?

    init(_ connection: any PartTaking) { self.connection = connection }

    /// The head that the decoder is given next: what it says beyond its decoded form, and its bytes as they came.
    func expect(_ notes: HeadNotes?, raw: ByteBuffer) { (self.notes, self.raw) = (notes, raw) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            openHead = head
            connection.take(.head(head, notes, raw: raw))
            (notes, raw) = (nil, nil)
        case .body(let bytes): connection.take(.body(bytes))
        case .end:
            openHead = nil
            connection.take(.end)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard !hasFailed else { return }
        // Bytes behind a last request are nobody's; the request itself is answered. What the connection's end leaves
        // half decoded is nobody's either.
        guard let failure = DecodingFailure.failure(for: error) else { return }
        hasFailed = true
        connection.take(.failed(failure, id: raw.flatMap { OfferedID.find(in: $0) }))
    }
}
