// Spans as OTLP/HTTP wants them in JSON: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding. Names of attributes
// are those of the semantic conventions for HTTP; what is ours alone begins with `clash_proxy.`.

import Ground

/// Writes documents of spans. A value.
struct SpanJSON: Sendable {
    /// What stands before and behind the spans.
    private let head: String
    private static let tail = "]}]}]}"

    /// - Parameters:
    ///   - version: of this program.
    ///   - instance: tells this process from others of its name.
    init(version: String, instance: String) {
        var builder = LineBuilder()
        builder.text("{\"resourceSpans\":[{\"resource\":{\"attributes\":[")
        builder.attribute(#"{"key":"service.name","value":{"stringValue":""#, "clash-proxy")
        builder.attribute(#",{"key":"service.version","value":{"stringValue":""#, version)
        builder.attribute(#",{"key":"service.instance.id","value":{"stringValue":""#, instance)
        builder.text("]},\"scopeSpans\":[{\"scope\":{\"name\":\"clash-proxy\",\"version\":\"")
        builder.escaped(version)
        builder.text("\"},\"spans\":[")
        head = String(decoding: builder.bytes, as: UTF8.self)
    }

    /// One document. `now` and `wallTime` are the same moment by both clocks.
    func document(_ spans: [TraceSpan], now: ContinuousClock.Instant, wallTime: WallTime) -> [UInt8] {
        var builder = LineBuilder(capacity: 1_024 * (spans.count + 1))
        let wallTime = wallTime.sinceEpoch.clampedNanoseconds
        builder.text(head)
        for (index, span) in spans.enumerated() {
            if index > 0 { builder.text(",") }
            append(span, now, wallTime, to: &builder)
        }
        builder.text(Self.tail)
        return builder.bytes
    }

    private func append(
        _ span: TraceSpan, _ now: ContinuousClock.Instant, _ wallTime: Int64, to out: inout LineBuilder
    ) {
        out.text("{\"traceId\":\"")
        out.hex(span.trace.high)
        out.hex(span.trace.low)
        out.text("\",\"spanId\":\"")
        out.hex(span.id.bits)
        if let parent = span.parent {
            out.text("\",\"parentSpanId\":\"")
            out.hex(parent.bits)
        }
        if let state = span.state {
            out.text("\",\"traceState\":\"")
            out.escaped(state)
        }
        out.text("\",\"startTimeUnixNano\":\"")
        out.number(Int(wallTime - (now - span.started).clampedNanoseconds))
        out.text("\",\"endTimeUnixNano\":\"")
        out.number(Int(wallTime - (now - span.ended).clampedNanoseconds))
        out.text("\",\"kind\":")
        out.number(span.kind)
        switch span.content {
        case .request(let record, let outcome, let scheme):
            append(record, outcome, scheme: scheme, isError: span.isError, to: &out)
        case .call(let call): append(call, isError: span.isError, to: &out)
        case .part(let part):
            out.text(",\"name\":\"")
            out.text(part.rawValue)
            out.text("\"")
        case .sharedFetch: out.text(",\"name\":\"shared fetch\"")
        }
        if let link = span.link {
            out.text(",\"links\":[{\"traceId\":\"\(link.trace.text)\",\"spanId\":\"\(link.span.text)\"}]")
        }
        if span.isError { out.text(",\"status\":{\"code\":2}") }
        out.text("}")
    }

    /// Name and attributes. Names are few: which operation it was is an attribute.
    private func append(
        _ record: ExchangeRecord, _ outcome: Outcome, scheme: String, isError: Bool, to out: inout LineBuilder
    ) {
        out.text(",\"name\":\"request\",\"attributes\":[")
        out.method(record.method)
        out.attribute(#",{"key":"url.scheme","value":{"stringValue":""#, scheme)
        out.attribute(#",{"key":"url.path","value":{"stringValue":""#, record.path)
        out.attribute(#",{"key":"client.address","value":{"stringValue":""#, record.peer)
        if record.status > 0 {
            out.attribute(#",{"key":"http.response.status_code","value":{"intValue":""#, record.status)
        }
        if isError {
            let type = record.status > 0 ? "\(record.status)" : outcome.text
            out.attribute(#",{"key":"error.type","value":{"stringValue":""#, type)
        }
        out.attribute(#",{"key":"clash_proxy.correlation_id","value":{"stringValue":""#, record.correlationID)
        out.attribute(#",{"key":"clash_proxy.caller","value":{"stringValue":""#, record.caller)
        out.attribute(#",{"key":"clash_proxy.operation","value":{"stringValue":""#, record.operation)
        out.attribute(#",{"key":"clash_proxy.source","value":{"stringValue":""#, record.source.rawValue)
        out.attribute(#",{"key":"clash_proxy.outcome","value":{"stringValue":""#, outcome.text)
        if let cache = record.cache?.word {
            out.attribute(#",{"key":"clash_proxy.cache","value":{"stringValue":""#, cache.text)
        }
        out.text("]")
    }

    private func append(_ call: TracedCall, isError: Bool, to out: inout LineBuilder) {
        out.text(",\"name\":\"upstream\",\"attributes\":[")
        out.method(call.method)
        out.attribute(#",{"key":"server.address","value":{"stringValue":""#, call.host)
        out.attribute(#",{"key":"server.port","value":{"intValue":""#, call.port)
        out.attribute(#",{"key":"url.full","value":{"stringValue":""#, call.server + call.path)
        if let status = call.status {
            out.attribute(#",{"key":"http.response.status_code","value":{"intValue":""#, status)
        }
        if isError {
            out.attribute(
                #",{"key":"error.type","value":{"stringValue":""#, call.failure ?? "\(call.status ?? 0)")
        }
        if call.resend > 0 {
            out.attribute(#",{"key":"http.request.resend_count","value":{"intValue":""#, call.resend)
        }
        out.attribute(#",{"key":"clash_proxy.operation","value":{"stringValue":""#, call.operation)
        out.text("]")
    }
}

extension LineBuilder {
    /// Methods are few; what a tool invents is none of them.
    fileprivate mutating func method(_ method: String) {
        switch method {
        case "GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "TRACE":
            attribute(#"{"key":"http.request.method","value":{"stringValue":""#, method)
        default:
            attribute(#"{"key":"http.request.method","value":{"stringValue":""#, "_OTHER")
            attribute(#",{"key":"http.request.method_original","value":{"stringValue":""#, method)
        }
    }

    /// - Parameter beginning: all that stands before the value, in one piece, as a span has many.
    fileprivate mutating func attribute(_ beginning: StaticString, _ value: String) {
        text(beginning)
        escaped(value)
        text("\"}}")
    }

    /// 64-bit numbers are strings in JSON of protocol buffers.
    fileprivate mutating func attribute(_ beginning: StaticString, _ value: Int) {
        text(beginning)
        number(value)
        text("\"}}")
    }
}

extension TraceSpan {
    /// `SPAN_KIND_INTERNAL`, `…_SERVER`, `…_CLIENT`.
    fileprivate var kind: Int {
        switch content {
        case .part, .sharedFetch: 1
        case .request: 2
        case .call: 3
        }
    }

    /// A server's span fails with 5xx, a client's with 4xx as well.
    fileprivate var isError: Bool {
        switch content {
        case .request(let record, let outcome, _):
            if case .answered = outcome { record.status >= 500 } else { record.status >= 500 || outcome.isBroken }
        case .call(let call): call.failure != nil || (call.status ?? 0) >= 400
        case .part, .sharedFetch: false
        }
    }
}

extension Outcome {
    /// Whether the tool is left with half an answer by no choice of its own.
    fileprivate var isBroken: Bool { if case .cut = self { true } else { false } }
}
