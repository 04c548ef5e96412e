// What the sinks of the audit log have to tell, to the application log and to whoever else wants to know.

/// What is worth telling of a sink.
enum SinkNews: Sendable, Equatable {
    /// It cannot be sent to any more.
    case down(sink: String, trouble: String)
    /// It can again.
    case up(sink: String, after: Duration)
    /// Where it is cannot be noted on disk.
    case positionUnwritten(sink: String, trouble: String)
    /// It begins anew, for this reason.
    case begunAnew(sink: String, why: String)
    /// A record was too long for it.
    case skipped(sink: String, seq: UInt64)
}
