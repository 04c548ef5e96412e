// Connection max_connections + 1: one answer, then closed. No parser, no memory.

import HTTPTypes
import NIOCore

final class OverLimitHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let service: any RequestHandling
    private let lingers: Bool

    private let peer: String

    /// - Parameters:
    ///   - peer: who is told.
    ///   - lingers: what the peer sends meanwhile is read and dropped for a moment, so that it can read the answer. Only where the
    ///     number of such connections is limited.
    init(_ service: any RequestHandling, peer: String, lingers: Bool = false) {
        (self.service, self.peer, self.lingers) = (service, peer, lingers)
    }

    func channelActive(context: ChannelHandlerContext) {
        let answer = service.overLimitAnswer(peer: peer)
        let (channel, lingers) = (context.channel, lingers)
        context.writeAndFlush(wrapOutboundOut(answer.bytes(toHead: false))).whenComplete { _ in
            channel.close(mode: lingers ? .output : .all, promise: nil)
        }
        guard lingers else { return }
        context.read()
        context.eventLoop.scheduleTask(in: ConnectionState.lingerTime) { channel.close(promise: nil) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {}

    func channelReadComplete(context: ChannelHandlerContext) { if lingers { context.read() } }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
