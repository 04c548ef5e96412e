// One stream of an HTTP/2 connection: one request and its answer (RFC 9113 section 8.1). The shell of `StreamState`.
//
// Flow control, both ways: the tool may send what the flow has asked for, and one window ahead of it; the flow writes until
// as much waits here as `isWritable` allows, and goes on when the tool has taken it.

import HTTPTypes
import NIOCore
import NIOHPACK
import NIOHTTP2

/// Confined to the connection's event loop.
final class HTTP2Stream {
    /// What the tool may send before the flow asks for it, and what it may send once the flow reads.
    static let firstWindow = 65_535
    static let readWindow = 256 << 10

    let id: HTTP2StreamID
    private(set) var state: StreamState
    /// Until the flow has left.
    private(set) var exchange: Exchange?
    /// What came and the flow has not read.
    private(set) var unread = 0

    private let connection: HTTP2Connection
    private let length: Int?
    private var received = 0
    private var target = firstWindow
    private var window = firstWindow

    // The head and the last piece wait for what comes next, so that the last frame says that it is the last.
    private var head: HPACKHeaders?
    private var piece = ByteBuffer()
    private var unsent = UnsentAnswer()
    /// The flow has left, and its answer is not out: it is still under way.
    private var isLeaving = false

    init(_ id: HTTP2StreamID, _ connection: HTTP2Connection, _ head: RequestHead?, isWhole: Bool) {
        (self.id, self.connection) = (id, connection)
        length = head?.framing.declaredLength
        state = StreamState(connection.limits, isWhole: isWhole, now: connection.now)
    }

    func carries(_ exchange: Exchange) { self.exchange = exchange }

    /// When something follows from the time alone.
    var deadline: NIODeadline? {
        guard let own = unsent.deadline(after: connection.lastProgress) else { return state.deadline }
        return min(own, state.deadline ?? own)
    }

    // MARK: The request

    func received(_ bytes: ByteBuffer, isLast: Bool) {
        let count = bytes.readableBytes
        received += count
        if state.bodyCame(count) { return connection.reset(self, .noError) }
        if count > 0, let exchange, !exchange.hasAnswered {
            unread += count
            exchange.receivedBody(bytes)
            if exchange.bodyFailure != nil { unread = 0 }
        }
        if isLast { return requestEnded() }
        if let length, received > length { return failBody(.lengthMismatch) }
        if isDropping { giveWindow() }
    }

    /// END_STREAM came, with the last bytes or with trailers.
    func requestEnded() {
        state.toolEnded()
        guard length == nil || length == received else { return failBody(.lengthMismatch) }
        exchange?.receivedEnd()
    }

    private func failBody(_ failure: WireFailure) {
        state.bodyGivenUp()
        unread = 0
        exchange?.failBody(failure)
    }

    /// Nobody reads what still comes.
    private var isDropping: Bool { exchange.map { $0.hasAnswered || $0.bodyFailure != nil } ?? true }

    func windowChanged(_ size: Int) { window = size }

    /// Lets the tool send up to the target again, once half of it is used up: the wider one once it is seen to need it.
    private func giveWindow() {
        if received > Self.firstWindow / 2 { target = Self.readWindow }
        if let length, length - received <= window { return }
        guard window + unread <= target / 2 else { return }
        let increment = target - window - unread
        window += increment
        connection.write(id, .windowUpdate(windowSizeIncrement: increment))
        connection.flush()
    }

    // MARK: The answer

    /// Frames went out.
    func wrote(_ count: Int, isLast: Bool) {
        let wasFull = unsent.isFull
        unsent.left(count, now: connection.now)
        state.someWasTaken(now: connection.now)
        if wasFull, !unsent.isFull { exchange?.writabilityChanged() }
        guard isLast else { return }
        left()
        unread = 0
        state.answerIsOut(now: connection.now)
        connection.expectTimer(state.deadline)
    }

    private func writePiece(isLast: Bool) {
        writeHead(isLast: isLast && piece.readableBytes == 0)
        guard piece.readableBytes > 0 else { return }
        unsent.add(piece.readableBytes)
        connection.write(id, .data(.init(data: .byteBuffer(piece), endStream: isLast)))
        piece = ByteBuffer()
    }

    private func writeHead(isLast: Bool) {
        guard let head else { return }
        self.head = nil
        connection.write(id, .headers(.init(headers: head, endStream: isLast)))
    }

    /// What did not leave at once counts from now on.
    private func flush() {
        connection.flush()
        guard unsent.bytes > UnsentAnswer.free else { return }
        unsent.count(in: exchange?.room, now: connection.now)
        connection.expectTimer(deadline)
    }

    // MARK: The end

    /// It is closed on the wire.
    func closed() {
        unsent.dropped()
        left()
        guard let exchange else { return }
        self.exchange = nil
        exchange.connectionLost()
    }

    func cutShort() {
        state.bodyGivenUp()
        // What its flow has left behind nobody else can end.
        guard let exchange else { return connection.reset(self, .cancel) }
        exchange.cut(.shuttingDown)
    }

    private func left() {
        if isLeaving { connection.activity.exchangeEnded() }
        isLeaving = false
    }

    /// What follows from the time alone.
    func timeOut(now: NIODeadline) {
        let wasFull = unsent.isFull
        if unsent.isHopeless(now: now, progress: connection.lastProgress) {
            exchange?.cut(.toolTooSlow)
            return connection.reset(self, .cancel)
        }
        // Room that others gave back is no news to the flow otherwise.
        if wasFull, !unsent.isFull { exchange?.writabilityChanged() }
        switch state.timeOut(now: now) {
        case .nothing: break
        case .failBody(let slowness):
            unread = 0
            exchange?.failBody(.requestTimeout(slowness))
        case .cancel:
            exchange?.cut(.toolSilent)
            connection.reset(self, .cancel)
        case .endCalmly: connection.reset(self, .noError)
        }
    }
}

extension HTTP2Stream: ExchangeConnection {
    var framed: (any FramedAnswers)? { self }
    var isWritable: Bool { !unsent.isFull }
    var unacknowledgedBytes: Int { unsent.bytes + connection.unacknowledgedBytes }

    func waits(for wait: ConnectionState.Wait) {
        if wait == .body {
            unread = 0
            giveWindow()
            connection.giveWindow()
        }
        state.waits(for: wait, now: connection.now)
        connection.expectTimer(state.deadline)
    }

    func waitEnded() { state.waitEnded(now: connection.now) }

    func send(_ bytes: ByteBuffer, flush: Bool) {
        if bytes.readableBytes > 0 {
            if piece.readableBytes > 0 { writePiece(isLast: false) }
            piece = bytes
        }
        guard flush else { return }
        writePiece(isLast: false)
        self.flush()
    }

    func exchangeFinished(_ exchange: Exchange, isReusable: Bool) {
        self.exchange = nil
        if !exchange.hasAnswered || exchange.wasAborted { return connection.reset(self, .internalError) }
        guard state.answer == .queued else { return }
        isLeaving = true
        connection.activity.exchangeBegan()
    }
}

extension HTTP2Stream: FramedAnswers {
    func sendContinue() {
        connection.write(id, .headers(.init(headers: [":status": "100"])))
        connection.flush()
    }

    func begin(_ status: HTTPResponse.Status, lines: ByteBuffer) {
        unread = 0
        head = AnswerBlock.make(status, lines: lines)
    }

    func endAnswer() {
        state.answerEnded(now: connection.now)
        if head == nil, piece.readableBytes == 0 {
            connection.write(id, .data(.init(data: .byteBuffer(ByteBuffer()), endStream: true)))
        } else {
            writePiece(isLast: true)
        }
        flush()
        connection.expectTimer(state.deadline)
    }
}

extension WireFailure {
    fileprivate static let lengthMismatch = WireFailure.invalid(
        "The request body is not as long as Content-Length says.", target: "Content-Length")
}
