// Takes the PROXY preamble off a connection before TLS and HTTP see it. Deadlines are those of the connection behind: to it,
// nothing has come yet.

import Ground
import NIOCore

/// Where a listener expects PROXY preambles (`listen.proxy_protocol`).
package struct PreambleRules: Sendable {
    /// From whom.
    let proxies: [NetworkRange]
    /// Is told of each connection that is ended for its preamble: what is wrong, and its own address.
    let trouble: @Sendable (_ problem: String, _ peer: String) -> Void

    /// See the properties.
    package init(proxies: [NetworkRange], trouble: @escaping @Sendable (_ problem: String, _ peer: String) -> Void) {
        (self.proxies, self.trouble) = (proxies, trouble)
    }
}

/// Stands first in the pipeline of a connection, and leaves it when that is settled. Confined to its event loop.
final class PreambleHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private enum State {
        /// A preamble must come.
        case expecting
        /// None may come.
        case watching
        /// What comes is for those behind.
        case settled
        /// The connection ends.
        case ended
    }

    private let rules: PreambleRules
    private let peer: Peer
    private var state: State
    private var pending = ByteBuffer()

    init(_ rules: PreambleRules, _ peer: Peer) {
        self.rules = rules
        self.peer = peer
        let isTrusted = IPAddress(peer.address).map { address in rules.proxies.contains { $0.contains(address) } }
        state = isTrusted == true ? .expecting : .watching
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        switch state {
        case .ended: break
        case .settled: context.fireChannelRead(wrapInboundOut(bytes))
        case .expecting:
            pending.writeBuffer(&bytes)
            expect(context)
        case .watching:
            pending.writeImmutableBuffer(bytes)
            watch(context, bytes)
        }
    }

    private func expect(_ context: ChannelHandlerContext) {
        switch ProxyPreamble.read(pending.readableBytesView) {
        case .more: return
        case .broken(let problem): end(context, problem.rawValue)
        case .complete(let length, let source):
            pending.moveReaderIndex(forwardBy: length)
            peer.introduce(source)
            settle(context, pending)
        }
    }

    /// Of whom none is expected, nothing is held back either.
    private func watch(_ context: ChannelHandlerContext, _ bytes: ByteBuffer) {
        switch ProxyPreamble.isBegun(by: pending.readableBytesView) {
        case true: end(context, "a PROXY preamble came from an address that is not in listen.trusted_proxies")
        case false: settle(context, bytes)
        case nil: context.fireChannelRead(wrapInboundOut(bytes))
        }
    }

    private func settle(_ context: ChannelHandlerContext, _ bytes: ByteBuffer) {
        state = .settled
        pending = ByteBuffer()
        // Who has left the pipeline reaches nobody in it any more.
        if bytes.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(bytes)) }
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }

    private func end(_ context: ChannelHandlerContext, _ problem: String) {
        state = .ended
        pending = ByteBuffer()
        rules.trouble(problem, peer.address)
        context.close(promise: nil)
    }
}
