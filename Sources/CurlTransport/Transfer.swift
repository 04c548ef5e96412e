// One exchange between a caller and the curl thread.
// The loop's list of live transfers is its one owner while libcurl holds a pointer to it; `CurlLoop.finish` is the only
// way off that list.

import CCurl
import Ground
import HTTPTypes

/// The state of one exchange.
///
/// `@unchecked Sendable`: `request`, `purpose`, `headers`, `pipe`, `inbox` never change and are safe to share (`pipe` locks). The
/// rest is written by `execute` before the `start` command is queued and from then on touched by the curl thread only;
/// the inbox's lock orders the two.
/// `@safe`: the loop outlives its transfers, and `head` is set to nil by whoever resumes it.
@safe final class Transfer: @unchecked Sendable {
    typealias Head = UnsafeContinuation<Result<UpstreamResponse, TransferFailure>, Never>

    /// What it is made for.
    enum Purpose {
        case exchange
        /// To see whether there can be a connection: a new one, on which nothing is sent.
        case connection
    }

    let request: UpstreamRequest
    let purpose: Purpose
    let headers: HeaderList
    let pipe = ResponsePipe()
    let inbox: Inbox

    // Curl thread only from here.
    var head: Head?
    var state: TransferState
    var parser: HeadParser
    /// Used from callbacks only, that is, while the loop itself runs.
    unowned(unsafe) let loop: CurlLoop
    var handle: EasyHandle?
    /// Place in the loop's list of live transfers.
    var liveIndex = 0
    /// Set when a callback ends the transfer: libcurl's own code would only say that some callback did.
    var verdict: (reason: TransferFailure.Reason, detail: String)?
    var connection: ConnectionKey?
    /// What is known about the latest send's HTTP/2 stream.
    var stream = StreamNews()
    var openedSocket = false
    var isReadyListed = false
    var headIsReady = false
    /// The codings that are taken off the body for its reader.
    var codings: [String] = []
    var uploadOffset = 0
    var received = 0
    /// It is for a connection only, and has it. Read by its caller too, once it has been told the end.
    var isConnected = false
    /// The final answer refuses a request body that was still being sent.
    var wasAnsweredEarly = false
    var startedAt: Nanoseconds = 0
    var sentAt: Nanoseconds = 0
    var headAt: Nanoseconds = 0

    init(
        _ request: UpstreamRequest, for purpose: Purpose, inbox: Inbox, loop: CurlLoop, connectTimeout: Nanoseconds
    ) {
        self.request = request
        self.purpose = purpose
        self.headers = HeaderList(request.fields)
        self.inbox = inbox
        unsafe self.loop = loop
        self.parser = HeadParser(mayBeHTTP2: loop.speaksHTTP2)
        self.state = TransferState(
            limits: .init(
                connect: connectTimeout,
                firstByte: request.firstByteTimeout.nanoseconds,
                stall: request.stallTimeout.nanoseconds,
                isRepeatable: request.repeatable,
                cancellation: request.cancellation),
            hasUpload: request.uploadLength != 0)
    }

    /// The response carries no body whatever its fields say (RFC 9112 section 6.3).
    private var isBodiless: Bool {
        self.request.method == .head || self.parser.status.code == 204 || self.parser.status.code == 304
    }

    /// How many body bytes will be delivered, where that is known.
    var expectedLength: Int? {
        self.isBodiless ? 0 : self.parser.contentLength
    }

    /// Whether the framing proves that a body which libcurl calls complete is complete: HTTP/1 bodies that end with
    /// the connection, and in this libcurl HTTP/2 streams reset with NO_ERROR, can be cut unnoticed.
    var endIsProven: Bool {
        self.expectedLength != nil || self.parser.isChunked && self.parser.isHTTP1
    }

    /// Whether the whole answer to an unfinished request is here. libcurl would go on waiting for the server to take the rest
    /// of the request body when the answer also closes the connection, so such an exchange is ended by us.
    var isAnsweredInFull: Bool {
        self.wasAnsweredEarly && self.received == self.expectedLength
    }

    /// The final head is complete.
    func completeHead(now: Nanoseconds) {
        self.headAt = now
        // A part of something coded cannot be read by itself.
        if self.request.decodesContent && self.parser.isCoded && !self.isBodiless && self.parser.status.code != 206 {
            self.codings = self.parser.takeContentCoding()
        }
        // After such an answer nobody wants the rest of the request body, and the connection will be closed.
        if self.parser.status.code >= 300 && !self.state.uploadIsDone {
            self.wasAnsweredEarly = true
            self.state.uploadEnded(now: now)
        }
        self.state.headCompleted(now: now)
        self.headIsReady = true
    }

    /// libcurl is about to send the request once more, so that of the send before nothing has come.
    func forgetSend() {
        // On a connection with other streams libcurl does not say that this one was refused, but it has words for
        // anything else that happens. Surely enough where a second send does no harm.
        let wasRefused = unsafe self.request.isSafe && self.stream.number != nil && self.handle?.errorText.pointee == 0
        if self.request.repeatable { self.stream = StreamNews() } else if wasRefused { self.stream.refused() }
    }

    /// Whether the server has said that it did not carry the request out.
    var isRefused: Bool { self.stream.isRefused && !self.parser.hasBegun }

    /// Hands out what has become available: the head once, then body bytes to a waiting reader.
    /// True: the transfer had been paused for the reader and must go on.
    func deliver() -> Bool {
        if let head = unsafe self.head, self.headIsReady {
            unsafe self.head = nil
            unsafe head.resume(returning: .success(self.response))
        }
        return self.pipe.deliver()
    }

    /// The exchange failed before its head could be delivered.
    func deliver(_ failure: TransferFailure) {
        guard let head = unsafe self.head else { return }
        unsafe self.head = nil
        unsafe head.resume(returning: .failure(failure))
    }

    private var response: UpstreamResponse {
        UpstreamResponse(
            status: self.parser.status,
            fields: self.parser.fields,
            body: ResponseBody(
                transfer: self, declaredLength: self.codings.isEmpty ? self.expectedLength : nil,
                codings: self.codings, status: self.parser.status),
            facts: .init(
                connectionReused: !self.openedSocket,
                connect: .nanoseconds(self.sentAt - self.startedAt),
                firstByte: .nanoseconds(self.headAt - self.sentAt)))
    }
}

extension UpstreamRequest {
    /// Whether sending it again changes nothing (RFC 9110 section 9.2.1).
    var isSafe: Bool { self.method == .get || self.method == .head || self.method == .options }

    /// Bytes of the request body.
    var uploadLength: Int { if case .bytes(let bytes) = self.body { bytes.count } else { 0 } }
}
