// Why a gate let somebody not in. The wait in it is what the tool is told as `Retry-After`.

/// Why a permit was not given.
public enum GateRefusal: Error, Sendable, Equatable {
    /// As many wait already as may.
    case queueFull(retryAfter: Duration)
    /// It would have taken longer than the caller wanted to wait.
    case deadline(retryAfter: Duration)
    /// The waiting task was cancelled.
    case cancelled

    /// After how long another try is likely to succeed, at least a second; nil when nobody is there to try.
    public var retryAfter: Duration? {
        switch self {
        case .queueFull(let retryAfter), .deadline(let retryAfter): retryAfter
        case .cancelled: nil
        }
    }
}
