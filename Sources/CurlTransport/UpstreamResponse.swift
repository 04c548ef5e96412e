// A response head with its body still to be read. Whoever lets go of the body ends the exchange.

import HTTPTypes
import Synchronization

/// The final response to a request. Interim (1xx) responses are not reported.
package struct UpstreamResponse: Sendable {
    /// How the exchange came about, for logs and `Server-Timing`.
    package struct Facts: Sendable, Hashable {
        /// Whether an open connection was used.
        package let connectionReused: Bool
        /// From start to the moment the request could be sent.
        package let connect: Duration
        /// From there to the final response head.
        package let firstByte: Duration

        /// Facts from their parts.
        package init(connectionReused: Bool, connect: Duration, firstByte: Duration) {
            self.connectionReused = connectionReused
            self.connect = connect
            self.firstByte = firstByte
        }
    }

    /// The status.
    package let status: HTTPResponse.Status
    /// The header fields in order, names in the server's own case, repeated ones kept apart; hop-by-hop fields too.
    /// Without `Content-Encoding` and `Content-Length` where codings are removed from the body.
    package let fields: HTTPFields
    /// The body, to be read by one task.
    package let body: any UpstreamBody
    /// How it came about.
    package let facts: Facts

    /// A response from its parts.
    package init(status: HTTPResponse.Status, fields: HTTPFields, body: any UpstreamBody, facts: Facts) {
        self.status = status
        self.fields = fields
        self.body = body
        self.facts = facts
    }
}

/// A response body on its way. Read by one task at a time; dropping it before its end ends the exchange. A protocol, so that
/// what is done with answers can be tested without a network.
package protocol UpstreamBody: AnyObject, Sendable {
    /// How many bytes will come in all: Content-Length, or 0 where no body is allowed. Nil if unknown or decoded.
    var declaredLength: Int? { get }
    /// Everything that has arrived since the last call, or a slice of what it stands for, waiting for something if need
    /// be; nil at the end.
    ///
    /// Cancelling the task ends the exchange, unless the request said `untilSent`.
    /// - Throws: `TransferFailure` when the body was cut; never nil in that case.
    func next() async throws(TransferFailure) -> [UInt8]?
    /// Leaves early: the exchange is ended and its connection freed. Does nothing after the end.
    func cancel()
    /// Once `next()` has returned nil: whether the framing (length or chunks) proves that nothing is missing. A body
    /// that ended with the connection may have been cut, and should not be stored.
    var endIsProven: Bool { get }
    /// Whether everything that is still to be read is already here, and no larger than it is.
    var isBufferedComplete: Bool { get }
    /// The trailer fields, once `next()` has returned nil.
    var trailers: HTTPFields { get }
}

/// The body of an exchange through libcurl.
package final class ResponseBody: UpstreamBody {
    private let transfer: Transfer

    /// See `UpstreamBody`.
    package let declaredLength: Int?

    /// Nil where the bytes are delivered as they come.
    private let decoder: Mutex<BodyDecoder?>
    private let isDecoded: Bool
    private let status: HTTPResponse.Status

    init(transfer: Transfer, declaredLength: Int?, codings: [String], status: HTTPResponse.Status) {
        self.transfer = transfer
        self.declaredLength = declaredLength
        self.status = status
        self.isDecoded = !codings.isEmpty
        self.decoder = Mutex(codings.isEmpty ? nil : BodyDecoder(codings))
    }

    deinit {
        self.cancel()
    }

    /// See `UpstreamBody`.
    package func next() async throws(TransferFailure) -> [UInt8]? {
        self.isDecoded ? try await self.nextSlice() : try await self.nextArrived()
    }

    private func nextSlice() async throws(TransferFailure) -> [UInt8]? {
        while true {
            switch self.decoder.withLock({ $0?.step() ?? .starved }) {
            case .bytes(let bytes):
                // A small body may stand for a very large one: others want to go on too.
                if bytes.isEmpty || bytes.count == Inflater.sliceBytes { await Task.yield() }
                if !bytes.isEmpty { return bytes }
                if Task.isCancelled, self.transfer.request.cancellation == .always { throw self.failure(.cancelled) }
            case .starved:
                guard let arrived = try await self.nextArrived() else {
                    if self.endsInsideCoding { throw self.failure(.truncated, "the body ends inside its coding") }
                    return nil
                }
                self.decoder.withLock { $0?.give(arrived) }
            case .broken:
                self.cancel()
                throw self.failure(.invalidResponse, "the body is not in the coding that its head names")
            }
        }
    }

    /// An error is worth passing on however it is coded. A success that stopped must not look like one; only 200 cannot
    /// do without a body.
    private var endsInsideCoding: Bool {
        self.status.kind == .successful
            && self.decoder.withLock { decoder in
                guard let decoder, decoder.hasInput || self.status == .ok else { return false }
                return !decoder.isAtEnd
            }
    }

    private func failure(_ reason: TransferFailure.Reason, _ detail: String = "") -> TransferFailure {
        TransferFailure(reason: reason, sent: true, headReceived: true, detail: detail)
    }

    private func nextArrived() async throws(TransferFailure) -> [UInt8]? {
        switch self.transfer.pipe.take() {
        case .now(let next, let resumes):
            if resumes { self.transfer.inbox.send(.resumeDownload(self.transfer)) }
            return try next.get()
        case .wait:
            break
        }
        // A head is here, so the request was sent: `untilSent` knows no cancellation any more.
        if self.transfer.request.cancellation == .untilSent { return try await self.wait().get() }
        return try await withTaskCancellationHandler {
            await self.wait()
        } onCancel: {
            self.transfer.inbox.send(.cancel(self.transfer))
        }.get()
    }

    /// See `UpstreamBody`.
    package func cancel() {
        if !self.transfer.pipe.hasEnded { self.transfer.inbox.send(.abandon(self.transfer)) }
    }

    /// See `UpstreamBody`.
    package var endIsProven: Bool {
        self.transfer.pipe.conclusion?.isProven ?? false && self.decoder.withLock { $0?.isAtEnd ?? true }
    }

    /// See `UpstreamBody`.
    package var isBufferedComplete: Bool { !self.isDecoded && self.transfer.pipe.isComplete }

    /// See `UpstreamBody`.
    package var trailers: HTTPFields { self.transfer.pipe.conclusion?.trailers ?? HTTPFields() }

    private func wait() async -> ResponsePipe.Next {
        await unsafe withUnsafeContinuation { (continuation: UnsafeContinuation<ResponsePipe.Next, Never>) in
            guard case .now(let next, let resumes) = unsafe self.transfer.pipe.wait(continuation) else { return }
            if resumes { self.transfer.inbox.send(.resumeDownload(self.transfer)) }
            unsafe continuation.resume(returning: next)
        }
    }
}
