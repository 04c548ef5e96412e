// Header names that the proxy itself reads or writes and that the library does not name.

import HTTPTypes

extension HTTPField.Name {
    static let correlationID = known("x-correlation-id")
    static let apiKey = known("X-Api-Key")
    static let auditReason = known("X-Audit-Reason")
    static let via = known("Via")
    static let serverTiming = known("Server-Timing")
    static let proxyStatus = known("Proxy-Status")
    static let cacheStatus = known("Cache-Status")
    static let prefer = known("Prefer")
    static let preferenceApplied = known("Preference-Applied")
    static let host = known("Host")
    static let secFetchSite = known("Sec-Fetch-Site")
    static let idempotencyKey = known("Idempotency-Key")
    static let idempotentReplayed = known("Idempotent-Replayed")
    static let inPlace = known("In-Place")
    static let forwardedFor = known("X-Forwarded-For")
    static let traceparent = known("traceparent")
    static let tracestate = known("tracestate")
    static let forwardedProto = known("X-Forwarded-Proto")

    private static func known(_ name: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(name) else { preconditionFailure("the constants above are tokens") }
        return name
    }
}
