// What the proxy itself puts on answers, whoever made them.

import HTTPTypes

/// Fields of answers, and of calls that are no one tool's.
enum OwnFields {
    static let via = HTTPField(name: .via, value: "1.1 clash-proxy")
    /// Of shared fetches.
    static let userAgent = HTTPField(name: .userAgent, value: "clash-proxy")

    /// Where upstream says nothing to caches about an answer of a known operation, those behind us are told to ask: they
    /// hear of no delete. Nil where upstream has said something, or its word alone counts.
    static func cacheControl(for fields: HTTPFields, isKnown: Bool) -> HTTPField? {
        guard isKnown, !fields[values: .cacheControl].contains(where: { !$0.listElements.isEmpty }) else { return nil }
        return HTTPField(name: .cacheControl, value: "private, no-cache")
    }

    /// What stands on every answer: which request it is to, who speaks, and for a page of an allowed origin that it may
    /// read this.
    static func add(correlationID: String, corsOrigin: String? = nil, to fields: inout HTTPFields) {
        fields[.correlationID] = correlationID
        fields.append(via)
        if let corsOrigin { addGrant(for: corsOrigin, to: &fields) }
    }

    /// What lets a page of `origin` read an answer.
    static func addGrant(for origin: String, to fields: inout HTTPFields) {
        fields[.accessControlAllowOrigin] = origin
        fields[.accessControlExposeHeaders] =
            "x-correlation-id, Retry-After, RateLimit, RateLimit-Policy, Cache-Status, Age, ETag, Location, "
            + "Server-Timing, Proxy-Status, Idempotent-Replayed"
        fields.append(HTTPField(name: .vary, value: "Origin"))
    }
}
