// The bytes of one response, piece by piece: head, body with its framing, and the places where a fault cuts it.
// A value with no I/O; the connection asks for the next piece when the socket can take one.

import NIOCore
import NIOHTTP1

/// A response on its way out.
struct OutgoingResponse {
    enum Step {
        case bytes(ByteBuffer)
        /// Nothing more until ``release()``.
        case stalled
        case done
    }

    private enum Source {
        case none
        case buffer(ByteBuffer)
        case clashes(ClashStream)
    }

    private enum Stage { case head, body, trailer, done }

    /// Whether the connection must be closed behind it for the client to see its end.
    private(set) var endsWithClose = false

    private static let pieceSize = 32_768
    private var stage = Stage.head
    private var head = ByteBuffer()
    private var source = Source.none
    private var gzip: GzipWriter?
    private var chunked = false
    /// Bytes of the body that may still go out; nil is no bound.
    private var quota: Int?
    private let stalls: Bool
    private let trailer: String

    init(_ exchange: Exchange, method: String, isHTTP10: Bool, keepAlive: Bool) {
        trailer = exchange.trailer
        if case .stalled = exchange.delivery { stalls = true } else { stalls = false }
        if case .raw(let text) = exchange.delivery { head.writeString(text) }
        switch exchange.delivery {
        case .nothing, .raw: return
        case .whole, .truncated, .stalled: break
        }
        let length = prepareBody(exchange)
        let bodiless = method == "HEAD" || exchange.answer.status == 204 || exchange.answer.status == 304
        chunked = !isHTTP10 && !bodiless && (length == nil || exchange.forceChunked)
        endsWithClose = length == nil && isHTTP10
        writeHead(exchange, length: bodiless && method != "HEAD" ? nil : length, close: !keepAlive || endsWithClose)
        if bodiless { source = .none }
        switch exchange.delivery {
        case .truncated(let bytes), .stalled(let bytes):
            quota = max(0, min(bytes, (length ?? Int.max) - 1))
        case .whole, .nothing, .raw: break
        }
    }

    /// Ends a stall: the rest of the body may go out.
    mutating func release() { quota = nil }

    mutating func next() -> Step {
        switch stage {
        case .head:
            stage = .body
            return head.readableBytes > 0 ? .bytes(head) : next()
        case .body: return nextOfBody()
        case .trailer:
            stage = .done
            return trailer.isEmpty ? .done : .bytes(ByteBuffer(string: trailer))
        case .done: return .done
        }
    }

    // MARK: Body

    private mutating func nextOfBody() -> Step {
        if quota == 0 {
            if stalls { return .stalled }
            stage = .done
            return .done
        }
        guard var piece = read() else {
            stage = .trailer
            return chunked ? .bytes(ByteBuffer(string: "0\r\n\r\n")) : next()
        }
        if let left = quota, piece.readableBytes >= left {
            // What is beyond the cut goes back, in case that a stall is released.
            guard let allowed = piece.readSlice(length: left) else { return .done }
            putBack(piece)
            piece = allowed
        }
        quota = quota.map { $0 - piece.readableBytes }
        guard chunked else { return .bytes(piece) }
        var framed = ByteBuffer(string: String(piece.readableBytes, radix: 16) + "\r\n")
        framed.writeBuffer(&piece)
        framed.writeStaticString("\r\n")
        return .bytes(framed)
    }

    /// Bytes that were read and not sent yet, before `source` is asked again.
    private var pending = ByteBuffer()

    private mutating func putBack(_ piece: ByteBuffer) { pending = piece }

    private mutating func read() -> ByteBuffer? {
        if pending.readableBytes > 0 {
            defer { pending = ByteBuffer() }
            return pending
        }
        switch source {
        case .none: return nil
        case .buffer(var buffer):
            let piece = buffer.readSlice(length: min(buffer.readableBytes, OutgoingResponse.pieceSize))
            source = buffer.readableBytes > 0 ? .buffer(buffer) : .none
            return piece.flatMap { $0.readableBytes > 0 ? $0 : nil }
        case .clashes(var stream):
            var piece = ByteBuffer()
            let more = stream.fill(&piece, size: OutgoingResponse.pieceSize)
            source = more ? .clashes(stream) : .none
            return gzip == nil ? piece : compress(piece, isLast: !more)
        }
    }

    private mutating func compress(_ piece: ByteBuffer, isLast: Bool) -> ByteBuffer {
        var out = ByteBuffer()
        gzip?.write(piece, into: &out)
        if isLast { gzip?.finish(into: &out) }
        return out
    }

    /// Sets the source; answers the length on the wire, or nil where it is not known in advance.
    private mutating func prepareBody(_ exchange: Exchange) -> Int? {
        if exchange.gzip { gzip = GzipWriter() }
        switch exchange.answer.body {
        case .none: return 0
        case .bytes(let bytes):
            var buffer = ByteBuffer(bytes: bytes)
            if exchange.gzip { buffer = compress(buffer, isLast: true) }
            source = .buffer(buffer)
            return buffer.readableBytes
        case .clashes(let stream):
            source = .clashes(stream)
            return nil
        }
    }

    // MARK: Head

    private mutating func writeHead(_ exchange: Exchange, length: Int?, close: Bool) {
        for code in exchange.informational {
            head.writeString("HTTP/1.1 \(code) \(HTTPResponseStatus(statusCode: code).reasonPhrase)\r\n\r\n")
        }
        let status = exchange.answer.status
        head.writeString("HTTP/1.1 \(status) \(HTTPResponseStatus(statusCode: status).reasonPhrase)\r\n")
        for field in exchange.answer.headers { head.writeString("\(field.name): \(field.value)\r\n") }
        if exchange.gzip { head.writeStaticString("Content-Encoding: gzip\r\nVary: Accept-Encoding\r\n") }
        if chunked {
            head.writeStaticString("Transfer-Encoding: chunked\r\n")
        } else if let length {
            head.writeString("Content-Length: \(length)\r\n")
        }
        if close { head.writeStaticString("Connection: close\r\n") }
        head.writeStaticString("\r\n")
    }
}
