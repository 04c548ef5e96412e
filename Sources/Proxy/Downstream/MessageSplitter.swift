// Cuts what a tool sends into heads and bodies before it is decoded.
//
// The decoder shows less of a head than is needed: bytes that are no UTF-8 are replaced, methods and versions it does not
// know are errors, chunk extensions are swallowed without end. So it is fed whole heads that have been looked at, and then
// exactly the body that belongs to each. What both of them find must agree, else the request is refused.

import NIOCore
import NIOHTTP1

/// Stands between the socket and the decoder. Confined to the connection's event loop.
final class MessageSplitter: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private enum State {
        case head
        case body(left: Int)
        case chunked(ChunkScan)
        /// Not to be understood: it goes to the decoder as it is, which says what is wrong.
        case malformed
        /// The connection ends; what still comes is nobody's.
        case over
    }

    private let connection: ConnectionHandler
    private let maxHeadBytes: Int
    private var state = State.head
    /// The beginning of a head, and how far it has been looked at.
    private var pending = ByteBuffer()
    private var scan = HeadScan()

    /// - Parameter maxHeadBytes: of one head with its line ends and blanks; also of trailers.
    init(_ connection: ConnectionHandler, maxHeadBytes: Int) {
        self.connection = connection
        self.maxHeadBytes = maxHeadBytes
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        while bytes.readableBytes > 0 {
            switch state {
            case .head: takeHead(&bytes, context)
            case .body(let left): takeBody(&bytes, left: left, context)
            case .chunked(let chunks): takeChunks(&bytes, chunks, context)
            case .malformed:
                feed(&bytes, bytes.readableBytes, context)
            case .over: return
            }
        }
    }

    // MARK: Heads

    private func takeHead(_ bytes: inout ByteBuffer, _ context: ChannelHandlerContext) {
        connection.headArrives()
        if pending.readableBytes == 0 {
            // Empty lines before a request are ignored (RFC 9112 section 2.2).
            let blank = bytes.readableBytesView.prefix { $0 == UInt8(ascii: "\r") || $0 == UInt8(ascii: "\n") }.count
            bytes.moveReaderIndex(forwardBy: blank)
            if bytes.readableBytes == 0 { return }
            pending = bytes
        } else {
            pending.writeImmutableBuffer(bytes)
        }
        let end = pending.withUnsafeReadableBytes { scan.advance($0, maxBytes: maxHeadBytes) }
        switch end {
        case .more:
            bytes.moveReaderIndex(forwardBy: bytes.readableBytes)
        case .malformed:
            bytes = pending
            pending = ByteBuffer()
            state = .malformed
        case .straySpace: giveUp(.unreadable)
        case .targetTooLong: giveUp(.targetTooLong)
        case .tooLarge: giveUp(.headersTooLarge)
        case .complete(let length):
            guard let head = pending.readSlice(length: length) else { return giveUp(.unreadable) }
            bytes = pending
            pending = ByteBuffer()
            finish(head, context)
        }
    }

    private func finish(_ head: ByteBuffer, _ context: ChannelHandlerContext) {
        var (head, found) = (head, scan)
        scan = HeadScan()
        connection.notes = found.settle(&head)
        context.fireChannelRead(wrapInboundOut(head))
        guard connection.decodingFailure == nil else { return state = .over }
        guard let open = connection.openHead else { return state = .head }
        if open.headers.contains(name: "Transfer-Encoding") {
            state = .chunked(ChunkScan(maxTrailerBytes: maxHeadBytes))
        } else if let length = open.headers.first(name: "Content-Length").flatMap({ Int($0[...].trimmedSpaces) }),
            length > 0
        {
            state = .body(left: length)
        } else {
            state = .malformed
        }
    }

    // MARK: Bodies

    private func takeBody(_ bytes: inout ByteBuffer, left: Int, _ context: ChannelHandlerContext) {
        let count = min(left, bytes.readableBytes)
        state = .body(left: left - count)
        feed(&bytes, count, context)
        if count == left { messageEnds() }
    }

    private func takeChunks(_ bytes: inout ByteBuffer, _ chunks: ChunkScan, _ context: ChannelHandlerContext) {
        var chunks = chunks
        let step = bytes.withUnsafeReadableBytes { chunks.advance($0) }
        state = .chunked(chunks)
        switch step {
        case .more: feed(&bytes, bytes.readableBytes, context)
        case .end(let length):
            feed(&bytes, length, context)
            messageEnds()
        case .tooManyExtensions:
            giveUp(.invalid("The chunk extensions of one body are larger than \(ChunkScan.maxExtensionBytes) bytes."))
        case .malformed: giveUp(.invalid("The chunked request body is malformed."))
        case .trailersTooLarge: giveUp(.headersTooLarge)
        }
    }

    private func messageEnds() {
        if connection.decodingFailure != nil { return state = .over }
        if connection.openHead != nil { return giveUp(.unreadable) }
        state = .head
    }

    // MARK: Outcomes

    private func feed(_ bytes: inout ByteBuffer, _ count: Int, _ context: ChannelHandlerContext) {
        guard let slice = bytes.readSlice(length: count) else { return }
        context.fireChannelRead(wrapInboundOut(slice))
    }

    private func giveUp(_ failure: Failure) {
        state = .over
        pending = ByteBuffer()
        connection.giveUpReading(failure)
    }
}

extension Failure {
    fileprivate static let targetTooLong = Failure(
        .targetTooLong, "The request target is longer than \(RequestHead.maxTargetBytes) bytes.")

    static let headersTooLarge = Failure(
        .headersTooLarge, "The request headers are larger than listen.max_header_bytes, or too many.")

    fileprivate static let unreadable = Failure.invalid("The request is not well-formed HTTP/1.1.")
}
