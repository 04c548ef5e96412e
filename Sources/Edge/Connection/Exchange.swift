// One request of a tool and the answer to it, as the flow sees them: body parts in, head and bytes out.
//
// Confined to its connection's event loop; every method must be called there. The connection pushes events in
// (`received…`, `writabilityChanged`, `connectionLost`), the flow pulls and writes. Demand travels backwards: the
// socket is only read when the flow asks for body bytes, and `write` waits while the tool does not keep up.

import HTTPTypes
import NIOCore

/// The tool closed the connection, or it broke. Not an error of ours: the outcome is `callerLeft`.
package struct CallerLeft: Error {}

/// Why the body of a request could not be had.
package enum RequestBodyError: Error {
    /// The tool is gone, or the task was cancelled.
    case callerLeft
    /// It is malformed, too large, too slow, or the process ends.
    case failed(WireFailure)
}

/// One request and its answer. Confined to its event loop.
package final class Exchange {
    /// The request, checked.
    package let head: RequestHead
    /// The head as others bring it too, where what is found out about it may be kept.
    package let known: KnownRequest?
    /// Who brought it, and how.
    package let client: Peer
    /// The tool's address.
    package var peer: String { client.address }
    /// The correlation id that the tool sent, if any.
    package let offeredID: String?
    /// Set while the process drains: the answer says `Connection: close`.
    package var isDraining = false
    /// It was taken before its tool could know of a drain, and is not turned away because of one (HTTP/2, see `StreamsState`).
    package var isPromised = false
    /// Why it is us who leave, if so.
    package private(set) var cut: ExchangeCut?
    /// Called when the tool has left, or when the exchange is cut.
    package var onLeaving: (() -> Void)?
    /// Where what the tool does not let us send is counted; nil: nowhere.
    package var room: (any AnswerRoom)?
    /// Runs tasks on this connection's event loop.
    package let executor: EventLoopExecutor

    /// What is handed over may wait in this process for the tool's window, and is to be counted.
    package var needsRoom: Bool { isFramed }

    /// The version of HTTP that the request came by, as `Via` names it (RFC 9110 section 7.6.3).
    package var receivedProtocol: String { isFramed ? "2" : head.isHTTP10 ? "1.0" : "1.1" }

    /// Until the answer is complete or the tool is gone.
    private var connection: (any ExchangeConnection)?
    /// Heads and ends are handed over as such.
    private let isFramed: Bool

    // Request side.
    private var bodyParts: [ByteBuffer] = []
    private var bodyState = BodyState.arriving
    private var bodyReader: CheckedContinuation<Void, Never>?
    /// Bytes of the request body that have come.
    package private(set) var bytesIn = 0
    private let maxBodyBytes: Int

    // Response side.
    private var answer = AnswerState.pending
    private var unsent = ByteBuffer()
    private var framing = ResponseFraming.none
    private var writer: CheckedContinuation<Void, Never>?
    /// Of the answer; 0 while there is none that the tool could see.
    package private(set) var status = 0
    /// Bytes of the answer's body that were handed over while the tool was there.
    package private(set) var bytesOut = 0
    /// Bytes of the answer that the tool's kernel has acknowledged: not what it was sent, and not what the tool has read of
    /// them. To be compared with what it said before.
    package var bytesTaken: Int { max(bytesOut - (connection?.unacknowledgedBytes ?? 0), 0) }
    /// Whether another request may follow this one.
    private var isReusable = false
    /// The connection is gone, and the answer was not complete.
    package private(set) var callerHasLeft = false
    private(set) var wasAborted = false

    private enum BodyState {
        case arriving
        case complete
        case failed(WireFailure)
    }

    private enum AnswerState {
        case pending, streaming, ended
    }

    init(
        head: RequestHead, known: KnownRequest?, client: Peer, offeredID: String?, maxBodyBytes: Int,
        connection: any ExchangeConnection, executor: EventLoopExecutor
    ) {
        self.known = known
        self.head = head
        self.client = client
        self.offeredID = offeredID
        self.maxBodyBytes = maxBodyBytes
        self.connection = connection
        isFramed = connection.framed != nil
        self.executor = executor
    }

    // MARK: Request body

    /// Whether all of the request has been received.
    package var requestIsComplete: Bool { if case .complete = bodyState { true } else { false } }

    /// The next bytes of the request body; nil at its end.
    package func nextBodyPart() async throws(RequestBodyError) -> ByteBuffer? {
        sendContinueIfExpected()
        while true {
            if case .failed(let failure) = bodyState { throw .failed(failure) }
            if !bodyParts.isEmpty { return bodyParts.removeFirst() }
            if case .complete = bodyState { return nil }
            if callerHasLeft || Task.isCancelled { throw .callerLeft }
            await wait(for: .body)
        }
    }

    /// Suspends until the tool has done its part, or the task is cancelled; who waits looks again whether it is so.
    private func wait(for wait: ConnectionState.Wait) async {
        let bound = NIOLoopBound(self, eventLoop: executor.eventLoop)
        let loop = executor.eventLoop
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                switch wait {
                case .body: bodyReader = continuation
                case .room: writer = continuation
                }
                connection?.waits(for: wait)
            }
        } onCancel: {
            loop.execute {
                bound.value.wakeBodyReader()
                bound.value.writabilityChanged()
            }
        }
    }

    private func sendContinueIfExpected() {
        guard head.expectsContinue, bytesIn == 0, case .arriving = bodyState, case .pending = answer else { return }
        guard !sentContinue else { return }
        sentContinue = true
        if isFramed { return connection?.framed?.sendContinue() ?? () }
        connection?.send(ByteBuffer(string: "HTTP/1.1 100 Continue\r\n\r\n"), flush: true)
    }
    private var sentContinue = false

    func receivedBody(_ bytes: ByteBuffer) {
        guard case .arriving = bodyState else { return }
        bytesIn += bytes.readableBytes
        if bytesIn > maxBodyBytes {
            bodyParts = []
            bodyState = .failed(.bodyTooLarge(limit: maxBodyBytes))
        } else if case .pending = answer {
            bodyParts.append(bytes)
        }
        wakeBodyReader()
    }

    func receivedEnd() {
        guard case .arriving = bodyState else { return }
        bodyState = .complete
        wakeBodyReader()
    }

    /// The rest of the body cannot be had: malformed chunks, or a tool that stopped sending.
    func failBody(_ failure: WireFailure) {
        guard case .arriving = bodyState else { return }
        bodyState = .failed(failure)
        wakeBodyReader()
    }

    /// Why the body could not be read to its end, if so.
    package var bodyFailure: WireFailure? { if case .failed(let failure) = bodyState { failure } else { nil } }

    private func wakeBodyReader() {
        guard let reader = bodyReader else { return }
        bodyReader = nil
        connection?.waitEnded()
        reader.resume()
    }

    // MARK: Answer

    /// Whether a head has been handed over; after it the status cannot change any more.
    package var hasAnswered: Bool { if case .pending = answer { false } else { true } }

    /// Answers completely: head and body leave in one write.
    package func respond(_ status: HTTPResponse.Status, _ fields: HTTPFields, body: [UInt8]) {
        let bodyless = status.hasNoBody
        unsent.reserveCapacity(minimumWritableBytes: ResponseHead.usualBytes + body.count)
        begin(status, fields, bodyless ? .none : .length(body.count))
        if !bodyless, head.method != .head { append(body) }
        end()
    }

    /// Writes the head. `framing` is what the body needs; HTTP/1.0 tools get `untilClose` instead of chunks.
    package func begin(_ status: HTTPResponse.Status, _ fields: HTTPFields, _ wanted: ResponseFraming) {
        guard case .pending = answer else { return }
        answer = .streaming
        framing = wanted == .chunked && (head.isHTTP10 || isFramed) ? .untilClose : wanted
        bodyParts = []
        if !callerHasLeft { self.status = status.code }
        if isFramed {
            return beginFramed(status, room: ResponseHead.usualBytes) { lines in
                for field in fields { lines.put(field) }
            }
        }
        ResponseHead.write(status, fields, framing, connection: connectionHeader, into: &unsent)
    }

    /// Writes the head of an answer whose lines `writeFields` puts; `room` is what head and body need.
    package func begin(
        _ status: HTTPResponse.Status, framing wanted: ResponseFraming, room: Int,
        writeFields: (inout HeadLines) -> Void
    ) {
        guard case .pending = answer else { return }
        answer = .streaming
        framing = wanted
        bodyParts = []
        if !callerHasLeft { self.status = status.code }
        if isFramed { return beginFramed(status, room: ResponseHead.usualBytes, writeFields) }
        let connectionHeader = connectionHeader
        unsent.writeLines(room: room) { lines in
            ResponseHead.putStatus(status, into: &lines)
            writeFields(&lines)
            ResponseHead.putEnd(framing, connection: connectionHeader, into: &lines)
        }
    }

    /// Framing is the wire's, but for the length, which is a fact about the body.
    private func beginFramed(
        _ status: HTTPResponse.Status, room: Int, _ writeFields: (inout HeadLines) -> Void
    ) {
        var fields = ByteBuffer()
        fields.writeLines(room: room) { lines in
            writeFields(&lines)
            if case .length = framing { ResponseHead.putFraming(framing, into: &lines) }
        }
        connection?.framed?.begin(status, lines: fields)
        isUnflushed = true
    }

    private var connectionHeader: StaticString? { reusable ? (head.isHTTP10 ? "keep-alive" : nil) : "close" }

    /// Hands a whole body over together with what is waiting, without copying it.
    package func send(whole body: ByteBuffer) {
        guard let connection, head.method != .head else { return }
        if !callerHasLeft { bytesOut += body.readableBytes }
        if unsent.readableBytes > 0 { connection.send(unsent, flush: false) }
        unsent = ByteBuffer()
        // Where ends have frames of their own, it leaves with that.
        connection.send(body, flush: !isFramed)
    }

    /// Appends a piece of a body of known length to what is waiting; small ones are copied.
    package func append(piece: ByteBuffer) {
        guard head.method != .head else { return }
        if !callerHasLeft { bytesOut += piece.readableBytes }
        if piece.readableBytes <= Self.copiedBytes { return _ = unsent.writeImmutableBuffer(piece) }
        if unsent.readableBytes > 0 { connection?.send(unsent, flush: false) }
        unsent = ByteBuffer()
        connection?.send(piece, flush: false)
        isUnflushed = true
    }
    /// A second piece for the socket costs about as much as to copy so many bytes.
    private static let copiedBytes = 4 << 10

    /// Hands body bytes over; returns when the tool keeps up. Throws `CallerLeft` when it is gone.
    package func write(_ bytes: [UInt8]) async throws(CallerLeft) {
        if callerHasLeft { throw CallerLeft() }
        if head.method == .head { return }
        append(bytes)
        flushUnsent()
        while let connection, !connection.isWritable {
            if cut != nil || Task.isCancelled { throw CallerLeft() }
            await wait(for: .room)
        }
        if callerHasLeft || cut != nil { throw CallerLeft() }
    }

    /// Sends what is waiting, now: a head must not wait for a slow body.
    package func flush() { if !callerHasLeft { flushUnsent() } }

    /// The body is complete.
    package func end() {
        guard case .streaming = answer else { return }
        if framing == .chunked, head.method != .head { unsent.writeStaticString("0\r\n\r\n") }
        isReusable = reusable
        answer = .ended
        if isFramed { return endFramed() }
        flushUnsent()
    }

    private func endFramed() {
        if unsent.readableBytes > 0 { connection?.send(unsent, flush: false) }
        unsent = ByteBuffer()
        isUnflushed = false
        connection?.framed?.endAnswer()
    }

    /// The body cannot be completed: the connection is closed without a proper end, so that it is never taken for whole.
    package func abort() {
        if case .ended = answer { return }
        answer = .ended
        wasAborted = true
    }

    /// Nothing is left to be said: the connection goes on to its next request, or closes. To be called once, after whatever
    /// else belongs to this request. An answer that is not complete by now never will be.
    package func leave() {
        abort()
        onLeaving = nil
        let left = connection
        connection = nil
        left?.exchangeFinished(self, isReusable: isReusable)
    }

    private func append(_ bytes: [UInt8]) {
        if !callerHasLeft { bytesOut += bytes.count }
        if framing == .chunked {
            ResponseHead.writeChunk(bytes, into: &unsent)
        } else {
            unsent.writeBytes(bytes)
        }
    }

    private func flushUnsent() {
        guard unsent.readableBytes > 0 || isUnflushed else { return }
        connection?.send(unsent, flush: true)
        unsent = ByteBuffer()
        isUnflushed = false
    }
    /// Pieces have been handed to the connection and not been flushed.
    private var isUnflushed = false

    /// A connection is only kept when the request was read to its end and both sides can tell where the answer ends.
    private var reusable: Bool {
        guard head.keepsAlive, !isDraining, !callerHasLeft, framing != .untilClose else { return false }
        return requestIsComplete
    }

    // MARK: Connection events

    func writabilityChanged() {
        guard let waiting = writer else { return }
        writer = nil
        connection?.waitEnded()
        waiting.resume()
    }

    func connectionLost() {
        // What was answered to its end is no less answered.
        if case .ended = answer { return }
        callerHasLeft = true
        connection = nil
        wakeBodyReader()
        writabilityChanged()
        onLeaving?()
    }

    /// The tool went away by itself, not because we ended the connection.
    package var callerLeftFirst: Bool { callerHasLeft && cut == nil }

    /// Breaks off what waits for the tool; the rest is broken off with the flow's task. Only the first counts.
    package func cut(_ cause: ExchangeCut) {
        if case .ended = answer { return }
        guard !callerHasLeft, cut == nil else { return }
        cut = cause
        if cause == .shuttingDown { failBody(.shuttingDown) }
        writabilityChanged()
        onLeaving?()
    }
}

extension HTTPResponse.Status {
    /// 1xx, 204 and 304 never have a body (RFC 9112, 6.3).
    package var hasNoBody: Bool { code == 204 || code == 304 || code < 200 }
}
