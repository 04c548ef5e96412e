// Where a connection of a tool is in its life.

enum ConnectionPhase {
    /// Nothing has come yet.
    case fresh
    /// Between requests.
    case idle
    /// A head has begun and is not complete.
    case readingHead
    /// An exchange is under way.
    case busy
    /// The last answer is out; what the tool still sends is read and dropped, so that it can read the answer.
    case lingering
    case closed
}
