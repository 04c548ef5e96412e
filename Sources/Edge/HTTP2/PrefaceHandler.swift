// Finds out by the first bytes of a connection without TLS whether it speaks HTTP/2 (with prior knowledge, RFC 9113 section
// 3.3) or HTTP/1.1, and makes room for the handlers of either.

import NIOCore

/// Stands alone in the pipeline until it knows. Confined to the connection's event loop.
final class PrefaceHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let limits: ConnectionLimits
    private let isDraining: () -> Bool
    private let choose: (_ isHTTP2: Bool) throws -> Void
    private var bytes = ByteBuffer()
    private let timer = LazyTimer()
    private var hasChosen = false

    /// - Parameter choose: adds the handlers.
    init(_ limits: ConnectionLimits, isDraining: @escaping () -> Bool, choose: @escaping (Bool) throws -> Void) {
        (self.limits, self.isDraining, self.choose) = (limits, isDraining, choose)
    }

    func channelActive(context: ChannelHandlerContext) {
        // It came while the listener was being closed, too late to be told.
        if isDraining() { return context.close(promise: nil) }
        let channel = context.channel
        let patience = min(limits.headerTimeout, limits.idleTimeout)
        timer.expect(by: context.eventLoop.now + patience, on: context.eventLoop) { channel.close(promise: nil) }
        context.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var came = unwrapInboundIn(data)
        bytes.writeBuffer(&came)
        guard !hasChosen, let isHTTP2 = Self.speaksHTTP2(bytes) else { return }
        hasChosen = true
        timer.cancel()
        do {
            try choose(isHTTP2)
        } catch {
            context.close(promise: nil)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        guard hasChosen else { return context.read() }
        let read = bytes
        bytes = ByteBuffer()
        context.fireChannelActive()
        context.fireChannelRead(wrapInboundOut(read))
        context.fireChannelReadComplete()
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if !hasChosen, event is DrainEvent { return context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        timer.cancel()
        context.fireChannelInactive()
    }

    /// Nil while it may still be both.
    static func speaksHTTP2(_ bytes: ByteBuffer) -> Bool? {
        let preface = UnsafeRawBufferPointer(
            start: FrameScan.preface.utf8Start, count: FrameScan.preface.utf8CodeUnitCount)
        let isSame = bytes.readableBytesView.prefix(preface.count).elementsEqual(preface.prefix(bytes.readableBytes))
        guard isSame else { return false }
        return bytes.readableBytes >= preface.count ? true : nil
    }
}
