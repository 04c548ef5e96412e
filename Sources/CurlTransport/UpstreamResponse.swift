// A response head with its body still to be read. Whoever lets go of the body ends the exchange.

import HTTPTypes

/// The final response to a request. Interim (1xx) responses are not reported.
public struct UpstreamResponse: Sendable {
    /// How the exchange came about, for logs and `Server-Timing`.
    public struct Facts: Sendable, Hashable {
        /// Whether an open connection was used.
        public let connectionReused: Bool
        /// From start to the moment the request could be sent.
        public let connect: Duration
        /// From there to the final response head.
        public let firstByte: Duration
    }

    /// The status.
    public let status: HTTPResponse.Status
    /// The header fields in order, names in the server's own case, repeated ones kept apart; hop-by-hop fields too.
    public let fields: HTTPFields
    /// The body, to be read by one task.
    public let body: ResponseBody
    /// Whether the body is delivered with its content coding removed; `Content-Encoding` and `Content-Length` are then
    /// missing from `fields`.
    public let wasDecoded: Bool
    /// How it came about.
    public let facts: Facts
}

/// A response body on its way. Read by one task at a time; dropping it before its end ends the exchange.
public final class ResponseBody: Sendable {
    private let transfer: Transfer

    /// How many bytes will come in all: Content-Length, or 0 where no body is allowed. Nil if unknown or decoded.
    public let declaredLength: Int?

    init(transfer: Transfer, declaredLength: Int?) {
        self.transfer = transfer
        self.declaredLength = declaredLength
    }

    deinit {
        self.cancel()
    }

    /// Everything that has arrived since the last call, waiting for something if need be; nil at the end.
    ///
    /// Cancelling the task ends the exchange, unless the request said `untilSent`.
    /// - Throws: `TransferFailure` when the body was cut; never nil in that case.
    public func next() async throws(TransferFailure) -> [UInt8]? {
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

    /// Leaves early: the exchange is ended and its connection freed. Does nothing after the end.
    public func cancel() {
        if !self.transfer.pipe.hasEnded { self.transfer.inbox.send(.abandon(self.transfer)) }
    }

    /// Once `next()` has returned nil: whether the framing (length or chunks) proves that nothing is missing. A body
    /// that ended with the connection may have been cut, and should not be stored.
    public var endIsProven: Bool { self.transfer.pipe.conclusion?.isProven ?? false }

    /// Whether everything that is still to be read is already here.
    public var isBufferedComplete: Bool { self.transfer.pipe.isComplete }

    /// The trailer fields, once `next()` has returned nil.
    public var trailers: HTTPFields { self.transfer.pipe.conclusion?.trailers ?? HTTPFields() }

    private func wait() async -> ResponsePipe.Next {
        await withUnsafeContinuation { (continuation: UnsafeContinuation<ResponsePipe.Next, Never>) in
            guard case .now(let next, let resumes) = self.transfer.pipe.wait(continuation) else { return }
            if resumes { self.transfer.inbox.send(.resumeDownload(self.transfer)) }
            continuation.resume(returning: next)
        }
    }
}
