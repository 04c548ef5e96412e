// Cuts what a tool sends into heads and bodies before it is decoded.
//
// The decoder shows less of a head than is needed: bytes that are no UTF-8 are replaced, methods and versions it does not
// know are errors, chunk extensions are swallowed without end. So it is fed whole heads that have been looked at, and then
// exactly the body that belongs to each. What both of them find must agree, else the request is refused.

import Ground
import NIOCore
import NIOHTTP1

/// Stands between the socket and the decoder. Confined to the connection's event loop.
final class MessageSplitter {
    private enum State {
        case head
        case body(left: Int)
        case chunked(ChunkScan)
        /// Not to be understood: it goes to the decoder as it is, which says what is wrong.
        case malformed
        /// The connection ends; what still comes is nobody's.
        case over
    }

    private unowned let connection: any PartTaking
    private let decoded: DecodedParts
    /// Takes a whole head that is made ready for the decoder, some of a body, or what is none of anything.
    private let decode: (ByteBuffer) -> Void
    private let knownHeads: KnownHeads<KnownRequest>
    private let maxHeadBytes: Int
    private var state = State.head
    /// The beginning of a head, and how far it has been looked at.
    private var pending = ByteBuffer()
    private var scan = HeadScan()

    /// - Parameter maxHeadBytes: of one head with its line ends and blanks; also of trailers.
    init(
        _ connection: any PartTaking, _ decoded: DecodedParts, knownHeads: KnownHeads<KnownRequest>,
        maxHeadBytes: Int, decode: @escaping (ByteBuffer) -> Void
    ) {
        self.decode = decode
        self.connection = connection
        self.decoded = decoded
        self.knownHeads = knownHeads
        self.maxHeadBytes = maxHeadBytes
    }

    /// Whether the beginning of a head is here and its end is not.
    var hasOpenHead: Bool { pending.readableBytes > 0 }

    /// Bytes as the socket delivers them.
    func take(_ bytes: ByteBuffer) {
        var bytes = bytes
        while bytes.readableBytes > 0 {
            switch state {
            case .head: if !takeKnown(&bytes) { takeHead(&bytes) }
            case .body(let left): takeBody(&bytes, left: left)
            case .chunked(let chunks): takeChunks(&bytes, chunks)
            case .malformed: feed(&bytes, bytes.readableBytes)
            case .over: return
            }
        }
    }

    // MARK: Heads

    /// A head that was seen before, byte for byte, is neither looked through nor decoded again.
    private func takeKnown(_ bytes: inout ByteBuffer) -> Bool {
        guard pending.readableBytes == 0 else { return false }
        let found = bytes.withUnsafeReadableBytes { bytes -> (KnownRequest, length: Int, id: String?)? in
            guard let raw = RawHead.scan(bytes), let known = knownHeads.find(bytes, raw) else { return nil }
            return (known, raw.length, raw.id.isEmpty ? nil : String(decoding: bytes[raw.id], as: UTF8.self))
        }
        guard let (known, length, id) = found else { return false }
        bytes.moveReaderIndex(forwardBy: length)
        connection.take(.known(known, id: id))
        return true
    }

    private func takeHead(_ bytes: inout ByteBuffer) {
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
        // The decoder reads more than HTTP, such as RTSP, so it is not asked.
        case .malformed, .straySpace: giveUp(.unreadable)
        case .targetTooLong: giveUp(.targetTooLong)
        case .tooLarge: giveUp(.headersTooLarge)
        case .complete(let length):
            guard let head = pending.readSlice(length: length) else { return giveUp(.unreadable) }
            bytes = pending
            pending = ByteBuffer()
            finish(head)
        }
    }

    private func finish(_ raw: ByteBuffer) {
        var head = raw
        let found = scan
        scan = HeadScan()
        decoded.expect(found.settle(&head), raw: raw)
        decode(head)
        guard !decoded.hasFailed else { return state = .over }
        guard let open = decoded.openHead else { return state = .head }
        if open.headers.contains(name: "Transfer-Encoding") {
            state = .chunked(ChunkScan(maxTrailerBytes: maxHeadBytes))
        } else if let length = open.headers.first(name: "Content-Length").flatMap({ Int($0.trimmedBlanks) }),
            length > 0
        {
            state = .body(left: length)
        } else {
            state = .malformed
        }
    }

    // MARK: Bodies

    private func takeBody(_ bytes: inout ByteBuffer, left: Int) {
        let count = min(left, bytes.readableBytes)
        state = .body(left: left - count)
        feed(&bytes, count)
        if count == left { messageEnds() }
    }

    private func takeChunks(_ bytes: inout ByteBuffer, _ chunks: ChunkScan) {
        var chunks = chunks
        let step = bytes.withUnsafeReadableBytes { chunks.advance($0) }
        state = .chunked(chunks)
        switch step {
        case .more: feed(&bytes, bytes.readableBytes)
        case .end(let length):
            feed(&bytes, length)
            messageEnds()
        case .tooManyExtensions:
            giveUp(.invalid("The chunk extensions of one body are larger than \(ChunkScan.maxExtensionBytes) bytes."))
        case .malformed: giveUp(.invalid("The chunked request body is malformed."))
        case .trailersTooLarge: giveUp(.headersTooLarge)
        }
    }

    private func messageEnds() {
        if decoded.hasFailed { return state = .over }
        if decoded.openHead != nil { return giveUp(.unreadable) }
        state = .head
    }

    // MARK: Outcomes

    private func feed(_ bytes: inout ByteBuffer, _ count: Int) {
        guard let slice = bytes.readSlice(length: count) else { return }
        decode(slice)
    }

    private func giveUp(_ failure: WireFailure) {
        state = .over
        let id = OfferedID.find(in: pending)
        pending = ByteBuffer()
        connection.take(.failed(failure, id: id))
    }
}

extension WireFailure {
    fileprivate static let targetTooLong = WireFailure(
        .targetTooLong, "The request target is longer than \(RequestHead.maxTargetBytes) bytes.")

    static let headersTooLarge = WireFailure(
        .headersTooLarge, "The request headers are larger than listen.max_header_bytes, or too many.")

    fileprivate static let unreadable = WireFailure.invalid("The request is not well-formed HTTP/1.1.")
}
