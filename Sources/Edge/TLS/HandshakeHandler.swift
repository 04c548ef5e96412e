// Between TLS and HTTP until the handshake is complete: then it gives way to what the negotiated protocol needs.

import NIOCore
import NIOSSL
import NIOTLS

/// Stands behind the TLS handler of a new connection. Confined to its event loop.
final class HandshakeHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer

    /// Gives the connection its handlers; called once.
    private let completed: (_ negotiated: String?) throws -> Void
    private let failed: (ConnectionTrouble) -> Void
    private let timeout: TimeAmount
    private var timer: Scheduled<Void>?
    private var isOver = false

    /// - Parameters:
    ///   - timeout: for the whole handshake.
    ///   - failed: called once, when it does not come to an end.
    init(
        timeout: TimeAmount, completed: @escaping (_ negotiated: String?) throws -> Void,
        failed: @escaping (ConnectionTrouble) -> Void
    ) {
        (self.timeout, self.completed, self.failed) = (timeout, completed, failed)
    }

    /// What the peer says is no handshake, and somebody else answers it.
    func giveUp() {
        isOver = true
        timer?.cancel()
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        timer = context.eventLoop.scheduleTask(in: timeout) {
            let (handler, context) = bound.value
            handler.fail(.handshakeTimedOut, context)
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) { timer?.cancel() }

    /// Whoever comes behind hears of it when the handshake is complete. Reading is on demand.
    func channelActive(context: ChannelHandlerContext) { context.read() }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case TLSUserEvent.handshakeCompleted(let negotiated): complete(negotiated, context)
        // Nothing has been asked yet.
        case is DrainEvent: close(context)
        default: break
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let text = Self.text(of: error) else { return close(context) }
        fail(.handshakeFailed(text), context)
    }

    func channelInactive(context: ChannelHandlerContext) {
        giveUp()
        context.fireChannelInactive()
    }

    private func complete(_ negotiated: String?, _ context: ChannelHandlerContext) {
        guard !isOver else { return }
        giveUp()
        do {
            try completed(negotiated)
        } catch {
            if let refused = error as? PeerIdentity.Refused { failed(.handshakeFailed(refused.rawValue)) }
            return context.close(promise: nil)
        }
        context.fireChannelActive()
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
    }

    private func fail(_ trouble: ConnectionTrouble, _ context: ChannelHandlerContext) {
        guard !isOver else { return }
        failed(trouble)
        close(context)
    }

    private func close(_ context: ChannelHandlerContext) {
        giveUp()
        context.close(promise: nil)
    }

    /// BoringSSL's word for it, nothing that the peer chose; nil for a peer that has left, as health checks do.
    private static func text(of error: any Error) -> String? {
        guard case .handshakeFailed(.sslError(let stack))? = error as? NIOSSLError, let cause = stack.first else {
            return error is IOError ? nil : "\(type(of: error))"
        }
        if cause == .eofDuringHandshake { return nil }
        // "… error:100000f7:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER at …"
        let parts = cause.description.split(separator: ":")
        guard let mark = parts.firstIndex(of: "OPENSSL_internal"), mark + 1 < parts.count else { return "unknown" }
        return String(parts[mark + 1].prefix { $0 != " " })
    }
}
