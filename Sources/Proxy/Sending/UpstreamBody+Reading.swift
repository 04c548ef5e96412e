// Reading an answer of upstream's, with the failures that a request can have.

import CurlTransport

extension UpstreamBody {
    /// The next bytes, with the failures that a request can have.
    func nextBytes(_ call: CallTraits) async throws(FlowExit) -> [UInt8]? {
        do throws(TransferFailure) {
            return try await next()
        } catch {
            throw Failure(error, call).map { .failed($0) } ?? .callerLeft
        }
    }

    /// Frees the connection: a small rest is read, because that is cheaper than a new connection.
    func discard() async {
        guard isBufferedComplete else { return cancel() }
        while let _ = try? await next() {}
    }
}

extension UpstreamResponse {
    /// See `UpstreamBody.discard`.
    func discard() async { await body.discard() }
}
