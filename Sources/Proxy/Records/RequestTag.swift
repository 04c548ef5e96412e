// Which request a line of the application log speaks of, in the words that its line in the access log has as well.

import Logging

/// What joins lines of both logs, traces and the audit log. A value.
struct RequestTag: Sendable, Equatable {
    /// The correlation id.
    let id: String
    let caller: String
    /// Nil where nothing is traced.
    var trace: TraceID?

    /// As facts of a line.
    var facts: Logger.Metadata {
        var facts: Logger.Metadata = ["id": "\(id)", "caller": "\(caller)"]
        if let trace { facts["trace_id"] = "\(trace.text)" }
        return facts
    }

    /// Those of a pause: another process, or an earlier one, may have been told of it, of whose requests nothing is known.
    static func facts(_ tag: RequestTag?) -> Logger.Metadata { tag?.facts ?? ["id": "another-process"] }
}

extension ExchangeRecord {
    var tag: RequestTag { RequestTag(id: correlationID, caller: caller, trace: trace) }
}
