// Takes the PROXY preamble off a connection before TLS and HTTP see it, and sees to it that nobody else sends one.

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

    /// Whether a preamble must come from this address; from others none may.
    func expect(from peer: String) -> Bool {
        IPAddress(peer).map { address in proxies.contains { $0.contains(address) } } ?? false
    }
}

/// Stands alone in the pipeline of a connection of which a preamble is expected, until that has come. Confined to its event
/// loop.
final class PreambleHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let rules: PreambleRules
    private let peer: String
    private let timeout: TimeAmount
    /// Gives the connection its handlers; called once.
    private let completed: (_ source: IPAddress?) throws -> Void
    private var pending = ByteBuffer()
    private var timer: Scheduled<Void>?
    private var isOver = false

    /// - Parameters:
    ///   - peer: the connection's own address.
    ///   - timeout: for the whole preamble.
    init(
        _ rules: PreambleRules, peer: String, timeout: TimeAmount,
        completed: @escaping (_ source: IPAddress?) throws -> Void
    ) {
        (self.rules, self.peer, self.timeout, self.completed) = (rules, peer, timeout, completed)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        timer = context.eventLoop.scheduleTask(in: timeout) { bound.value.close(promise: nil) }
    }

    func handlerRemoved(context: ChannelHandlerContext) { timer?.cancel() }

    /// Whoever comes behind hears of it when the preamble is there. Reading is on demand.
    func channelActive(context: ChannelHandlerContext) { context.read() }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isOver else { return }
        var bytes = unwrapInboundIn(data)
        pending.writeBuffer(&bytes)
        switch ProxyPreamble.read(pending.readableBytesView) {
        case .more: return
        case .broken(let problem):
            isOver = true
            rules.trouble(problem.rawValue, peer)
            context.close(promise: nil)
        case .complete(let length, let source):
            isOver = true
            pending.moveReaderIndex(forwardBy: length)
            complete(source, context)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if !isOver { context.read() }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // Nothing has been asked yet.
        if event is DrainEvent { context.close(promise: nil) } else { context.fireUserInboundEventTriggered(event) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func complete(_ source: IPAddress?, _ context: ChannelHandlerContext) {
        do {
            try completed(source)
        } catch {
            return context.close(promise: nil)
        }
        context.fireChannelActive()
        // Who has left the pipeline reaches nobody in it any more.
        if pending.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(pending)) }
        pending = ByteBuffer()
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
    }
}

/// Stands first in the pipeline of a connection of which no preamble is expected, until it is clear that none comes. Nothing
/// is held back. Confined to its event loop.
final class PreambleGuard: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer

    private let rules: PreambleRules
    private let peer: String
    private var seen = ByteBuffer()
    private var isEnded = false

    init(_ rules: PreambleRules, peer: String) { (self.rules, self.peer) = (rules, peer) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isEnded else { return }
        seen.writeImmutableBuffer(unwrapInboundIn(data))
        let isPreamble = ProxyPreamble.isBegun(by: seen.readableBytesView)
        guard isPreamble != true else {
            isEnded = true
            rules.trouble("a PROXY preamble came from an address that is not in listen.trusted_proxies", peer)
            return context.close(promise: nil)
        }
        context.fireChannelRead(data)
        if isPreamble == false { context.pipeline.syncOperations.removeHandler(context: context, promise: nil) }
    }
}
