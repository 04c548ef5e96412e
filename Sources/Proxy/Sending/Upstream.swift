// Where calls go: libcurl in a running proxy, a script in a test.

import CurlTransport
import Ground

/// Carries requests to upstream. Usable from every thread.
protocol Upstream: Sendable {
    /// Sends a request; returns when the head of its final answer is here. Cancelling the task ends the exchange as
    /// `request.cancellation` says. Throws `TransferFailure`, whose `sent` tells whether upstream may have got it.
    func execute(_ request: UpstreamRequest) async throws(TransferFailure) -> UpstreamResponse

    /// Finds out whether upstream can be reached: makes a connection, sends nothing, and closes it.
    func connect(to origin: Origin) async throws(TransferFailure)
}

extension CurlTransport: Upstream {}
