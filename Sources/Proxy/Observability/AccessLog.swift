// One line per request on standard output, as text for people or JSON for collectors. No secret, no query.

/// Formats and writes access-log lines. Usable from every event loop.
struct AccessLog: Sendable {
    let format: LogFormat
    let writer: LineWriter
    let environment: Environment

    func write(_ record: ExchangeRecord, _ call: CallFacts, outcome: Outcome) {
        let total = environment.now() - record.started
        let time = environment.wallTime().rfc3339Milliseconds
        writer.write(
            format == .json
                ? Self.json(record, call, outcome, total, time) : Self.text(record, call, outcome, total, time))
    }

    static func text(
        _ record: ExchangeRecord, _ call: CallFacts, _ outcome: Outcome, _ total: Duration, _ time: String
    ) -> String {
        var line = "\(time) \(record.correlationID) \(record.peer) \(record.caller) \(record.operation)"
        line += " \(record.method) \(record.path) \(record.status) \(record.source.rawValue) \(outcome.text)"
        line +=
            " in=\(record.bytesIn) out=\(record.bytesOut) total=\(total.tenths)ms queue=\(call.queueTime.tenths)ms"
        line +=
            " token=\(call.tokenTime.tenths)ms upstream=\(call.upstreamTime.tenths)ms attempts=\(call.attempts)"
        if !record.cache.isEmpty { line += " cache=\(record.cache)" }
        if let id = call.upstreamID { line += " upstream_id=\(id)" }
        if !record.detail.isEmpty { line += " detail=\"\(JSONText.escaped(record.detail))\"" }
        return line + "\n"
    }

    static func json(
        _ record: ExchangeRecord, _ call: CallFacts, _ outcome: Outcome, _ total: Duration, _ time: String
    ) -> String {
        var line =
            "{\"time\":\"\(time)\",\"id\":\"\(record.correlationID)\",\"peer\":\"\(JSONText.escaped(record.peer))\""
        line += ",\"caller\":\"\(JSONText.escaped(record.caller))\",\"operation\":\"\(record.operation)\""
        line += ",\"method\":\"\(JSONText.escaped(record.method))\",\"path\":\"\(JSONText.escaped(record.path))\""
        line += ",\"status\":\(record.status),\"source\":\"\(record.source.rawValue)\",\"outcome\":\"\(outcome.text)\""
        line += ",\"bytes_in\":\(record.bytesIn),\"bytes_out\":\(record.bytesOut),\"total_ms\":\(total.tenths)"
        line += ",\"queue_ms\":\(call.queueTime.tenths),\"token_ms\":\(call.tokenTime.tenths)"
        line += ",\"upstream_ms\":\(call.upstreamTime.tenths),\"attempts\":\(call.attempts)"
        if !record.cache.isEmpty { line += ",\"cache\":\"\(record.cache)\"" }
        if let id = call.upstreamID { line += ",\"upstream_id\":\"\(JSONText.escaped(id))\"" }
        if !record.detail.isEmpty { line += ",\"detail\":\"\(JSONText.escaped(record.detail))\"" }
        return line + "}\n"
    }
}

/// The little JSON that the proxy writes itself.
enum JSONText {
    /// The inside of a JSON string (RFC 8259, 7).
    static func escaped(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x22 && $0 != 0x5C && $0 < 0x7F }
        if isPlain { return text }
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": escaped += "\\\""
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\r": escaped += "\\r"
            case "\t": escaped += "\\t"
            case _ where scalar.value < 0x20 || scalar.value == 0x7F:
                let digits = String(scalar.value, radix: 16)
                escaped += "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
