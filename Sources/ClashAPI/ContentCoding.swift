// What `Content-Encoding` says about a body (RFC 9110 section 8.4), for requests and answers alike: everybody who asks
// whether bytes are coded asks here.

import Ground
import HTTPTypes

/// The codings of one body.
package struct ContentCoding: Sendable, Equatable {
    /// In the order in which they were applied, in lower case. `identity` and empty elements say that nothing was done,
    /// so they are not among them.
    package let applied: [String]

    /// Of the message with these fields.
    package init(_ fields: HTTPFields) {
        guard fields.contains(.contentEncoding) else {
            applied = []
            return
        }
        applied = fields[values: .contentEncoding].flatMap { value in
            value.split(separator: ",").map { $0.trimmedBlanks.lowercased() }
        }.filter { !$0.isEmpty && $0 != "identity" }
    }

    /// Whether the bytes are what they stand for.
    package var isNone: Bool { applied.isEmpty }

    /// Whether they are coded by gzip once, and by nothing else; `x-gzip` is the same (RFC 9110 section 8.4.1.3).
    package var isGzip: Bool { applied == ["gzip"] || applied == ["x-gzip"] }
}
