// The way to one sink, whatever it speaks.

import Audit
import NIOCore

/// Why records could not be sent.
struct SinkTrouble: Error, Equatable {
    /// What the sink did, in words for a log: "cannot be reached".
    let text: String

    init(_ text: String) { self.text = text }
}

/// Sends records. Used by one runner.
protocol SinkWire: Sendable {
    /// Whether the sink itself says that it has what was sent.
    var isConfirming: Bool { get }

    /// Returns when all of them are sent; how many bytes that were. Nil, and none is sent, where the end of the connection has
    /// to be told first. Ends early when its task is cancelled.
    func send(_ records: [FollowedRecord]) async throws(SinkTrouble) -> Int?

    /// Tells, once, that the connection has ended since it was asked last, and whether in good order.
    func takeEnd() -> SinkEnd?

    /// Ends the connection; whether in good order.
    func close() async -> SinkEnd?
}

/// How a connection ended.
enum SinkEnd: Sendable, Equatable {
    /// The peer has read all, and closed it.
    case clean
    /// It broke.
    case broken
}
