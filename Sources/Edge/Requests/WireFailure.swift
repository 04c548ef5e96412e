// Why what a tool sent is no request that can be handed over, or why the rest of one cannot be had.

/// One sentence for the tool, and why. Whoever serves the requests makes an answer of it.
package struct WireFailure: Error, Sendable, Equatable {
    /// A bounded set.
    package enum Reason: Sendable {
        /// It breaks the rules of HTTP.
        case invalid
        case methodNotAllowed
        case methodNotImplemented
        case versionNotSupported
        /// A body that is too slow, or silent.
        case timeout
        case bodyTooLarge
        case targetTooLong
        case headersTooLarge
        /// The process ends.
        case shuttingDown
    }

    /// Why.
    package let reason: Reason
    /// What is wrong; never a value that came.
    package let message: String
    /// The name of the field that is wrong, if there is one.
    package let target: String?

    init(_ reason: Reason, _ message: String, target: String? = nil) {
        (self.reason, self.message, self.target) = (reason, message, target)
    }

    static func invalid(_ message: String, target: String? = nil) -> WireFailure {
        WireFailure(.invalid, message, target: target)
    }

    /// A body over `listen.max_body_bytes`.
    package static func bodyTooLarge(limit: Int) -> WireFailure {
        WireFailure(.bodyTooLarge, "The request body is larger than \(limit) bytes (listen.max_body_bytes).")
    }

    static let shuttingDown = WireFailure(.shuttingDown, "This proxy is shutting down.")
}
