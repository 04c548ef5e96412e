// The trace of one request: whose span it continues, what goes upstream, and what is recorded of it.

import CurlTransport
import Ground
import HTTPTypes

/// Begins the traces of requests under one configuration. Usable from every thread.
struct Tracer: Sendable {
    private let spans: SpanExporter
    private let ids: TraceIDs
    /// Of 2^53 traces that begin here so many are recorded.
    private let share: UInt64

    /// - Parameter sample: the share of requests to record that bring no decision of their own, 0 to 1.
    init(spans: SpanExporter, ids: TraceIDs, sample: Double) {
        (self.spans, self.ids) = (spans, ids)
        share = UInt64(max(0, min(sample, 1)) * 0x1p53)
    }

    /// The trace of a request that has come.
    func begin(_ fields: HTTPFields) -> RequestTrace {
        if let context = TraceContext(fields) {
            return RequestTrace(
                id: context.trace, root: ids.nextSpan(), parent: context.parent, isSampled: context.isSampled,
                isRandom: context.isRandom, state: context.state, ids: ids, spans: context.isSampled ? spans : nil)
        }
        let trace = ids.nextTrace()
        // By the id, so that the same trace is judged alike wherever it is asked.
        let isSampled = trace.low >> 11 < share
        return RequestTrace(
            id: trace, root: ids.nextSpan(), parent: nil, isSampled: isSampled, isRandom: false, state: nil, ids: ids,
            spans: isSampled ? spans : nil)
    }
}

/// What a request carries of its trace. A value; usable from every thread.
struct RequestTrace: Sendable {
    let id: TraceID
    /// Our span of the whole request.
    let root: SpanID
    /// The tool's own span; nil where the trace begins here.
    let parent: SpanID?
    private let isSampled: Bool
    private let isRandom: Bool
    /// What goes along as `tracestate`.
    var state: String?
    private let ids: TraceIDs
    /// Nil where nothing is recorded; what goes upstream names a span of ours all the same.
    private let spans: SpanExporter?

    init(
        id: TraceID, root: SpanID, parent: SpanID?, isSampled: Bool, isRandom: Bool, state: String?, ids: TraceIDs,
        spans: SpanExporter?
    ) {
        (self.id, self.root, self.parent, self.state) = (id, root, parent, state)
        (self.isSampled, self.isRandom, self.ids, self.spans) = (isSampled, isRandom, ids, spans)
    }

    /// Whether spans are recorded: what is only for them need not be made else.
    var isRecorded: Bool { spans != nil }

    /// The request has ended.
    func ended(
        _ record: ExchangeRecord, _ outcome: Outcome, scheme: String, at now: ContinuousClock.Instant
    ) {
        guard let spans else { return }
        spans.add(
            TraceSpan(
                trace: id, id: root, parent: parent, state: state, started: record.started, ended: now,
                content: .request(record, outcome, scheme: scheme)))
    }

    /// A part of the request is over.
    func passed(_ part: CallPart, from began: ContinuousClock.Instant, to now: ContinuousClock.Instant) {
        add(.part(part), from: began, to: now)
    }

    /// The answer of a fetch that somebody else had begun was waited for.
    func shared(_ fetch: SpanLink?, from began: ContinuousClock.Instant, to now: ContinuousClock.Instant) {
        add(.sharedFetch, from: began, to: now, link: fetch)
    }

    private func add(
        _ content: TraceSpan.Content, as span: SpanID? = nil, from began: ContinuousClock.Instant,
        to now: ContinuousClock.Instant, link: SpanLink? = nil
    ) {
        guard let spans else { return }
        spans.add(
            TraceSpan(
                trace: id, id: span ?? ids.nextSpan(), parent: root, state: state, started: began, ended: now,
                content: content, link: link))
    }

    // MARK: Calls upstream

    /// One try of a call upstream begins.
    func beginCall(at now: ContinuousClock.Instant) -> OpenCall {
        OpenCall(trace: self, id: ids.nextSpan(), began: now)
    }

    /// One try of a call upstream.
    struct OpenCall: Sendable {
        fileprivate let trace: RequestTrace
        fileprivate let id: SpanID
        fileprivate let began: ContinuousClock.Instant

        /// For those who wait for its answer without having asked for it.
        var link: SpanLink { SpanLink(trace: trace.id, span: id) }

        /// Says upstream whose call it is, in place of what the tool said.
        func sign(_ fields: inout HTTPFields) {
            fields[.traceparent] = trace.header(id)
            fields[.tracestate] = trace.state
        }

        /// An answer has come, or none.
        func ended(
            _ request: UpstreamRequest, operation: String, resend: Int, status: Int?, failure: String?,
            at now: ContinuousClock.Instant
        ) {
            guard trace.isRecorded else { return }
            let path = request.target.utf8.prefix { $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: "#") }
            trace.add(
                .call(
                    TracedCall(
                        method: request.method.rawValue, server: request.origin.url, host: request.origin.host,
                        port: request.origin.port, path: KeyForm.hidden(String(Substring(path))), operation: operation,
                        resend: resend,
                        status: status, failure: failure)),
                as: id, from: began, to: now)
        }
    }

    /// `00-TRACE-SPAN-FLAGS`.
    private func header(_ span: SpanID) -> String {
        String(unsafeUninitializedCapacity: 55) { buffer in
            let dash = UInt8(ascii: "-")
            (buffer[0], buffer[1], buffer[2], buffer[35], buffer[52]) = (0x30, 0x30, dash, dash, dash)
            HexWord.write(id.high, to: buffer, at: 3)
            HexWord.write(id.low, to: buffer, at: 19)
            HexWord.write(span.bits, to: buffer, at: 36)
            buffer[53] = 0x30
            buffer[54] = 0x30 + (isSampled ? 1 : 0) + (isRandom ? 2 : 0)
            return 55
        }
    }
}
