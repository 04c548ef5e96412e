// Commands out, replies in, each in its time: the end of a connection's pipeline. Confined to its event loop.

import NIOCore
import NIOSSL

/// The shell of `RESPParser` and `ReplyQueue`.
final class RedisHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    typealias Answer = Result<RESPValue, RedisTrouble>

    /// A server that owes a reply for so long beyond its time is left: the connection may lead nowhere.
    static let patience: TimeAmount = .seconds(1)
    /// So many bytes of commands may wait for a server that does not read.
    static let unsentLimit = 16 * 1024 * 1024

    private var parser = RESPParser()
    private var queue = ReplyQueue<(Answer) -> Void>()
    private var context: ChannelHandlerContext?
    private var timer: (due: NIODeadline, task: Scheduled<Void>)?
    private var unsent = 0
    /// Why it has ended.
    private var end: RedisTrouble?
    private let ended: (RedisTrouble) -> Void

    /// - Parameter ended: told once why the connection is of no use any more, on the event loop.
    init(ended: @escaping (RedisTrouble) -> Void) { self.ended = ended }

    /// Sends a command. `then` is told the reply, or why there is none; once, on the event loop. A reply that comes later than
    /// that is dropped.
    func send(_ command: RedisCommand, within time: TimeAmount, _ then: @escaping (Answer) -> Void) {
        guard let context, end == nil else { return then(.failure(end ?? .closed)) }
        guard !queue.isFull, unsent <= Self.unsentLimit else { return then(.failure(.crowded)) }
        var buffer = context.channel.allocator.buffer(capacity: 256)
        command.write(to: &buffer)
        let count = buffer.readableBytes
        unsent += count
        let due = context.eventLoop.now + time
        queue.sent(then, due: due.uptimeNanoseconds)
        let written = context.eventLoop.makePromise(of: Void.self)
        written.futureResult.assumeIsolated().whenComplete { _ in self.unsent -= count }
        context.writeAndFlush(wrapOutboundOut(buffer), promise: written)
        arm(due)
    }

    /// Ends the connection; whoever waits is told why.
    func close(_ trouble: RedisTrouble) {
        finish(trouble)
        context?.close(promise: nil)
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        finish(.closed)
        self.context = nil
    }

    func channelInactive(context: ChannelHandlerContext) {
        finish(.closed)
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard end == nil else { return }
        parser.feed(unwrapInboundIn(data))
        do throws(RESPGarbage) {
            while end == nil, let reply = try parser.next() { take(reply) }
        } catch {
            close(.garbage(error.message))
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let error = error as? NIOSSLError, case .uncleanShutdown = error { return close(.closed) }
        if error is NIOSSLError || error is NIOSSLExtraError || error is BoringSSLError {
            return close(.tls(RedisTrouble.printable("\(error)")))
        }
        close(.closed)
    }

    private func take(_ reply: RESPValue) {
        switch queue.replied() {
        case .waiter(let then):
            if case .error(let text) = reply {
                then(.failure(RedisTrouble(reply: text)))
            } else {
                then(.success(reply))
            }
        case .late: break
        case .unasked:
            // Servers say so before they close a connection: one too many, or in protected mode.
            if case .error(let text) = reply { return close(RedisTrouble(reply: text)) }
            close(.garbage("a reply that nobody has asked for"))
        }
    }

    private func finish(_ trouble: RedisTrouble) {
        guard end == nil else { return }
        end = trouble
        timer?.task.cancel()
        timer = nil
        for then in queue.ended() { then(.failure(trouble)) }
        ended(trouble)
    }

    private func arm(_ due: NIODeadline) {
        guard let context, timer.map({ due < $0.due }) ?? true else { return }
        timer?.task.cancel()
        let task = context.eventLoop.assumeIsolated().scheduleTask(deadline: due) { self.look() }
        timer = (due, task)
    }

    private func look() {
        timer = nil
        guard let context, end == nil else { return }
        let now = context.eventLoop.now.uptimeNanoseconds
        for then in queue.expired(now: now) { then(.failure(.silent)) }
        let patience = UInt64(Self.patience.nanoseconds)
        let leave = queue.owedBy.map { $0 + patience }
        if let leave, leave <= now { return close(.silent) }
        if let next = [queue.nextDue, leave].compactMap({ $0 }).min() { arm(.uptimeNanoseconds(next)) }
    }
}
