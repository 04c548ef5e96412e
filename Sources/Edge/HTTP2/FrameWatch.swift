// Stands between the socket and NIOHTTP2 and sees every frame that comes, those too that NIOHTTP2 keeps to itself: counts
// them, and ends who floods. It also speaks for us where NIOHTTP2 would say something else than is meant:
//
//  - Our SETTINGS. NIOHTTP2 ends the connection when a stream is one too many, or a header list too long; so it is told
//    of wider limits than the tool, and what lies between is refused stream by stream (RFC 9113 section 5.1.2, 10.5.1).
//    It also holds limits of its own until the tool has acknowledged ours: so it is acknowledged to it at once, in front
//    of the first request, and the tool's own acknowledgement is kept from it.
//  - GOAWAY. After one, even with the highest number, NIOHTTP2 refuses streams.

import NIOCore

/// What a connection hears from its watch.
protocol FrameWatching: AnyObject {
    /// The first SETTINGS came.
    func settingsCame()
    /// A header block has begun, or is complete.
    func headerBlock(isOpen: Bool)
    func flooded(by flood: FloodGuard.Flood)
    /// Bytes came after the end.
    func lingered(_ count: Int)
}

/// Confined to the connection's event loop.
final class FrameWatch: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = IOData
    typealias OutboundOut = IOData

    weak var connection: (any FrameWatching)?
    var floods = FloodGuard()
    /// Bytes of DATA that have come, with padding: what they take of the connection's window.
    private(set) var dataBytes = 0
    private let settings: ByteBuffer
    private var context: ChannelHandlerContext?
    private var scan = FrameScan()
    /// The beginning of a frame's head.
    private var left = ByteBuffer()
    private var settingsHaveCome = false
    private var isAcknowledged = false
    private var sentSettings = false
    /// The last frame of a header block has begun and is not complete.
    private var lastOfBlockComes = false
    /// Nothing goes through any more.
    private var isOver = false

    /// - Parameter settings: the frame that the tool gets as our first.
    init(settings: ByteBuffer) { self.settings = settings }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    // MARK: In

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        if isOver { return connection?.lingered(bytes.readableBytes) ?? () }
        // NIOHTTP2 keeps what it was given last: not for it a small part of somebody else's large buffer.
        if bytes.readableBytes <= Self.copiedBytes { bytes = ByteBuffer(bytes: bytes.readableBytesView) }
        if left.readableBytes > 0 {
            left.writeImmutableBuffer(bytes)
            (bytes, left) = (left, ByteBuffer())
        }
        // How many bytes there are in front of what is to be added or left out.
        var cuts: [(length: Int, isAdded: Bool)] = []
        var flood: FloodGuard.Flood?
        let rest = bytes.withUnsafeReadableBytes { look($0, &cuts, &flood) }
        forward(context, &bytes, cuts, rest: flood == nil ? rest : bytes.readableBytes)
        if let flood { connection?.flooded(by: flood) }
    }

    /// Returns how many bytes at the end wait for more.
    private func look(
        _ bytes: UnsafeRawBufferPointer, _ cuts: inout [(length: Int, isAdded: Bool)], _ flood: inout FloodGuard.Flood?
    ) -> Int {
        var index = 0
        while true {
            let step = scan.advance(bytes, &index)
            if lastOfBlockComes, step.isFrame || !scan.isInPayload {
                lastOfBlockComes = false
                connection?.headerBlock(isOpen: false)
            }
            switch step {
            case .left(let count): return count
            case .settingsCame:
                cuts.append((index, true))
                settingsHaveCome = true
                connection?.settingsCame()
            case .frame(let head):
                flood = floods.came(head, now: now)
                if flood != nil { return 0 }
                switch head.kind {
                case .data: dataBytes += head.length
                case .headers, .continuation:
                    lastOfBlockComes = head.endsHeaders && bytes.count - index < head.length
                    connection?.headerBlock(isOpen: !head.endsHeaders || lastOfBlockComes)
                case .settings where head.hasFirstFlag && head.length == 0 && settingsHaveCome && !isAcknowledged:
                    isAcknowledged = true
                    cuts.append((index - FrameHead.bytes, false))
                default: break
                }
            }
        }
    }

    private func forward(
        _ context: ChannelHandlerContext, _ bytes: inout ByteBuffer, _ cuts: [(length: Int, isAdded: Bool)], rest: Int
    ) {
        var done = 0
        for cut in cuts {
            pass(context, bytes.readSlice(length: cut.length - done))
            done = cut.length
            if cut.isAdded {
                pass(context, Self.acknowledgement)
            } else {
                bytes.moveReaderIndex(forwardBy: FrameHead.bytes)
                done += FrameHead.bytes
            }
        }
        pass(context, bytes.readSlice(length: max(0, bytes.readableBytes - rest)))
        if !isOver { left = bytes }
    }

    private func pass(_ context: ChannelHandlerContext, _ bytes: ByteBuffer?) {
        guard let bytes, bytes.readableBytes > 0, !isOver else { return }
        context.fireChannelRead(wrapInboundOut(bytes))
    }

    private static let copiedBytes = 2 << 10

    private static let acknowledgement = FrameBytes.frame(.settings, flags: 1, payload: ByteBuffer())

    private var now: NIODeadline { context?.eventLoop.now ?? .now() }

    // MARK: Out

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard sentSettings else {
            sentSettings = true
            return context.write(wrapOutboundOut(.byteBuffer(settings)), promise: promise)
        }
        context.write(data, promise: promise)
    }

    /// Says goodbye past NIOHTTP2. `last`: the last stream that is, or may have been, taken.
    func sayGoodbye(last: UInt32, code: UInt32, text: String) {
        let frame = FrameBytes.goAway(last: last, code: code, text: text)
        context?.writeAndFlush(wrapOutboundOut(.byteBuffer(frame)), promise: nil)
    }

    /// Closes the connection when everything that was written has left.
    func closeWhenSent() {
        guard let context else { return }
        let channel = context.channel
        context.writeAndFlush(wrapOutboundOut(.byteBuffer(ByteBuffer()))).whenComplete { _ in
            channel.close(promise: nil)
        }
    }

    /// Lets nothing through any more.
    func end() {
        isOver = true
        left = ByteBuffer()
    }
}

/// Frames as bytes.
enum FrameBytes {
    static func frame(_ kind: FrameHead.Kind, flags: UInt8 = 0, stream: UInt32 = 0, payload: ByteBuffer) -> ByteBuffer {
        var bytes = ByteBuffer()
        bytes.reserveCapacity(FrameHead.bytes + payload.readableBytes)
        bytes.writeInteger(UInt8(truncatingIfNeeded: payload.readableBytes >> 16))
        bytes.writeInteger(UInt16(truncatingIfNeeded: payload.readableBytes))
        bytes.writeInteger(kind.rawValue)
        bytes.writeInteger(flags)
        bytes.writeInteger(stream)
        bytes.writeImmutableBuffer(payload)
        return bytes
    }

    static func goAway(last: UInt32, code: UInt32, text: String) -> ByteBuffer {
        var payload = ByteBuffer()
        payload.writeInteger(last)
        payload.writeInteger(code)
        payload.writeString(text)
        return frame(.goAway, payload: payload)
    }

    /// Parameters and their values (RFC 9113 section 6.5.1).
    static func settings(_ values: [(UInt16, UInt32)]) -> ByteBuffer {
        var payload = ByteBuffer()
        for (parameter, value) in values {
            payload.writeInteger(parameter)
            payload.writeInteger(value)
        }
        return frame(.settings, payload: payload)
    }
}
