// One connection: puts requests together, answers them one at a time in their order, writes as fast as the peer
// reads and no faster, and carries out what an exchange says about delays, silence and ends.

import NIOCore
import NIOHTTP1

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// The only handler behind the request decoder. Runs on its channel's event loop.
final class ConnectionHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Fired through the pipeline to end all silences.
    struct Release: Sendable {}

    private enum Phase { case idle, delayed, held, writing, stalled, ended }

    private struct Assembly {
        var request: RecordedRequest
        let keepAlive: Bool
        var awaitsContinue: Bool
    }

    private static let queueLimit = 32
    private static let bodyLimit = 16 * 1024 * 1024

    private let number: Int
    private let onTokenListener: Bool
    private let clock: SimulatorClock
    private let respond: @Sendable (RecordedRequest) -> Exchange

    private var assembly: Assembly?
    private var queue: [Assembly] = []
    private var readIsPending = false
    private var phase = Phase.idle
    private var response: OutgoingResponse?
    private var afterwards = Exchange.Afterwards.keepAlive
    private var timer: Scheduled<Void>?

    init(
        number: Int, onTokenListener: Bool, clock: SimulatorClock,
        respond: @escaping @Sendable (RecordedRequest) -> Exchange
    ) {
        self.number = number
        self.onTokenListener = onTokenListener
        self.clock = clock
        self.respond = respond
    }

    // MARK: Requests in

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard phase != .ended else { return }
        switch unwrapInboundIn(data) {
        case .head(let head):
            let expects = head.headers[canonicalForm: "expect"].contains { $0.lowercased() == "100-continue" }
            assembly = Assembly(
                request: RecordedRequest(
                    method: head.method.rawValue, target: head.uri,
                    version: "HTTP/\(head.version.major).\(head.version.minor)",
                    headers: head.headers.map { HeaderField($0.name, $0.value) }, body: [], time: .zero,
                    connection: number, onTokenListener: onTokenListener),
                keepAlive: head.isKeepAlive, awaitsContinue: expects && head.version == .http1_1)
            sendContinue(context)
        case .body(let part):
            assembly?.request.body += part.readableBytesView
            if (assembly?.request.body.count ?? 0) > ConnectionHandler.bodyLimit {
                refuse(context, status: 413)
            }
        case .end:
            guard var complete = assembly else { return }
            assembly = nil
            complete.request.time = clock.now()
            queue.append(complete)
            advance(context)
        }
    }

    func read(context: ChannelHandlerContext) {
        if queue.count < ConnectionHandler.queueLimit { context.read() } else { readIsPending = true }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if error is HTTPParserError { refuse(context, status: 400) } else { context.close(promise: nil) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        phase = .ended
        timer?.cancel()
        context.fireChannelInactive()
    }

    /// An interim answer may only go out when no earlier request still waits for its own.
    private func sendContinue(_ context: ChannelHandlerContext) {
        guard phase == .idle, queue.isEmpty, assembly?.awaitsContinue == true else { return }
        assembly?.awaitsContinue = false
        write(ByteBuffer(string: "HTTP/1.1 100 Continue\r\n\r\n"), context)
    }

    /// An answer outside of all exchanges, to a peer that does not speak HTTP; the connection ends.
    private func refuse(_ context: ChannelHandlerContext, status: Int) {
        guard phase == .idle else {
            context.close(promise: nil)
            return
        }
        let exchange = Exchange(answer: .empty(status))
        response = OutgoingResponse(exchange, method: "GET", isHTTP10: false, keepAlive: false)
        afterwards = .close
        phase = .writing
        pump(context)
    }

    // MARK: Responses out

    private func advance(_ context: ChannelHandlerContext) {
        while phase == .idle, !queue.isEmpty {
            let next = queue.removeFirst()
            let exchange = respond(next.request)
            response = OutgoingResponse(
                exchange, method: next.request.method, isHTTP10: next.request.version == "HTTP/1.0",
                keepAlive: next.keepAlive)
            afterwards = exchange.afterwards
            if case .keepAlive = afterwards, !next.keepAlive || response?.endsWithClose == true { afterwards = .close }
            if exchange.held {
                phase = .held
            } else if exchange.delay > .zero {
                phase = .delayed
                let wait = TimeAmount.nanoseconds(exchange.delay.wholeNanoseconds)
                timer = context.eventLoop.assumeIsolated().scheduleTask(in: wait) {
                    self.phase = .writing
                    self.pump(context)
                }
            } else {
                phase = .writing
                pump(context)
            }
        }
        sendContinue(context)
        if readIsPending, queue.count < ConnectionHandler.queueLimit {
            readIsPending = false
            context.read()
        }
    }

    /// Writes while the peer takes it. Called again when the socket can take more.
    private func pump(_ context: ChannelHandlerContext) {
        while phase == .writing, context.channel.isWritable {
            switch response?.next() ?? .done {
            case .bytes(let piece): write(piece, context)
            case .stalled: phase = .stalled
            case .done: finish(context)
            }
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        pump(context)
        if phase == .idle { advance(context) }
        context.fireChannelWritabilityChanged()
    }

    private func finish(_ context: ChannelHandlerContext) {
        response = nil
        switch afterwards {
        case .keepAlive:
            phase = .idle
            // From `advance` its own loop goes on; from a timer or the socket nobody else would.
            if !queue.isEmpty || assembly?.awaitsContinue == true {
                context.eventLoop.assumeIsolated().execute { self.advance(context) }
            }
        case .close:
            phase = .ended
            // Closing at once would drop what the socket has not taken yet.
            let flushed = context.eventLoop.makePromise(of: Void.self)
            flushed.futureResult.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
            context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: flushed)
        case .reset:
            phase = .ended
            _ = (context.channel as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0))
            context.close(promise: nil)
        }
    }

    private func write(_ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
    }

    // MARK: The end of silences

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard event is Release else {
            context.fireUserInboundEventTriggered(event)
            return
        }
        guard phase == .held || phase == .stalled else { return }
        response?.release()
        phase = .writing
        pump(context)
    }
}
