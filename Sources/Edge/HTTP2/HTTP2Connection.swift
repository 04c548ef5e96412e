// One tool's HTTP/2 connection: streams side by side, each with an `Exchange` (RFC 9113). Stands behind NIOHTTP2, which knows
// frames, header compression and windows; the shell of `StreamsState`.
//
// It is always read, whatever the tool leaves unread: what that can bring is bounded by windows, `maxStreams` and
// `FloodGuard`.

import HTTPTypes
import NIOCore
import NIOHPACK
import NIOHTTP1
import NIOHTTP2

/// Confined to its event loop.
final class HTTP2Connection: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame
    typealias OutboundOut = HTTP2Frame

    /// What all streams together may send ahead of their flows.
    private static let windowTarget = 512 << 10
    private static let drainPing = HTTP2PingData(withInteger: 0x636C_6173_6870)

    let limits: ConnectionLimits
    private let proxy: any RequestHandling
    private let peer: Peer
    private let executor: EventLoopExecutor
    private let watch: FrameWatch
    private let knownHeads: KnownHeads<KnownRequest>
    private var key = BlockKey()
    private var context: ChannelHandlerContext?
    private var state: StreamsState
    private var streams: [HTTP2StreamID: HTTP2Stream] = [:]
    private let timer = LazyTimer()
    /// What the tool may send in all, of DATA.
    private var allowed = HTTP2Stream.firstWindow
    private var isReading = false
    /// Bytes of bodies that were written since the last flush.
    private var unflushed = 0
    /// When some of a body left last.
    private(set) var lastProgress: NIODeadline
    /// NIOHTTP2 has said goodbye because of an error.
    private var hasFailed = false
    private var lingered = 0

    init(
        proxy: any RequestHandling, limits: ConnectionLimits, peer: Peer, executor: EventLoopExecutor,
        knownHeads: KnownHeads<KnownRequest>, watch: FrameWatch
    ) {
        (self.proxy, self.limits, self.peer, self.executor, self.watch) = (proxy, limits, peer, executor, watch)
        self.knownHeads = knownHeads
        lastProgress = executor.eventLoop.now
        state = StreamsState(limits, now: lastProgress)
    }

    var now: NIODeadline { executor.eventLoop.now }
    var activity: Activity { proxy.activity }

    // MARK: Channel events

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { begin() }
    }

    func channelActive(context: ChannelHandlerContext) { begin() }

    private func begin() {
        // It came while the listener was being closed, too late to be told.
        if proxy.isDraining { act(state.drain(now: now)) }
        expectTimer(state.deadline)
        context?.read()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        timer.cancel()
        self.context = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        isReading = true
        let frame = unwrapInboundIn(data)
        switch frame.payload {
        case .headers(let content): received(content.headers, on: frame.streamID, isLast: content.endStream)
        case .data(let content):
            guard case .byteBuffer(let bytes) = content.data else { return }
            if content.paddingBytes != nil, bytes.readableBytes < FloodGuard.leastData, !content.endStream,
                let flood = watch.floods.paddingCame(now: now)
            {
                return flooded(by: flood)
            }
            streams[frame.streamID]?.received(bytes, isLast: content.endStream)
        case .ping(let data, ack: true) where data == Self.drainPing: act(state.heard(now: now))
        default: break
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        (isReading, unflushed) = (false, 0)
        // NIOHTTP2 has flushed what was written meanwhile.
        if state.phase != .closed { context.read() }
    }

    func channelInactive(context: ChannelHandlerContext) {
        state.closed()
        timer.cancel()
        leaveAll()
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case let event as StreamClosedEvent: closed(event.streamID)
        case let event as NIOHTTP2WindowUpdatedEvent: windowChanged(event)
        case let event as DrainEvent: drain(event)
        case let change as AuthorityChange: if !change.admits(peer) { withdraw() }
        default: break
        }
    }

    /// NIOHTTP2's own errors come here, of streams and of the connection, and the socket's.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if error is IOError || error is ChannelError { return close() }
        if hasFailed { end(after: nil) }
    }

    // MARK: Requests

    private func received(_ block: HPACKHeaders, on id: HTTP2StreamID, isLast: Bool) {
        if let stream = streams[id] { return receivedTrailers(block, stream) }
        guard state.begins(UInt32(Int(id))) == .take else { return refuseStream(id) }
        // Only what has no body is worth it; see `ConnectionHandler`.
        let raw = isLast ? key.fill(block) : nil
        if let raw, let known = key.bytes.withUnsafeBytes({ knownHeads.find($0, raw) }) {
            return begin(known.head, known, offeredID: key.id(raw), id, isWhole: true)
        }
        do throws(StreamHeadError) {
            let decoded = try StreamHead(block, maxBytes: limits.maxHeaderBytes).asHTTP1(isWhole: isLast)
            let head = try check(decoded)
            begin(head, remember(head, raw), offeredID: head.offeredID, id, isWhole: isLast)
        } catch {
            refuse(error, block, id, isWhole: isLast)
        }
    }

    private func check(_ decoded: HTTPRequestHead) throws(StreamHeadError) -> RequestHead {
        do throws(WireFailure) {
            return try RequestHead(decoded)
        } catch {
            throw .refused(error)
        }
    }

    private func remember(_ head: RequestHead, _ raw: RawHead?) -> KnownRequest? {
        guard let raw, head.method == .get || head.method == .head, !head.dependsOnConnection else { return nil }
        let known = KnownRequest(head)
        key.bytes.withUnsafeBytes { knownHeads.remember(known, for: $0, raw) }
        return known
    }

    private func begin(
        _ head: RequestHead, _ known: KnownRequest?, offeredID: String?, _ id: HTTP2StreamID, isWhole: Bool
    ) {
        let stream = HTTP2Stream(id, self, head, isWhole: isWhole)
        let exchange = Exchange(
            head: head, known: known, client: peer, offeredID: offeredID, maxBodyBytes: limits.maxBodyBytes,
            connection: stream, executor: executor)
        exchange.isDraining = proxy.isDraining
        exchange.isPromised = true
        if isWhole { exchange.receivedEnd() }
        stream.carries(exchange)
        streams[id] = stream
        proxy.handle(exchange)
    }

    private func receivedTrailers(_ block: HPACKHeaders, _ stream: HTTP2Stream) {
        guard !stream.state.hasEnded else { return reset(stream, .streamClosed) }
        do throws(StreamHeadError) {
            try StreamHead.checkTrailers(block, maxBytes: limits.maxHeaderBytes)
            stream.requestEnded()
        } catch {
            reset(stream, .protocolError)
        }
    }

    /// What is malformed ends its stream; the rest is answered. Both are written down.
    private func refuse(_ error: StreamHeadError, _ block: HPACKHeaders, _ id: HTTP2StreamID, isWhole: Bool) {
        let request = RefusedRequest(
            peer: peer.address, forwardedFor: peer.maySpeakForOthers ? block["x-forwarded-for"] : [],
            method: block.first(name: ":method"), offeredID: block.first(name: "x-correlation-id"))
        let stream = HTTP2Stream(id, self, nil, isWhole: isWhole)
        streams[id] = stream
        switch error {
        case .malformed(let message):
            _ = proxy.answer(.invalid(message), to: request)
            reset(stream, .protocolError)
        case .refused(let failure):
            let answer = proxy.answer(failure, to: request)
            stream.begin(answer.status, lines: answer.lines)
            if !request.isHead { stream.send(ByteBuffer(bytes: answer.body), flush: false) }
            stream.endAnswer()
        }
    }

    /// One too many, or after the last that was announced: it was not looked at.
    private func refuseStream(_ id: HTTP2StreamID) {
        write(id, .rstStream(.refusedStream))
        flush()
    }

    /// Ends a stream now.
    func reset(_ stream: HTTP2Stream, _ code: StreamErrorCode) {
        guard streams[stream.id] != nil else { return }
        write(stream.id, .rstStream(code))
        flush()
    }

    private func closed(_ id: HTTP2StreamID) {
        guard let stream = streams.removeValue(forKey: id) else { return }
        stream.closed()
        giveWindow()
        act(state.ended(now: now))
        expectTimer(state.deadline)
    }

    // MARK: Windows

    private func windowChanged(_ event: NIOHTTP2WindowUpdatedEvent) {
        // What is told of the connection's window may be older than what was given since.
        guard event.streamID != .rootStream else { return giveWindow() }
        if let size = event.inboundWindowSize { streams[event.streamID]?.windowChanged(size) }
    }

    /// What the flows have read, or nobody will, may come again.
    func giveWindow() {
        let window = allowed - watch.dataBytes
        guard watch.dataBytes > 0, window <= Self.windowTarget / 2 else { return }
        let unread = streams.values.reduce(0) { $0 + $1.unread }
        let increment = Self.windowTarget - window - unread
        guard increment >= Self.windowTarget / 4 else { return }
        allowed += increment
        write(.rootStream, .windowUpdate(windowSizeIncrement: increment))
        flush()
    }

    // MARK: Out

    /// Of all streams together: what the tool's kernel has not acknowledged of what the socket was given.
    var unacknowledgedBytes: Int {
        guard let channel = context?.channel else { return 0 }
        let unsent = (try? channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
        return unsent + SocketQueue.unacknowledged(channel)
    }

    func write(_ id: HTTP2StreamID, _ payload: HTTP2Frame.FramePayload) {
        guard let context, state.phase != .closed else { return }
        if case .data(let content) = payload { unflushed += content.data.readableBytes }
        context.write(wrapOutboundOut(HTTP2Frame(streamID: id, payload: payload)), promise: nil)
    }

    /// What is written while bytes are read leaves when all of them have been, or when it is worth a system call: so that the
    /// tool has something to do while we go on.
    func flush() {
        guard !isReading || unflushed >= Self.worthFlushing else { return }
        unflushed = 0
        context?.flush()
    }

    private static let worthFlushing = 32 << 10

    // MARK: The end

    private func drain(_ event: DrainEvent) {
        switch event {
        case .finish: act(state.drain(now: now))
        case .cutShort:
            guard !streams.isEmpty else { return end(after: .drained) }
            for stream in Array(streams.values) { stream.cutShort() }
        }
        expectTimer(state.deadline)
    }

    /// Its tool is not known any more.
    private func withdraw() {
        act(state.withdraw(now: now))
        expectTimer(state.deadline)
    }

    private func act(_ action: StreamsState.Action) {
        switch action {
        case .nothing: break
        case .warn:
            watch.sayGoodbye(last: 0x7FFF_FFFF, code: 0, text: "shutting down")
            write(.rootStream, .ping(Self.drainPing, ack: false))
            flush()
        case .sayLast: watch.sayGoodbye(last: state.lastTaken, code: 0, text: "no further requests")
        case .end(let reason): end(after: reason)
        case .close: close()
        }
    }

    private func end(after reason: StreamsState.Reason?) {
        switch reason {
        case nil: break
        case .idle: watch.sayGoodbye(last: state.lastTaken, code: 0, text: "idle")
        case .drained: watch.sayGoodbye(last: state.lastTaken, code: 0, text: "no further requests")
        case .slowHead:
            let code = StreamErrorCode.enhanceYourCalm
            watch.sayGoodbye(
                last: state.lastTaken, code: UInt32(code.networkCode), text: "a header block that does not end")
        }
        stop()
    }

    /// Everything has been said. What the tool still sends is dropped for a moment, so that it can read what was said: a
    /// socket that is closed over unread bytes can destroy it.
    private func stop() {
        guard let context, state.phase != .closed else { return }
        watch.end()
        state.ends(now: now)
        leaveAll()
        if proxy.isDraining { return watch.closeWhenSent() }
        context.close(mode: .output, promise: nil)
        expectTimer(state.deadline)
    }

    private func leaveAll() {
        let left = streams.values
        streams = [:]
        for stream in left { stream.closed() }
    }

    private func close() {
        state.closed()
        timer.cancel()
        leaveAll()
        context?.close(promise: nil)
    }

    // MARK: Time

    func expectTimer(_ deadline: NIODeadline?) {
        guard let deadline, !timer.covers(deadline), let context, state.phase != .closed else { return }
        timer.expect(by: deadline, on: context.eventLoop) { [weak self] in self?.timerFired() }
    }

    private func timerFired() {
        let now = now
        for stream in Array(streams.values) { stream.timeOut(now: now) }
        act(state.timeOut(now: now))
        expectTimer(streams.values.compactMap(\.deadline).min())
        expectTimer(state.deadline)
    }
}

extension HTTP2Connection: FrameWatching {
    func settingsCame() { state.settingsCame(now: now) }

    func headerBlock(isOpen: Bool) {
        state.headerBlock(isOpen: isOpen, now: now)
        if isOpen { expectTimer(state.deadline) }
    }

    func flooded(by flood: FloodGuard.Flood) {
        let code = UInt32(StreamErrorCode.enhanceYourCalm.networkCode)
        watch.sayGoodbye(last: state.lastTaken, code: code, text: "too many \(flood.rawValue)")
        stop()
    }

    func lingered(_ count: Int) {
        lingered += count
        if lingered > ConnectionState.lingerBytes { close() }
    }
}

extension HTTP2Connection: NIOHTTP2FrameDelegate {
    /// A frame has been handed to the socket.
    func wroteFrame(_ frame: HTTP2Frame) {
        switch frame.payload {
        case .data(let content):
            let count = content.data.readableBytes
            watch.floods.sent(count)
            if count > 0 { lastProgress = now }
            streams[frame.streamID]?.wrote(count, isLast: content.endStream)
        case .headers(let content) where content.endStream: streams[frame.streamID]?.wrote(0, isLast: true)
        case .rstStream(let code): wroteReset(code)
        case .goAway: hasFailed = true
        default: break
        }
    }

    private func wroteReset(_ code: StreamErrorCode) {
        guard code != .noError, code != .internalError, code != .cancel else { return }
        guard let flood = watch.floods.resetByUs(isRefusal: code == .refusedStream, now: now) else { return }
        // Not from inside of NIOHTTP2.
        executor.eventLoop.assumeIsolated().execute { [weak self] in self?.flooded(by: flood) }
    }
}
