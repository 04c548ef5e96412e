// What the sinks of the audit log have to tell, to the application log and to whoever else wants to know.

/// What is worth telling of a sink.
enum SinkNews: Sendable, Equatable {
    /// It cannot be sent to any more.
    case down(sink: String, trouble: String)
    /// It can again.
    case up(sink: String, after: Duration)
    /// Where it is cannot be noted on disk.
    case positionUnwritten(sink: String, trouble: String)
    /// Records that it had not got are gone from the log (`audit.keep`): from the first to the last of these.
    case gap(sink: String, first: UInt64, last: UInt64)
    /// Its url is another one now, and it goes on behind this record.
    case moved(sink: String, behind: UInt64)
    /// It begins anew, for this reason.
    case begunAnew(sink: String, why: String)
}
