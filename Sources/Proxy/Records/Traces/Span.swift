// One span as it is kept until it is sent: facts of the request that are there anyway, and no text that was made for it.

/// A stretch of time of one request. A value. Holds no query, no body, no secret.
struct TraceSpan: Sendable {
    /// What it is about.
    enum Content: Sendable {
        /// The whole request, as its tool sees it.
        case request(ExchangeRecord, Outcome, scheme: String)
        /// A wait, or the work for the audit log.
        case part(CallPart)
        /// One try of one call upstream.
        case call(TracedCall)
        /// A fetch that another request has begun; the link says which.
        case sharedFetch
    }

    let trace: TraceID
    let id: SpanID
    /// Of the tool for the request, of the request for all others; nil where the trace begins here.
    let parent: SpanID?
    let state: String?
    let started: ContinuousClock.Instant
    let ended: ContinuousClock.Instant
    let content: Content
    var link: SpanLink?
}

/// One try of one call upstream, as its span tells it. A value.
struct TracedCall: Sendable {
    let method: String
    /// Scheme, host and port.
    let server: String
    let host: String
    let port: Int
    /// Without its query.
    let path: String
    let operation: String
    /// Tries of the same call before this one.
    let resend: Int
    /// Nil without an answer.
    var status: Int?
    /// Why there was none; from a bounded set.
    var failure: String?
}
