// A collector of traces as these tests need it: it keeps the spans that it is sent, and can refuse or say nothing.

import FoundationEssentials
import TestSupport

/// What an exporter sends, as far as tests look at it.
struct TraceDocument: Decodable, Sendable {
    struct Value: Decodable, Sendable {
        let stringValue: String?
        let intValue: String?
    }
    struct Attribute: Decodable, Sendable {
        let key: String
        let value: Value
    }
    struct Link: Decodable, Sendable {
        let traceId, spanId: String
    }
    struct Status: Decodable, Sendable {
        let code: Int
    }
    struct Span: Decodable, Sendable {
        let traceId, spanId, name, startTimeUnixNano, endTimeUnixNano: String
        let parentSpanId, traceState: String?
        let kind: Int
        let attributes: [Attribute]?
        let links: [Link]?
        let status: Status?

        subscript(_ key: String) -> String? {
            attributes?.first { $0.key == key }.flatMap { $0.value.stringValue ?? $0.value.intValue }
        }
        var started: Int { Int(startTimeUnixNano) ?? 0 }
        var ended: Int { Int(endTimeUnixNano) ?? 0 }
    }
    struct Scope: Decodable, Sendable {
        let spans: [Span]
    }
    struct Resource: Decodable, Sendable {
        let attributes: [Attribute]
    }
    struct ResourceSpans: Decodable, Sendable {
        let resource: Resource
        let scopeSpans: [Scope]
    }
    let resourceSpans: [ResourceSpans]

    var spans: [Span] { resourceSpans.flatMap { $0.scopeSpans.flatMap(\.spans) } }
}

/// A collector at `/v1/traces` on a port of the system's choice.
final class Collector: Sendable {
    let origin: ChangingOrigin

    static let taken = json("{\"partialSuccess\":{}}")

    init(_ script: @escaping ChangingOrigin.Script = { _, _ in .bytes(Collector.taken) }) {
        origin = ChangingOrigin(script)
    }

    var url: String { origin.server.url + "/v1/traces" }
    var flag: String { "traces.endpoint=\(url)" }

    var documents: [TraceDocument] {
        get throws {
            try origin.received.all.map { try JSONDecoder().decode(TraceDocument.self, from: Data($0.body)) }
        }
    }

    /// All spans so far, each as often as it was sent.
    var spans: [TraceDocument.Span] { get throws { try documents.flatMap(\.spans) } }

    /// Waits for so many spans whose name begins so.
    func spans(_ count: Int, _ name: String) async throws -> [TraceDocument.Span] {
        try await eventually("\(count) of \(name)", seen: { " in \((try? self.spans.map(\.name)) ?? [])" }) {
            try self.spans.count { $0.name.hasPrefix(name) } >= count
        }
        return try spans.filter { $0.name.hasPrefix(name) }
    }

    func stop() { origin.server.stop() }
}

/// A traceparent of a tool's.
struct ToolTrace {
    let trace = "0af7651916cd43dd8448eb211c80319c"
    let span = "b7ad6b7169203331"
    var isSampled = true

    var value: String { "00-\(trace)-\(span)-0\(isSampled ? 1 : 0)" }
    var header: (String, String) { ("traceparent", value) }
}
