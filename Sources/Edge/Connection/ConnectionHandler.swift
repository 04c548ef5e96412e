// One tool's connection: HTTP/1.1 requests one after the other, each an `Exchange` (RFC 9112 section 9.3). The shell of
// `ConnectionState`, which decides; here it is done.
//
// Reading is on demand, so pipelined requests wait in the socket (at most what one read delivered waits in `parts`). A tool
// that leaves is noticed without a read.

import HTTPTypes
import NIOCore
import NIOHTTP1

final class ConnectionHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    /// What is not known goes on to the decoder, which stands behind and tells `decodedParts`.
    typealias InboundOut = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let peer: Peer
    /// To stand behind the decoder.
    private(set) lazy var decodedParts = DecodedParts(self)

    private let executor: EventLoopExecutor
    private let knownHeads: KnownHeads<KnownRequest>
    private let proxy: any RequestHandling
    private let limits: ConnectionLimits
    private var context: ChannelHandlerContext?
    private lazy var splitter = MessageSplitter(
        self, decodedParts, knownHeads: knownHeads, maxHeadBytes: limits.maxHeadBytes
    ) { [unowned self] bytes in self.context?.fireChannelRead(self.wrapInboundOut(bytes)) }

    private var state: ConnectionState
    /// What was read and is not taken yet.
    private var parts: CircularBuffer<ReceivedPart> = []
    private var current: Exchange?
    /// What the tool's kernel had not acknowledged when that was last looked at; nil while the tool is not waited for.
    private var bytesLeft: Int?
    /// The channel's, which it makes anew for each who asks.
    private var options: (any NIOSynchronousChannelOptions)?
    private(set) var isWritable = true
    private let timer = LazyTimer()
    private var isGoingOn = false
    private var isClosed = false

    init(
        proxy: any RequestHandling, limits: ConnectionLimits, peer: Peer, executor: EventLoopExecutor,
        knownHeads: KnownHeads<KnownRequest>
    ) {
        self.knownHeads = knownHeads
        self.proxy = proxy
        self.limits = limits
        self.peer = peer
        self.executor = executor
        state = ConnectionState(limits, now: executor.eventLoop.now)
    }

    // MARK: Channel events

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        options = context.channel.syncOptions
    }

    func channelActive(context: ChannelHandlerContext) {
        // It came while the listener was being closed, too late to be told.
        if proxy.isDraining { state.drain() }
        goOn()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        switch state.phase {
        case .closed: return
        case .lingering: if state.lingered(bytes.readableBytes) { close() }
        case .fresh where FirstBytes.isTLS(bytes):
            proxy.failed(.tlsOnPlainPort, peer: peer.address)
            close()
        default:
            splitter.take(bytes)
            state.came(openHead: splitter.hasOpenHead, behindParts: !parts.isEmpty, now: now)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        state.readEnded()
        goOn()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        isWritable = context.channel.isWritable
        guard isWritable else { return }
        current?.writabilityChanged()
        goOn()
    }

    func channelInactive(context: ChannelHandlerContext) {
        isClosed = true
        state.closed()
        timer.cancel()
        current?.connectionLost()
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event as? DrainEvent {
        case .finish:
            // A head that is not whole is no request; its tool hears why nothing comes of it.
            if state.phase == .head { return refuse(.shuttingDown, nil) }
            finish()
        case .cutShort:
            // What runs is broken off, and answered with what is known of it.
            guard let exchange = current else { return close() }
            exchange.cut(.shuttingDown)
            state.bodyEnded()
        case nil: if let change = event as? AuthorityChange, !change.admits(peer) { finish() }
        }
    }

    /// Ends after the current answer, which says so.
    private func finish() {
        current?.isDraining = true
        state.drain()
        goOn()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        timer.cancel()
        (self.context, options) = (nil, nil)
    }

    /// The socket's; the decoder's go to `decodedParts`.
    func errorCaught(context: ChannelHandlerContext, error: any Error) { close() }

    // MARK: What is done

    /// Does what is to be done next, until there is nothing. A request that is answered at once comes back here when it is
    /// finished: only the outermost call goes on.
    private func goOn() {
        guard !isGoingOn else { return }
        isGoingOn = true
        defer { isGoingOn = false }
        while true {
            switch state.next(hasParts: !parts.isEmpty, isWritable: isWritable) {
            case .take: accept(parts.removeFirst())
            case .handOver: if let current { proxy.handle(current) }
            case .read:
                context?.read()
                return expectTimer()
            case .close: return close()
            case .wait: return expectTimer()
            }
        }
    }

    private func accept(_ part: ReceivedPart) {
        switch part {
        case .known(let known, let id):
            if known.head.fieldBytes > limits.maxHeaderBytes { return refuse(.headersTooLarge, nil, offeredID: id) }
            begin(exchange(known.head, known, offeredID: id), isWhole: true)
            current?.receivedEnd()
        case .head(let decoded, let notes, let raw):
            let decoded = notes?.corrected(decoded) ?? decoded
            do throws(WireFailure) {
                let head = try RequestHead(decoded, bytes: notes?.bytes) { localAuthority }
                // The decoder's own limits leave room for the target.
                guard head.fieldBytes <= limits.maxHeaderBytes else { throw .headersTooLarge }
                begin(exchange(head, remember(head, raw), offeredID: head.offeredID), isWhole: false)
            } catch {
                refuse(error, decoded)
            }
        case .body(let bytes):
            state.bodyCame(bytes.readableBytes)
            current?.receivedBody(bytes)
        case .end:
            state.bodyEnded()
            current?.receivedEnd()
        case .failed(let failure, let id):
            guard let current else { return refuse(failure, nil, offeredID: id) }
            state.bodyEnded()
            current.failBody(failure)
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

    private func begin(_ exchange: Exchange, isWhole: Bool) {
        exchange.isDraining = proxy.isDraining
        current = exchange
        state.requestBegins(isWhole: isWhole)
    }

    private func exchange(_ head: RequestHead, _ known: KnownRequest?, offeredID: String?) -> Exchange {
        Exchange(
            head: head, known: known, client: peer, offeredID: offeredID, maxBodyBytes: limits.maxBodyBytes,
            connection: self, executor: executor)
    }

    /// Where this connection was accepted: the base of links for HTTP/1.0 tools that send no Host.
    private var localAuthority: String {
        guard let address = context?.channel.localAddress, let host = address.ipAddress, let port = address.port else {
            return "localhost"
        }
        return ListenPlace.tcp(host: host, port: port).description
    }

    // MARK: The end

    /// Answers something that was no request, then closes.
    private func refuse(_ failure: WireFailure, _ head: HTTPRequestHead?, offeredID: String? = nil) {
        let request = RefusedRequest(
            peer: peer.address, forwardedFor: peer.maySpeakForOthers ? head?.headers["x-forwarded-for"] ?? [] : [],
            method: head?.method.rawValue, offeredID: head?.headers.first(name: "x-correlation-id") ?? offeredID)
        send(proxy.answer(failure, to: request).bytes(toHead: request.isHead), flush: true)
        state.refused(now: now)
        linger()
    }

    /// A TCP peer that still sends when we close gets a reset, which can destroy the answer on its way
    /// (RFC 9112 section 9.6): so only our side is closed, and the rest is read and dropped for a moment.
    private func linger() {
        guard let context, case .lingering = state.phase else { return }
        parts = []
        if proxy.isDraining {
            let channel = context.channel
            context.writeAndFlush(wrapOutboundOut(ByteBuffer())).whenComplete { _ in channel.close(promise: nil) }
            return
        }
        context.close(mode: .output, promise: nil)
        goOn()
    }

    private func close() {
        guard !isClosed else { return }
        isClosed = true
        state.closed()
        timer.cancel()
        context?.close(promise: nil)
    }

    // MARK: Time

    private var now: NIODeadline { executor.eventLoop.now }

    private func expectTimer() {
        guard let deadline = state.deadline, !timer.covers(deadline), let context else { return }
        timer.expect(by: deadline, on: context.eventLoop) { [weak self] in self?.timerFired() }
    }

    private func timerFired() {
        // A tool that has taken some of what waits for it is not silent. Its kernel knows sooner than our buffers do: the
        // socket takes no more before a third of what it holds is gone.
        if let left = bytesLeft, case let bytes = unacknowledgedBytes, bytes < left {
            bytesLeft = bytes
            state.waitEnded(now: now)
            state.waits(for: .room, now: now)
        }
        switch state.timeOut(now: now) {
        case .nothing: expectTimer()
        case .close:
            current?.cut(.toolSilent)
            close()
        case .refuseHead:
            refuse(.invalid("The request head was not complete within listen.header_timeout."), nil)
        case .failBody(let slowness):
            state.bodyEnded()
            current?.failBody(.requestTimeout(slowness))
        }
    }
}

extension ConnectionHandler: PartTaking {
    func take(_ part: ReceivedPart) { parts.append(part) }
}

extension ConnectionHandler: ExchangeConnection {
    var framed: (any FramedAnswers)? { nil }

    func waits(for wait: ConnectionState.Wait) {
        if wait == .room { bytesLeft = unacknowledgedBytes }
        state.waits(for: wait, now: now)
        goOn()
    }

    func waitEnded() {
        bytesLeft = nil
        state.waitEnded(now: now)
    }

    func send(_ bytes: ByteBuffer, flush: Bool) {
        guard let context, !isClosed else { return }
        context.write(wrapOutboundOut(bytes), promise: nil)
        if flush { context.flush() }
    }

    func exchangeFinished(_ exchange: Exchange, isReusable: Bool) {
        guard exchange === current else { return }
        current = nil
        let isAnswered = exchange.hasAnswered && !exchange.wasAborted
        guard isAnswered, let context, unsentBytes > 0 else { return finished(isReusable, isAnswered) }
        // The request is over, but its answer is not out: until it is, the tool is waited for, and nothing else begins.
        waits(for: .room)
        let activity = proxy.activity
        activity.exchangeBegan()
        context.writeAndFlush(wrapOutboundOut(ByteBuffer())).assumeIsolated().whenComplete { [weak self] _ in
            activity.exchangeEnded()
            guard let self, !isClosed else { return }
            bytesLeft = nil
            finished(isReusable, isAnswered)
        }
    }

    private func finished(_ isReusable: Bool, _ isAnswered: Bool) {
        state.finished(isReusable: isReusable, isAnswered: isAnswered, now: now)
        if isReusable { return goOn() }
        if case .lingering = state.phase { linger() } else { close() }
    }

    var unacknowledgedBytes: Int { unsentBytes + (context.map { SocketQueue.unacknowledged($0.channel) } ?? 0) }

    /// What the socket has not taken of what was written. A promise for each write would tell as well, and cost more.
    private var unsentBytes: Int { (try? options?.getOption(.bufferedWritableBytes)) ?? 0 }
}

extension WireFailure {
    static func requestTimeout(_ slowness: ConnectionState.Slowness) -> WireFailure {
        switch slowness {
        case .silent: WireFailure(.timeout, "The request body stopped arriving (listen.idle_timeout).")
        case .belowMinRate:
            WireFailure(.timeout, "The request body arrived more slowly than listen.min_rate allows.")
        }
    }
}
