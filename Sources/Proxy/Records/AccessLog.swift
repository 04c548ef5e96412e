// One line per request on standard output, as text for people or JSON for collectors. No secret, no query.

import Configuration
import Ground
import Synchronization

/// Formats and writes access-log lines. Usable from every event loop.
final class AccessLog: Sendable {
    private let format: LogFormat
    private let writer: LineWriter
    /// The second last written and its text up to the seconds.
    private let lastSecond = Mutex<(second: Int64, text: String)>((.min, ""))

    init(format: LogFormat, writer: LineWriter) {
        self.format = format
        self.writer = writer
    }

    /// - Parameters:
    ///   - time: when it ended.
    ///   - total: how long it took.
    func write(_ record: ExchangeRecord, outcome: Outcome, ended time: WallTime, total: Duration) {
        var line = LineBuilder()
        if format == .json {
            line.text("{\"time\":\"")
            append(time, to: &line)
            Self.json(record, outcome, total: total, to: &line)
        } else {
            append(time, to: &line)
            Self.text(record, outcome, total: total, to: &line)
        }
        writer.write(line.bytes)
    }

    /// `2026-01-05T10:00:00.123Z`; all but the milliseconds is the same for a second.
    private func append(_ time: WallTime, to line: inout LineBuilder) {
        let prefix = lastSecond.withLock { last in
            if last.second != time.seconds {
                last = (time.seconds, String(RFC3339.text(time, digits: 3).prefix(20)))
            }
            return last.text
        }
        line.text(prefix)
        let milliseconds = Int(time.nanoseconds / 1_000_000)
        if milliseconds < 100 { line.text("0") }
        if milliseconds < 10 { line.text("0") }
        line.number(milliseconds)
        line.text("Z")
    }

    /// What follows the time.
    static func text(
        _ record: ExchangeRecord, _ outcome: Outcome, total: Duration, to line: inout LineBuilder
    ) {
        for word in [record.correlationID, record.peer, record.caller, record.operation, record.method, record.path] {
            line.text(" ")
            line.word(word)
        }
        line.text(" ")
        line.number(record.status)
        line.text(" ")
        line.text(record.source.rawValue)
        line.text(" ")
        line.text(outcome.text)
        line.text(" in=")
        line.number(record.bytesIn)
        line.text(" out=")
        line.number(record.bytesOut)
        line.text(" total=")
        line.milliseconds(total)
        line.text("ms queue=")
        line.milliseconds(record.times.queueTime)
        line.text("ms token=")
        line.milliseconds(record.times.tokenTime)
        line.text("ms audit=")
        line.milliseconds(record.times.auditTime)
        line.text("ms upstream=")
        line.milliseconds(record.times.upstreamTime)
        line.text("ms other=")
        line.milliseconds(record.times.otherTime(of: total))
        line.text("ms attempts=")
        line.number(record.attempts)
        if let via = record.via {
            line.text(" via=")
            line.text(via)
        }
        if let person = record.person {
            line.text(" issuer=")
            line.word(person.issuer)
            line.text(" subject=")
            line.word(person.subject)
        }
        if let trace = record.trace {
            line.text(" trace=")
            line.hex(trace.high)
            line.hex(trace.low)
        }
        if let cache = record.cache?.word {
            line.text(" cache=")
            line.word(cache.text)
        }
        if let id = record.upstreamID {
            line.text(" upstream_id=")
            line.text(id)
        }
        if !record.detail.isEmpty {
            line.text(" detail=")
            line.text(LogWord.quoted(record.detail))
        }
        line.text("\n")
    }

    /// What follows the time; closes the object that was opened before it.
    static func json(
        _ record: ExchangeRecord, _ outcome: Outcome, total: Duration, to line: inout LineBuilder
    ) {
        func string(_ key: StaticString, _ value: String) {
            line.text("\",\"")
            line.text(key)
            line.text("\":\"")
            line.escaped(value)
        }
        string("id", record.correlationID)
        string("peer", record.peer)
        string("caller", record.caller)
        string("operation", record.operation)
        string("method", record.method)
        string("path", record.path)
        string("source", record.source.rawValue)
        string("outcome", outcome.text)
        if let via = record.via { string("via", via.description) }
        if let person = record.person {
            string("issuer", person.issuer)
            string("subject", person.subject)
        }
        if let trace = record.trace { string("trace_id", trace.text) }
        if let cache = record.cache?.word { string("cache", cache.text) }
        if let id = record.upstreamID { string("upstream_id", id) }
        if !record.detail.isEmpty { string("detail", record.detail) }
        line.text("\",\"status\":")
        line.number(record.status)
        line.text(",\"bytes_in\":")
        line.number(record.bytesIn)
        line.text(",\"bytes_out\":")
        line.number(record.bytesOut)
        line.text(",\"total_ms\":")
        line.milliseconds(total)
        line.text(",\"queue_ms\":")
        line.milliseconds(record.times.queueTime)
        line.text(",\"token_ms\":")
        line.milliseconds(record.times.tokenTime)
        line.text(",\"audit_ms\":")
        line.milliseconds(record.times.auditTime)
        line.text(",\"upstream_ms\":")
        line.milliseconds(record.times.upstreamTime)
        line.text(",\"other_ms\":")
        line.milliseconds(record.times.otherTime(of: total))
        line.text(",\"attempts\":")
        line.number(record.attempts)
        line.text("}\n")
    }
}
