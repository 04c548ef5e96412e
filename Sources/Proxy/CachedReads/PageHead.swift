// The head of an answer that is kept: its larger part is bytes already, the rest is written for each tool.

import Caching
import HTTPTypes
import NIOCore

enum PageHead {
    /// The lines that are the same for every tool. `ETag` and `Location` depend on the base of links.
    static func common(_ fields: HTTPFields, isKnown: Bool) -> ByteBuffer {
        var lines = ByteBuffer()
        if let word = OwnFields.cacheControl(for: fields, isKnown: isKnown) { ResponseHead.write(word, into: &lines) }
        for field in fields where field.name != .eTag && field.name != .location {
            ResponseHead.write(field, into: &lines)
        }
        lines.writeImmutableBuffer(via)
        // As much as is needed, and no more: this is held as long as the page.
        return lines.slice()
    }

    /// The strong tag of an answer's bytes as a tool with this base of links gets them (RFC 9110, 8.8.3).
    static func etag(_ answer: CachedAnswer, base: LinkBase) -> String {
        answer.body.splices.isEmpty ? "\"\(answer.digest)\"" : "\"\(answer.digest)-\(base.digest)\""
    }

    /// The line that carries it.
    static func writeETag(_ answer: CachedAnswer, base: LinkBase, into head: inout ByteBuffer) {
        head.writeStaticString("ETag: \"")
        head.writeString(answer.digest)
        if !answer.body.splices.isEmpty {
            head.writeStaticString("-")
            head.writeString(base.digest)
        }
        head.writeStaticString("\"\r\n")
    }

    private static let via = ByteBuffer(string: "Via: 1.1 clash-proxy\r\n")
}
