// The head of an answer that is kept: its larger part is made once, the rest for each tool.

import Caching
import Edge
import HTTPTypes

/// The lines of a stored answer's head that are the same for every tool. `ETag` and `Location` depend on the base of links.
final class PageHead: AnswerRendering {
    let lines: FieldLines

    init(_ fields: HTTPFields, isKnown: Bool) {
        let own = [OwnFields.cacheControl(for: fields, isKnown: isKnown)].compactMap(\.self)
        lines = FieldLines(own + fields.filter { $0.name != .eTag && $0.name != .location } + [OwnFields.via])
    }

    var byteCount: Int { lines.byteCount }

    /// The strong tag of an answer's bytes as a tool with this base of links gets them (RFC 9110, 8.8.3).
    static func etag(_ answer: CachedAnswer, base: LinkBase) -> String {
        answer.body.splices.isEmpty ? "\"\(answer.digest)\"" : "\"\(answer.digest)-\(base.digest)\""
    }

    /// The line that carries it.
    static func putETag(_ answer: CachedAnswer, base: LinkBase, into head: inout HeadLines) {
        head.put("ETag: \"")
        head.put(text: answer.digest)
        if !answer.body.splices.isEmpty {
            head.put("-")
            head.put(text: base.digest)
        }
        head.put("\"\r\n")
    }
}
