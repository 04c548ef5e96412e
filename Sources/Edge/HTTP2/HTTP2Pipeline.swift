// The handlers of an HTTP/2 connection, and what NIOHTTP2 is told.

import NIOCore
import NIOHTTP2

enum HTTP2Pipeline {
    /// Adds the handlers of one connection. Nothing of it may have been read, or it is read again from its first byte.
    static func add(
        to channel: any Channel, proxy: any RequestHandling, limits: ConnectionLimits, peer: Peer,
        executor: EventLoopExecutor
    ) throws {
        let watch = FrameWatch(settings: settings(limits))
        let connection = HTTP2Connection(
            proxy: proxy, limits: limits, peer: peer, executor: executor, watch: watch)
        watch.connection = connection
        try channel.pipeline.syncOperations.addHandlers(
            watch,
            NIOHTTP2Handler(
                mode: .server, frameDelegate: connection, connectionConfiguration: configuration(limits)),
            connection)
    }

    /// What the tool is told (RFC 9113 section 6.5.2).
    private static func settings(_ limits: ConnectionLimits) -> ByteBuffer {
        FrameBytes.settings([
            (3, UInt32(StreamsState.maxStreams)),
            (4, UInt32(HTTP2Stream.firstWindow)),
            (6, UInt32(clamping: limits.maxHeaderBytes + RequestHead.maxTargetBytes)),
        ])
    }

    /// What NIOHTTP2 is told: wider limits, because one that is passed costs the connection there; and none of its counts, in
    /// whose place `FloodGuard` stands.
    private static func configuration(_ limits: ConnectionLimits) -> NIOHTTP2Handler.ConnectionConfiguration {
        var configuration = NIOHTTP2Handler.ConnectionConfiguration()
        configuration.initialSettings = [
            HTTP2Setting(parameter: .maxConcurrentStreams, value: 1 << 20),
            HTTP2Setting(parameter: .initialWindowSize, value: HTTP2Stream.firstWindow),
            HTTP2Setting(
                parameter: .maxHeaderListSize, value: 4 * (limits.maxHeaderBytes + RequestHead.maxTargetBytes)),
        ]
        // `StreamHead` and `HTTP2Stream` look at these.
        configuration.headerBlockValidation = .disabled
        configuration.contentLengthValidation = .disabled
        configuration.maximumSequentialEmptyDataFrames = .max
        configuration.maximumSequentialContinuationFrames = .max
        configuration.maximumConnectionGlitches = .max
        configuration.maximumRecentlyResetStreams = StreamsState.maxStreams
        configuration.controlFrameRateLimit.maximumCount = 8
        configuration.controlFrameRateLimit.windowLength = .nanoseconds(-1)
        return configuration
    }
}

/// HTTPTypes has one of the same name.
typealias StreamErrorCode = NIOHTTP2.HTTP2ErrorCode

/// One connection too many, over HTTP/2: it is told so, and closed.
final class HTTP2Refusal: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let service: any RequestHandling
    private let peer: String

    init(_ service: any RequestHandling, peer: String) { (self.service, self.peer) = (service, peer) }

    func channelActive(context: ChannelHandlerContext) {
        // For its line in the log; there is no stream that it could go to.
        _ = service.overLimitAnswer(peer: peer)
        var bytes = FrameBytes.settings([])
        bytes.writeImmutableBuffer(FrameBytes.goAway(last: 0, code: 7, text: "too many connections"))
        let channel = context.channel
        context.writeAndFlush(wrapOutboundOut(bytes)).whenComplete { _ in channel.close(promise: nil) }
    }
}
