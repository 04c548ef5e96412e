// One tool's connection: HTTP/1.1 requests one after the other, each an `Exchange` (RFC 9112, 9.3).
//
// Reading is on demand. While an answer is under way nothing more is read, so pipelined requests wait in the
// socket (at most what one read delivered waits in `pipelined`). A tool that leaves is noticed without a read.

import Configuration
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
    private var pipelined: Deque<ReceivedPart> = []
    private var phase = ConnectionPhase.fresh
    private var phaseSince = NIODeadline.now()
    private let timer = LazyTimer()
    /// Since when the tool owes something to the exchange that is under way: body bytes, or room for the answer.
    private var silentSince = NIODeadline.now()
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
        // It came while the listener was being closed, too late to be told.
        if proxy.isDraining { return close() }
        phaseSince = .now()
        expectTimer()
        context.read()
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = received(unwrapInboundIn(data))
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
        case .fresh, .idle, .lingering: context.read()
        case .readingHead:
            expectTimer()
            context.read()
        case .busy: if current?.isWaitingForBody == true { context.read() }
        case .closed: break
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        guard context.channel.isWritable else {
            if phase == .busy { expectTool() }
            return
        }
        if let current { current.writabilityChanged() }
        if isHeldBack {
            isHeldBack = false
            takePipelined()
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        phase = .closed
        timer.cancel()
        current?.connectionLost()
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
        timer.cancel()
        self.context = nil
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard phase != .closed, phase != .lingering else { return }
        // Bytes behind a last request are nobody's; the request itself is answered.
        if case HTTPParserError.closedConnection = error, current != nil { return }
        guard let failure = DecodingFailure.failure(for: error) else {
            close()
            return
        }
        giveUpReading(failure)
    }

    /// What comes after can not be understood, so the connection ends after one answer.
    func giveUpReading(_ failure: Failure) {
        guard phase != .closed, phase != .lingering else { return }
        decodingFailure = failure
        if let exchange = current {
            exchange.failBody(failure)
            startCurrentIfWaiting()
        } else if !isHeldBack {
            // Else what came before it is answered first: `takePipelined`.
            proxy.refuse(failure, nil, on: self)
        }
    }
    private(set) var decodingFailure: Failure?

    // MARK: Bytes before they are decoded

    /// What the next head said beyond its decoded form.
    var notes: HeadNotes?
    /// The head of the message that the decoder is in the middle of.
    private(set) var openHead: HTTPRequestHead?

    /// Called when bytes of a head arrive: starts its clock.
    func headArrives() {
        guard !isHeldBack, phase == .fresh || phase == .idle else { return }
        phase = .readingHead
        phaseSince = .now()
    }

    private func received(_ part: HTTPServerRequestPart) -> ReceivedPart {
        switch part {
        case .head(let head):
            openHead = head
            defer { notes = nil }
            return .head(head, notes)
        case .body(let bytes): return .body(bytes)
        case .end:
            openHead = nil
            return .end
        }
    }

    // MARK: Requests

    private var currentIsReadToItsEnd: Bool { current?.requestIsComplete ?? false }

    private func accept(_ part: ReceivedPart) {
        switch part {
        case .head(let head, let notes): acceptHead(head, notes)
        case .body(let bytes):
            current?.receivedBody(bytes)
        case .end:
            current?.receivedEnd()
            startCurrentIfWaiting()
        }
    }

    private func acceptHead(_ head: HTTPRequestHead, _ notes: HeadNotes?) {
        phase = .busy
        let decoded = notes?.corrected(head) ?? head
        do throws(Failure) {
            let exchange: Exchange
            if notes == nil, let known = knownHeads.find(decoded) {
                exchange = self.exchange(known, decoded)
            } else {
                exchange = try newExchange(decoded, notes)
            }
            exchange.isDraining = proxy.isDraining
            current = exchange
            currentHasStarted = false
        } catch {
            proxy.refuse(error, decoded, on: self)
        }
    }

    private func exchange(_ known: KnownHead, _ decoded: HTTPRequestHead) -> Exchange {
        exchange(known.head, known, offeredID: KnownHeads.offeredID(decoded))
    }

    private func newExchange(_ decoded: HTTPRequestHead, _ notes: HeadNotes?) throws(Failure) -> Exchange {
        var head = try RequestHead(decoded, bytes: notes?.bytes)
        // What depends on the connection is not remembered for others, nor what the decoded head does not show.
        let isOfConnection = head.authorityText.isEmpty
        if isOfConnection { head.authorityText = ownAuthority }
        let known = isOfConnection || notes != nil ? nil : knownHeads.remember(decoded, head)
        return exchange(head, known, offeredID: head.fields[.correlationID])
    }

    private func exchange(_ head: RequestHead, _ known: KnownHead?, offeredID: String?) -> Exchange {
        Exchange(
            head: head, known: known, peer: peer, offeredID: offeredID, maxBodyBytes: limits.maxBodyBytes,
            connection: self, executor: executor)
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
        proxy.handle(exchange)
    }

    // MARK: ExchangeConnection

    func wantsRead() {
        expectTool()
        context?.read()
    }

    var isWritable: Bool { context?.channel.isWritable ?? false }

    func send(_ bytes: ByteBuffer, flush: Bool) {
        guard let context, phase != .closed else { return }
        context.write(wrapOutboundOut(bytes), promise: nil)
        if flush { context.flush() }
    }

    func exchangeEnded(_ exchange: Exchange, reusable: Bool) {
        guard exchange === current else { return }
        current = nil
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
                return expectTimer()
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
            expectTimer()
            context?.read()
        }
    }

    /// The tool does not take its answers: until it does, nothing more is read or worked on.
    private var isHeldBack = false

    private var isTakingPipelined = false

    /// The process drains: a request that runs is finished, everything else ends now.
    private func drain() {
        switch phase {
        case .fresh, .idle, .readingHead, .lingering: close()
        case .busy: current?.isDraining = true
        case .closed: break
        }
    }

    /// The time to drain is over: what runs is broken off, and answered with what is known of it.
    private func cutShort() {
        guard phase == .busy, let exchange = current else { return close() }
        exchange.cutShort()
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
        expectTimer()
        context.read()
    }

    private func dropWhileLingering(_ part: ReceivedPart) {
        if case .body(let bytes) = part { lingered += bytes.readableBytes }
        if lingered > Self.lingerBytes { close() }
    }

    func close() {
        guard phase != .closed else { return }
        phase = .closed
        timer.cancel()
        context?.close(promise: nil)
    }

    // MARK: Time

    /// When the tool has kept us waiting for too long; nil while it is not the one who is waited for.
    private var deadline: NIODeadline? {
        switch phase {
        case .closed: nil
        case .fresh: phaseSince + min(limits.headerTimeout, limits.idleTimeout)
        case .idle: phaseSince + limits.idleTimeout
        case .readingHead: phaseSince + limits.headerTimeout
        case .busy: current?.waitsForTool == true ? silentSince + limits.idleTimeout : nil
        case .lingering: phaseSince + Self.lingerTime
        }
    }

    /// The exchange needs something of the tool from now on.
    private func expectTool() {
        silentSince = .now()
        timer.expect(by: silentSince + limits.idleTimeout, on: context?.eventLoop) { [weak self] in self?.timerFired() }
    }

    private func expectTimer() {
        guard let deadline else { return }
        timer.expect(by: deadline, on: context?.eventLoop) { [weak self] in self?.timerFired() }
    }

    private func timerFired() {
        guard let deadline else { return }
        guard deadline <= .now() else { return expectTimer() }
        switch phase {
        case .closed: return
        case .fresh, .idle, .lingering: close()
        case .readingHead:
            proxy.refuse(.invalid("The request head was not complete within listen.header_timeout."), nil, on: self)
        case .busy:
            guard current?.isWaitingForBody == true else { return close() }
            current?.failBody(
                Failure(.requestTimeout, "The request body stopped arriving (listen.idle_timeout)."))
        }
    }
}
