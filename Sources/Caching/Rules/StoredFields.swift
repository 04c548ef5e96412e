// Which of an answer's fields are kept, and what a 304 changes in them (RFC 9111, 3.1 and 3.2). Takes for granted that
// connection-specific fields are gone already.

import HTTPTypes

/// The fields of a stored answer.
public enum StoredFields {
    /// The fields that may be stored: without those that were true of one exchange only. Order and repetitions stay.
    /// Date stays, because ages are counted from it.
    public static func forStoring(_ fields: HTTPFields) -> HTTPFields {
        fields.filter { !ofOneExchange.contains($0.name.canonicalName) }
    }

    /// The stored fields after upstream has confirmed them by a 304: a name that the 304 has replaces all stored lines
    /// of that name. Not so fields that describe the body, which is the one stored, nor those that are never stored;
    /// the 304's Age is among them, so judge with `StoringRules.judgeRevalidated`, which still sees it.
    public static func updated(_ stored: HTTPFields, with notModified: HTTPFields) -> HTTPFields {
        let news = notModified.filter {
            let name = $0.name.canonicalName
            return !ofOneExchange.contains(name) && !describesBody(name)
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

    /// Framing, coding, digests, and Content-* but for the security policy, which is about use, not about the body.
    private static func describesBody(_ name: String) -> Bool {
        switch name {
        case "transfer-encoding", "trailer", "digest", "repr-digest": true
        default: name.hasPrefix("content-") && !name.hasPrefix("content-security-policy")
        }
    }
}
