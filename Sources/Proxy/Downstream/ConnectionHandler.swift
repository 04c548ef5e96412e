// One tool's connection: HTTP/1.1 requests one after the other, each an `Exchange` (RFC 9112, 9.3).
//
// Reading is on demand. While an answer is under way nothing more is read, so pipelined requests wait in the
// socket (at most what one read delivered waits in `pipelined`). A tool that leaves is noticed all the same: the
// kernel reports the end of the stream without a read.

import DequeModule
import HTTPTypes
import NIOCore
import NIOHTTP1

final class ConnectionHandler: ChannelInboundHandler, ExchangeConnection {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = ByteBuffer

    let peer: String
    private let executor: EventLoopExecutor
    private let knownHeads: KnownHeads
    private let proxy: any RequestHandling
    private let limits: ConnectionLimits
    private var context: ChannelHandlerContext?

    private var current: Exchange?
    private var currentHasStarted = false
    private var pipelined: Deque<HTTPServerRequestPart> = []
    private var phase = Phase.idle
    private var phaseSince = NIODeadline.now()
    private var timer: Scheduled<Void>?
    /// Called when the tool leaves while its request is being worked on.
    var onCallerLeft: (() -> Void)?

    private enum Phase {
        /// Between requests.
        case idle
        /// A head has begun and is not complete.
        case readingHead
        /// An exchange is under way.
        case busy
        /// The last answer is out; what the tool still sends is read and dropped, so that it can read the answer.
        case lingering
        case closed
    }

    /// How long and how much is still read after a last answer, before the connection is closed hard.
    private static let lingerTime = TimeAmount.seconds(2)
    private static let lingerBytes = 4 << 20
    private var lingered = 0

    init(
        proxy: any RequestHandling, limits: ConnectionLimits, peer: String, executor: EventLoopExecutor,
        knownHeads: KnownHeads
    ) {
        self.knownHeads = knownHeads
        self.proxy = proxy
        self.limits = limits
        self.peer = peer
        self.executor = executor
    }

    // MARK: Channel events

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func channelActive(context: ChannelHandlerContext) {
        phaseSince = .now()
        armTimer(after: limits.headerTimeout)
        context.read()
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = unwrapInboundIn(data)
        switch phase {
        case .closed: return
        case .lingering: dropWhileLingering(part)
        case .busy where currentIsReadToItsEnd: pipelined.append(part)
        case _ where isHeldBack: pipelined.append(part)
        default: accept(part)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        startCurrentIfWaiting()
        if isHeldBack { return }
        switch phase {
        case .idle, .lingering: context.read()
        case .readingHead:
            armTimer(after: limits.headerTimeout - (.now() - phaseSince))
            context.read()
        case .busy: if current?.isWaitingForBody == true { context.read() }
        case .closed: break
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        guard context.channel.isWritable else { return }
        if let current { current.writabilityChanged() }
        if isHeldBack {
            isHeldBack = false
            takePipelined()
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        phase = .closed
        timer?.cancel()
        if let exchange = current {
            exchange.connectionLost()
            onCallerLeft?()
        }
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event as? DrainEvent {
        case .finish: drain()
        case .cutShort: cutShort()
        case nil: break
        }
        context.fireUserInboundEventTriggered(event)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        timer?.cancel()
        self.context = nil
    }

    /// The decoder gives up: what comes after can not be understood, so the connection ends after one answer.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard phase != .closed, phase != .lingering else { return }
        // Bytes behind a last request are nobody's; the request itself is answered.
        if case HTTPParserError.closedConnection = error, current != nil { return }
        guard let failure = DecodingFailure.failure(for: error, firstLineBytes: firstLineBytes) else {
            close()
            return
        }
        decodingFailure = failure
        if let exchange = current {
            exchange.failBody(failure)
            startCurrentIfWaiting()
        } else if !isHeldBack {
            // Else what came before it is answered first: `takePipelined`.
            proxy.refuse(failure, nil, on: self)
        }
    }
    private var decodingFailure: Failure?

    // MARK: Bytes before they are decoded

    /// Of the head that is being read; says what was too large when the decoder gives up.
    private var firstLineBytes = 0
    private var firstLineHasEnded = false

    /// Called with each read, before decoding: starts the clock of a new head.
    func willDecode(_ bytes: ByteBuffer) {
        guard !isHeldBack, phase == .idle || phase == .readingHead else { return }
        if phase == .idle {
            phase = .readingHead
            phaseSince = .now()
            firstLineBytes = 0
            firstLineHasEnded = false
        }
        if firstLineHasEnded { return }
        let line = bytes.readableBytesView.prefix { $0 != UInt8(ascii: "\n") }
        firstLineBytes += line.count
        firstLineHasEnded = line.count < bytes.readableBytes
    }

    // MARK: Requests

    private var currentIsReadToItsEnd: Bool { current?.requestIsComplete ?? false }

    private func accept(_ part: HTTPServerRequestPart) {
        switch part {
        case .head(let head): acceptHead(head)
        case .body(let bytes):
            current?.receivedBody(bytes)
        case .end:
            current?.receivedEnd()
            startCurrentIfWaiting()
        }
    }

    private func acceptHead(_ decoded: HTTPRequestHead) {
        phase = .busy
        phaseSince = .now()
        do throws(Failure) {
            let exchange: Exchange
            if let known = knownHeads.find(decoded) {
                exchange = self.exchange(known, decoded)
            } else {
                exchange = try newExchange(decoded)
            }
            exchange.isDraining = proxy.isDraining
            current = exchange
            currentHasStarted = false
        } catch {
            proxy.refuse(error, decoded, on: self)
        }
    }

    private func exchange(_ known: KnownHead, _ decoded: HTTPRequestHead) -> Exchange {
        let record = proxy.newRecord(
            known.head, path: known.path, offeredID: KnownHeads.offeredID(decoded), on: self)
        return Exchange(
            head: known.head, known: known, record: record, maxBodyBytes: limits.maxBodyBytes, connection: self,
            executor: executor)
    }

    private func newExchange(_ decoded: HTTPRequestHead) throws(Failure) -> Exchange {
        var head = try RequestHead(decoded)
        // What depends on the connection is not remembered for others.
        let isOfConnection = head.authorityText.isEmpty
        if isOfConnection { head.authorityText = ownAuthority }
        let known = isOfConnection ? nil : knownHeads.remember(decoded, head)
        let record = proxy.newRecord(
            head, path: known?.path ?? head.path, offeredID: head.fields[.correlationID], on: self)
        return Exchange(
            head: head, known: known, record: record, maxBodyBytes: limits.maxBodyBytes, connection: self,
            executor: executor)
    }

    /// Where this connection was accepted: the base of links for HTTP/1.0 tools that send no Host.
    private var ownAuthority: String {
        guard let address = context?.channel.localAddress, let host = address.ipAddress, let port = address.port else {
            return "localhost"
        }
        return ListenAddress.tcp(host: host, port: port).description
    }

    /// The request is handed over once per read, so that a small body is already there and a refusal of it
    /// does not cost the connection.
    private func startCurrentIfWaiting() {
        guard let exchange = current, !currentHasStarted else { return }
        currentHasStarted = true
        proxy.handle(exchange, on: self)
    }

    // MARK: ExchangeConnection

    func wantsRead() { context?.read() }

    var isWritable: Bool { context?.channel.isWritable ?? false }

    func send(_ bytes: ByteBuffer, flush: Bool) {
        guard let context, phase != .closed else { return }
        context.write(wrapOutboundOut(bytes), promise: nil)
        if flush { context.flush() }
    }

    func exchangeEnded(_ exchange: Exchange, reusable: Bool) {
        guard exchange === current else { return }
        current = nil
        onCallerLeft = nil
        guard phase != .closed else { return }
        guard reusable else {
            if exchange.hasAnswered, !exchange.wasAborted { linger() } else { close() }
            return
        }
        phase = .idle
        phaseSince = .now()
        takePipelined()
    }

    /// Sends a complete answer to something that was no request, then closes.
    func sendLast(_ bytes: ByteBuffer) {
        send(bytes, flush: true)
        current = nil
        linger()
    }

    /// Goes on with what was read behind the request that has just ended, one request after the other.
    private func takePipelined() {
        // A request that is answered at once comes back here when it ends: only the outermost call goes on.
        guard !isTakingPipelined else { return }
        isTakingPipelined = true
        defer { isTakingPipelined = false }
        while phase == .idle || phase == .busy {
            // A tool that reads no answers gets no more of them: `channelWritabilityChanged` goes on.
            if phase == .idle, !isWritable {
                isHeldBack = true
                return armIdleTimer()
            }
            while phase == .idle || phase == .busy, !currentIsReadToItsEnd, let part = pipelined.popFirst() {
                accept(part)
            }
            guard phase == .busy else { break }
            // The decoder gave up behind this request's head: its body will never come.
            if let decodingFailure { current?.failBody(decodingFailure) }
            let exchange = current
            startCurrentIfWaiting()
            // It goes on without us: it waits for upstream or for its body.
            if current === exchange { return }
        }
        guard phase == .idle else { return }
        if let decodingFailure {
            proxy.refuse(decodingFailure, nil, on: self)
        } else if proxy.isDraining {
            close()
        } else {
            armIdleTimer()
            context?.read()
        }
    }

    /// The tool does not take its answers: until it does, nothing more is read or worked on.
    private var isHeldBack = false

    private func armIdleTimer() {
        if timer == nil { armTimer(after: limits.idleTimeout) }
    }

    private var isTakingPipelined = false

    /// The process drains: a request that runs is finished, everything else ends now.
    private func drain() {
        switch phase {
        case .idle, .readingHead, .lingering: close()
        case .busy: current?.isDraining = true
        case .closed: break
        }
    }

    /// The time to drain is over: what runs is broken off, and answered with what is known of it.
    private func cutShort() {
        guard phase == .busy, let exchange = current else { return close() }
        exchange.isCutShort = true
        onCallerLeft?()
    }

    // MARK: Closing

    /// A TCP peer that still sends when we close gets a reset, which can destroy the answer on its way
    /// (RFC 9112, 9.6): so only our side is closed, and the rest is read and dropped for a moment.
    private func linger() {
        guard let context, phase != .closed else { return }
        phase = .lingering
        phaseSince = .now()
        pipelined = []
        if proxy.isDraining {
            let channel = context.channel
            return context.writeAndFlush(wrapOutboundOut(ByteBuffer())).whenComplete { _ in channel.close(promise: nil)
            }
        }
        context.close(mode: .output, promise: nil)
        armTimer(after: Self.lingerTime)
        context.read()
    }

    private func dropWhileLingering(_ part: HTTPServerRequestPart) {
        if case .body(let bytes) = part { lingered += bytes.readableBytes }
        if lingered > Self.lingerBytes { close() }
    }

    func close() {
        guard phase != .closed else { return }
        phase = .closed
        timer?.cancel()
        context?.close(promise: nil)
    }

    // MARK: Time

    private func armTimer(after amount: TimeAmount) {
        guard let context else { return }
        timer?.cancel()
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: amount) { [weak self] in self?.timerFired() }
    }

    private func timerFired() {
        timer = nil
        let waited = NIODeadline.now() - phaseSince
        switch phase {
        case .closed: return
        case .lingering: close()
        case .idle: waited >= limits.idleTimeout ? close() : armTimer(after: limits.idleTimeout - waited)
        case .readingHead:
            guard waited >= limits.headerTimeout else { return armTimer(after: limits.headerTimeout - waited) }
            proxy.refuse(.invalid("The request head was not complete within listen.header_timeout."), nil, on: self)
        case .busy: checkProgress(waited)
        }
    }

    /// While a request is worked on, the tool may only keep us waiting for `idle_timeout` at a time.
    private func checkProgress(_ waited: TimeAmount) {
        armTimer(after: limits.idleTimeout)
        guard let exchange = current else { return }
        let waitsForTool = exchange.isWaitingForBody || exchange.isWaitingForWritability
        guard waitsForTool, exchange.progressMark == lastProgressMark else {
            lastProgressMark = exchange.progressMark
            return
        }
        if exchange.isWaitingForBody {
            exchange.failBody(.invalid("The request body stopped arriving (listen.idle_timeout)."))
        } else {
            close()
        }
    }
    private var lastProgressMark = -1
}
