// Which of an answer's fields are kept, and what a 304 changes in them (RFC 9111, 3.1 and 3.2). Takes for granted that
// connection-specific fields are gone already.

import HTTPTypes

/// The fields of a stored answer.
package enum StoredFields {
    /// The fields that may be stored: without those that were true of one exchange only. Order and repetitions stay.
    /// Date stays, because ages are counted from it.
    package static func forStoring(_ fields: HTTPFields) -> HTTPFields {
        fields.filter { !ofOneExchange.contains($0.name.canonicalName) }
    }

    /// The stored fields after upstream has confirmed them by a 304: a name that the 304 has replaces all stored lines
    /// of that name. Not so the few fields by which the stored body was read and is framed, nor those that are never
    /// stored; the 304's Age is among them, so judge with `StoringRules.judgeRevalidated`, which still sees it.
    package static func updated(_ stored: HTTPFields, with notModified: HTTPFields) -> HTTPFields {
        let news = notModified.filter {
            let name = $0.name.canonicalName
            return !ofOneExchange.contains(name) && !ofStoredBody.contains(name)
        }
        let replaced = Set(news.map(\.name))
        var fields = stored.filter { !replaced.contains($0.name) }
        fields.append(contentsOf: news)
        return fields
    }

    /// Age is counted anew, cookies and authentication belong to one user (RFC 9111, 3.1 and 7.3), the others report
    /// on the exchange that brought the answer and would be untrue of a later one.
    private static let ofOneExchange: Set<String> = [
        "age", "set-cookie", "set-cookie2",
        "authentication-info", "proxy-authenticate", "proxy-authentication-info", "proxy-authorization",
        "cache-status", "proxy-status", "server-timing", "ratelimit", "ratelimit-policy", "retry-after",
    ]

    /// Framing, digests of the bytes, and what decided how the body was processed before it was stored. Content-Language,
    /// Content-Location and the like are updated: `Content-` is no sign of anything (RFC 9111, 3.2).
    private static let ofStoredBody: Set<String> = [
        "transfer-encoding", "trailer", "content-length", "content-encoding", "content-type", "content-range",
        "content-digest", "content-md5", "digest", "repr-digest",
    ]
}
