// Joins small writes into TLS records. NIOSSL makes at least one of each buffer that it is given: a head and a short body would
// be two of them, with a frame's head between them three, and each costs its sender and its receiver a round of encryption.

import NIOCore

/// Stands behind the TLS handler once the handshake is complete. Confined to its event loop.
final class RecordWriter: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Bytes of a full record (RFC 8446 section 5.1).
    static let recordBytes = 16 << 10

    /// What waits for its record to be full, or for a flush; shorter than one in all.
    private var pieces: [ByteBuffer] = []
    private var bytes = 0

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        var piece = unwrapOutboundIn(data)
        if bytes + piece.readableBytes >= Self.recordBytes {
            if bytes > 0 {
                add(piece.readSlice(length: Self.recordBytes - bytes) ?? ByteBuffer())
                pass(context)
            }
            // Of what is whole records by itself NIOSSL makes them without a copy.
            if piece.readableBytes >= Self.recordBytes || promise != nil {
                return context.write(wrapOutboundOut(piece), promise: promise)
            }
        }
        add(piece)
        if let promise { pass(context, promise) }
    }

    func flush(context: ChannelHandlerContext) {
        pass(context)
        context.flush()
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        pass(context)
        context.close(mode: mode, promise: promise)
    }

    func handlerRemoved(context: ChannelHandlerContext) { (pieces, bytes) = ([], 0) }

    private func add(_ piece: ByteBuffer) {
        pieces.append(piece)
        bytes += piece.readableBytes
    }

    /// What waits becomes one write.
    private func pass(_ context: ChannelHandlerContext, _ promise: EventLoopPromise<Void>? = nil) {
        guard let first = pieces.first else { return }
        var whole = first
        if pieces.count > 1 {
            whole = context.channel.allocator.buffer(capacity: bytes)
            for piece in pieces { whole.writeImmutableBuffer(piece) }
        }
        pieces.removeAll(keepingCapacity: true)
        bytes = 0
        context.write(wrapOutboundOut(whole), promise: promise)
    }
}
