// A plain HTTP request on a TLS port: its sender gets an answer that it can read, and the connection is closed.

import NIOCore

/// Stands before TLS until the first bytes have come. Confined to its event loop.
final class PlainRequestGuard: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let service: any RequestHandling
    private let peer: String
    private let handshake: HandshakeHandler
    /// How much came after the answer; nil while there is none.
    private var dropped: Int?

    init(_ service: any RequestHandling, peer: String, handshake: HandshakeHandler) {
        (self.service, self.peer, self.handshake) = (service, peer, handshake)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        if let dropped {
            self.dropped = dropped + bytes.readableBytes
            if dropped > ConnectionState.lingerBytes { context.close(promise: nil) }
            return
        }
        guard let method = FirstBytes.method(bytes) else {
            context.fireChannelRead(data)
            return context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
        }
        refuse(method, context)
    }

    /// As after every last answer, what still comes is read and dropped for a moment, so that the answer can be read.
    func channelReadComplete(context: ChannelHandlerContext) {
        if dropped == nil { return context.fireChannelReadComplete() }
        context.read()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if dropped != nil, event is DrainEvent { return context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    private func refuse(_ method: String, _ context: ChannelHandlerContext) {
        handshake.giveUp()
        dropped = 0
        let request = RefusedRequest(peer: peer, method: method, offeredID: nil)
        let answer = service.answer(
            .invalid("This port speaks TLS, and the request came in plain HTTP: call it by https://."), to: request)
        context.writeAndFlush(wrapOutboundOut(answer.bytes(toHead: request.isHead)), promise: nil)
        context.close(mode: .output, promise: nil)
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: ConnectionState.lingerTime) { bound.value.close(promise: nil) }
    }
}
