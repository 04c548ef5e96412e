// The head of an answer that is kept, as HTTP/1.1 writes it: its larger part once, the rest for each tool.

import Caching
import HTTPTypes
import NIOCore

/// The lines of a stored answer's head that are the same for every tool. `ETag` and `Location` depend on the base of links.
final class PageHead: AnswerRendering {
    let lines: ByteBuffer

    init(_ fields: HTTPFields, isKnown: Bool) {
        var lines = ByteBuffer()
        if let word = OwnFields.cacheControl(for: fields, isKnown: isKnown) { ResponseHead.write(word, into: &lines) }
        for field in fields where field.name != .eTag && field.name != .location {
            ResponseHead.write(field, into: &lines)
        }
        ResponseHead.write(OwnFields.via, into: &lines)
        // As much as is needed, and no more: this is held as long as the page.
        self.lines = ByteBuffer(bytes: lines.readableBytesView)
    }

    var byteCount: Int { lines.storageCapacity }

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
