// Connection max_connections + 1: one answer, then closed. No parser, no memory.

import HTTPTypes
import NIOCore

final class OverLimitHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let service: any RequestHandling

    private let peer: String

    init(_ service: any RequestHandling, peer: String) { (self.service, self.peer) = (service, peer) }

    func channelActive(context: ChannelHandlerContext) {
        let answer = service.overLimitAnswer(peer: peer)
        let channel = context.channel
        context.writeAndFlush(wrapOutboundOut(answer.bytes(toHead: false))).whenComplete { _ in
            channel.close(promise: nil)
        }
    }
}
