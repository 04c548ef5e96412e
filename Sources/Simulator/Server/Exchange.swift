// What is to be done about one request: the answer, and everything that is wrong with its delivery.

import NIOCore

/// An answer with its manner of delivery.
struct Exchange: Sendable {
    enum Delivery: Sendable {
        /// Head and body, as they should be.
        case whole
        /// Nothing; then what `afterwards` says.
        case nothing
        /// These bytes instead of HTTP.
        case raw(String)
        /// At most so many bytes of the body, fewer than all, then a close.
        case truncated(after: Int)
        /// At most so many bytes of the body, then silence until released.
        case stalled(after: Int)
    }

    enum Afterwards: Sendable {
        case keepAlive
        case close
        case reset
    }

    var answer: Answer
    /// Real time to wait before the first byte.
    var delay: Duration = .zero
    /// Silence until released, before the first byte.
    var held = false
    var informational: [Int] = []
    var delivery = Delivery.whole
    /// Bytes behind the complete answer.
    var trailer = ""
    var afterwards = Afterwards.keepAlive
    var gzip = false
    var forceChunked = false
}
