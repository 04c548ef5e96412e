// One tool's connection: HTTP/1.1 requests one after the other, each an `Exchange` (RFC 9112, 9.3).
//
// Reading is on demand. While an answer is under way nothing more is read, so pipelined requests wait in the
// socket (at most what one read delivered waits in `pipelined`). A tool that leaves is noticed without a read.

import DequeModule
import HTTPTypes
import NIOCore
import NIOHTTP1

final class ConnectionHandler: ChannelInboundHandler, ExchangeConnection {
    typealias InboundIn = ByteBuffer
    /// What is not known goes on to the decoder, which stands behind and tells `DecodedParts`.
    typealias InboundOut = ByteBuffer
    typealias OutboundOut = ByteBuffer

    let peer: String
    private let executor: EventLoopExecutor
    private let knownHeads: KnownHeads<KnownRequest>
    /// To stand behind the decoder.
    private(set) lazy var decodedParts = DecodedParts(self)
    private lazy var splitter = MessageSplitter(
        self, decodedParts, knownHeads: knownHeads, maxHeadBytes: limits.maxHeadBytes)
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
    /// Called when the tool leaves in mid-request.
    var onCallerLeft: (() -> Void)?
    /// How long and how much is still read after a last answer, before the connection is closed hard.
    private static let lingerTime = TimeAmount.seconds(2)
    private static let lingerBytes = 4 << 20
    private var lingered = 0

    init(
        proxy: any RequestHandling, limits: ConnectionLimits, peer: String, executor: EventLoopExecutor,
        knownHeads: KnownHeads<KnownRequest>
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
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        switch phase {
        case .closed: return
        case .lingering: dropWhileLingering(bytes)
        default: splitter.take(bytes)
        }
    }

    /// A part of a request, from the splitter or from behind the decoder.
    func take(_ part: ReceivedPart) {
        switch phase {
        case .closed, .lingering: return
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
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        timer.cancel()
        self.context = nil
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { close() }

    // MARK: From the decoder

    func decoderFailed(_ error: any Error) {
        guard phase != .closed, phase != .lingering else { return }
        // Bytes behind a last request are nobody's; the request itself is answered.
        if case HTTPParserError.closedConnection = error, current != nil { return }
        guard let failure = DecodingFailure.failure(for: error) else {
            close()
            return
        }
        giveUpReading(failure)
    }

    private(set) var decodingFailure: Failure?

    // MARK: Requests

    private var currentIsReadToItsEnd: Bool { current?.requestIsComplete ?? false }

    private func accept(_ part: ReceivedPart) {
        switch part {
        case .head(let head, let notes, let raw): acceptHead(head, notes, raw)
        case .known(let known, let id):
            begin(exchange(known.head, known, offeredID: id))
            current?.receivedEnd()
        case .body(let bytes):
            current?.receivedBody(bytes)
        case .end:
            current?.receivedEnd()
            startCurrentIfWaiting()
        }
    }

    private func acceptHead(_ head: HTTPRequestHead, _ notes: HeadNotes?, _ raw: ByteBuffer?) {
        phase = .busy
        let decoded = notes?.corrected(head) ?? head
        do throws(Failure) {
            let head = try RequestHead(decoded, bytes: notes?.bytes) { ownAuthority }
            begin(exchange(head, remember(head, raw), offeredID: head.offeredID))
        } catch {
            proxy.refuse(error, decoded, on: self)
        }
    }

    /// Remembers a read without a body, if nothing but its bytes makes it what it is; others are not worth it.
    private func remember(_ head: RequestHead, _ raw: ByteBuffer?) -> KnownRequest? {
        guard let raw, head.method == .get || head.method == .head, head.framing == .none, !head.dependsOnConnection
        else { return nil }
        return raw.withUnsafeReadableBytes { bytes in
            guard let cut = RawHead.scan(bytes), cut.length == bytes.count else { return nil }
            let known = KnownRequest(head)
            knownHeads.remember(known, for: bytes, cut)
            return known
        }
    }

    private func begin(_ exchange: Exchange) {
        phase = .busy
        exchange.isDraining = proxy.isDraining
        current = exchange
        currentHasStarted = false
    }

    private func exchange(_ head: RequestHead, _ known: KnownRequest?, offeredID: String?) -> Exchange {
        Exchange(
            head: head, known: known, record: proxy.newRecord(head, offeredID: offeredID, on: self),
            maxBodyBytes: limits.maxBodyBytes, connection: self, executor: executor)
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
        expectTimer()
        context.read()
    }

    private func dropWhileLingering(_ bytes: ByteBuffer) {
        lingered += bytes.readableBytes
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

// MARK: Bytes before they are decoded

extension ConnectionHandler: MessageTaking {
    /// Starts the clock of a head.
    func headArrives() {
        guard !isHeldBack, phase == .fresh || phase == .idle else { return }
        phase = .readingHead
        phaseSince = .now()
    }

    func decode(_ bytes: ByteBuffer) { context?.fireChannelRead(wrapInboundOut(bytes)) }

    var hasGivenUp: Bool { decodingFailure != nil }

    /// The connection ends after one answer.
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
}
