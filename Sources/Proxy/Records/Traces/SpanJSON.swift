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
        var attributes = Attributes()
        attributes.add("service.name", "clash-proxy", to: &builder)
        attributes.add("service.version", version, to: &builder)
        attributes.add("service.instance.id", instance, to: &builder)
        builder.text("]},\"scopeSpans\":[{\"scope\":{\"name\":\"clash-proxy\",\"version\":\"")
        builder.escaped(version)
        builder.text("\"},\"spans\":[")
        head = String(decoding: builder.bytes, as: UTF8.self)
    }

    /// One document. `now` and `wallTime` are the same moment by both clocks.
    func document(_ spans: [TraceSpan], now: ContinuousClock.Instant, wallTime: WallTime) -> [UInt8] {
        var builder = LineBuilder(capacity: 1_024 * (spans.count + 1))
        builder.text(head)
        for (index, span) in spans.enumerated() {
            if index > 0 { builder.text(",") }
            append(span, now, wallTime, to: &builder)
        }
        builder.text(Self.tail)
        return builder.bytes
    }

    private func append(
        _ span: TraceSpan, _ now: ContinuousClock.Instant, _ wallTime: WallTime, to out: inout LineBuilder
    ) {
        out.text("{\"traceId\":\"")
        out.text(span.trace.text)
        out.text("\",\"spanId\":\"")
        out.text(span.id.text)
        if let parent = span.parent {
            out.text("\",\"parentSpanId\":\"")
            out.text(parent.text)
        }
        if let state = span.state {
            out.text("\",\"traceState\":\"")
            out.escaped(state)
        }
        out.text("\",\"name\":\"")
        out.escaped(span.name)
        out.text("\",\"kind\":")
        out.number(span.kind)
        for (key, instant) in [("startTimeUnixNano", span.started), ("endTimeUnixNano", span.ended)] {
            out.text(",\"\(key)\":\"")
            out.number(Int((wallTime + (instant - now)).sinceEpoch.clampedNanoseconds))
            out.text("\"")
        }
        out.text(",\"attributes\":[")
        appendAttributes(of: span, to: &out)
        out.text("]")
        if let link = span.link {
            out.text(",\"links\":[{\"traceId\":\"\(link.trace.text)\",\"spanId\":\"\(link.span.text)\"}]")
        }
        if span.isError { out.text(",\"status\":{\"code\":2}") }
        out.text("}")
    }

    private func appendAttributes(of span: TraceSpan, to out: inout LineBuilder) {
        var attributes = Attributes()
        switch span.content {
        case .request(let record, let outcome, let scheme):
            attributes.method(record.method, to: &out)
            attributes.add("url.scheme", scheme, to: &out)
            attributes.add("url.path", record.path, to: &out)
            attributes.add("client.address", record.peer, to: &out)
            if record.status > 0 { attributes.add("http.response.status_code", record.status, to: &out) }
            if span.isError {
                attributes.add("error.type", record.status > 0 ? "\(record.status)" : outcome.text, to: &out)
            }
            attributes.add("http.request.body.size", record.bytesIn, to: &out)
            attributes.add("http.response.body.size", record.bytesOut, to: &out)
            attributes.add("clash_proxy.correlation_id", record.correlationID, to: &out)
            attributes.add("clash_proxy.caller", record.caller, to: &out)
            attributes.add("clash_proxy.operation", record.operation, to: &out)
            attributes.add("clash_proxy.source", record.source.rawValue, to: &out)
            attributes.add("clash_proxy.outcome", outcome.text, to: &out)
            if let cache = record.cache?.word { attributes.add("clash_proxy.cache", cache.text, to: &out) }
        case .call(let call):
            attributes.method(call.method, to: &out)
            attributes.add("server.address", call.host, to: &out)
            attributes.add("server.port", call.port, to: &out)
            attributes.add("url.full", call.server + call.path, to: &out)
            if let status = call.status { attributes.add("http.response.status_code", status, to: &out) }
            if span.isError { attributes.add("error.type", call.failure ?? "\(call.status ?? 0)", to: &out) }
            if call.resend > 0 { attributes.add("http.request.resend_count", call.resend, to: &out) }
            attributes.add("clash_proxy.operation", call.operation, to: &out)
        case .part, .sharedFetch: break
        }
    }
}

/// Writes one attribute after the other.
private struct Attributes {
    private var isFirst = true

    private static let methods: Set = [
        "GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "TRACE",
    ]

    mutating func add(_ key: StaticString, _ value: String, to out: inout LineBuilder) {
        begin(key, to: &out)
        out.text("\"stringValue\":\"")
        out.escaped(value)
        out.text("\"}}")
    }

    /// 64-bit numbers are strings in JSON of protocol buffers.
    mutating func add(_ key: StaticString, _ value: Int, to out: inout LineBuilder) {
        begin(key, to: &out)
        out.text("\"intValue\":\"")
        out.number(value)
        out.text("\"}}")
    }

    /// Methods are few; what a tool invents is none of them.
    mutating func method(_ method: String, to out: inout LineBuilder) {
        guard !Self.methods.contains(method) else { return add("http.request.method", method, to: &out) }
        add("http.request.method", "_OTHER", to: &out)
        add("http.request.method_original", method, to: &out)
    }

    private mutating func begin(_ key: StaticString, to out: inout LineBuilder) {
        if !isFirst { out.text(",") }
        isFirst = false
        out.text("{\"key\":\"")
        out.text(key)
        out.text("\",\"value\":{")
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

    /// Few for each operation: no path stands in it.
    fileprivate var name: String {
        switch content {
        case .request(let record, _, _): record.operation == "-" ? "request" : "request \(record.operation)"
        case .call(let call): "upstream \(call.operation)"
        case .part(let part): part.rawValue
        case .sharedFetch: "shared fetch"
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
