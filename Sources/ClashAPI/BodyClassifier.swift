// Decides what a request body means for its request's class, while the body comes in.
// The proxy holds the bytes back until the verdict; a body that is not JSON is decided by its first byte.

import Ground
import HTTPTypes

/// Reads one request body, chunk by chunk.
///
/// Memory is bounded whatever the body's size; the bytes themselves are not kept.
package struct BodyClassifier: Sendable {
    /// How far the verdict is.
    package enum Progress: Sendable, Equatable {
        /// More bytes, or the end, are needed.
        case undecided
        /// Nothing that follows changes it.
        case decided(RequestBodyFacts)
    }

    /// The verdict so far; already known before the first byte where the body does not matter or is encoded.
    package private(set) var progress = Progress.undecided

    private var scanner: RequestBodyScanner
    private var start = Start.empty

    private enum Start: Sendable {
        case empty
        case byteOrderMark(Int)
        case json
    }

    /// - Parameters:
    ///   - route: what method and path say; where they settle the class the body is not looked at.
    ///   - headers: the request's, for `Content-Encoding` and the charset of `Content-Type`.
    ///   - always: whether it is looked at all the same, for what it names.
    ///   - watched: ids that are looked for in it.
    package init(
        route: RouteMatch, headers: HTTPFields, always: Bool = false, watching watched: Set<EntityID> = []
    ) {
        scanner = RequestBodyScanner(watching: watched)
        if !route.bodyDecides, !always {
            progress = .decided(.empty)
        } else if !ContentCoding(headers).isNone {
            progress = .decided(RequestBodyFacts(form: .unreadable(.contentEncoding)))
        } else if !BodyCharset.isUTF8(headers) {
            progress = .decided(RequestBodyFacts(form: .unreadable(.charset)))
        }
    }

    /// Reads the next bytes of the body.
    package mutating func consume(_ chunk: [UInt8]) -> Progress { consume(chunk.span) }

    /// Reads the next bytes of the body.
    package mutating func consume(_ chunk: Span<UInt8>) -> Progress {
        guard case .undecided = progress else { return progress }
        var offset = 0
        while offset < chunk.count, !isJSON {
            look(at: chunk[offset])
            guard case .undecided = progress else { return progress }
            if !isJSON { offset += 1 }
        }
        if offset < chunk.count, !scanner.consume(chunk.extracting(offset..<chunk.count)) {
            // What was found before the defect still tells the audit which objects were meant.
            var facts = scanner.facts
            facts.form = .unreadable(.malformed)
            progress = .decided(facts)
        }
        return progress
    }

    /// The verdict at the end of the body.
    package mutating func finish() -> RequestBodyFacts {
        if case .decided(let facts) = progress { return facts }
        var facts = scanner.facts
        switch start {
        case .empty: facts.form = .empty
        case .byteOrderMark: facts.form = .unreadable(.charset)
        case .json: facts.form = scanner.finish() ? .json : .unreadable(.malformed)
        }
        progress = .decided(facts)
        return facts
    }

    private var isJSON: Bool {
        if case .json = start { return true }
        return false
    }

    /// Looks at a byte before the document proper.
    private mutating func look(at byte: UInt8) {
        switch (start, byte) {
        case (.empty, 0x20), (.empty, 0x09), (.empty, 0x0A), (.empty, 0x0D): break
        case (.empty, 0x7B), (.empty, 0x5B): start = .json
        case (.empty, 0xEF): start = .byteOrderMark(1)
        case (.byteOrderMark(1), 0xBB): start = .byteOrderMark(2)
        case (.byteOrderMark(2), 0xBF): start = .empty
        // A comment, which some readers allow in front of JSON.
        case (.empty, ASCII.slash): progress = .decided(RequestBodyFacts(form: .unreadable(.malformed)))
        case (.empty, 0x21...0x7E): progress = .decided(RequestBodyFacts(form: .notJSON))
        // Bytes of UTF-16, or odd white space that some readers skip.
        default: progress = .decided(RequestBodyFacts(form: .unreadable(.charset)))
        }
    }
}

/// Whether upstream reads a body's bytes as the characters that we see.
enum BodyCharset {
    /// Whether every charset that a `Content-Type` names is UTF-8 or ASCII; none named is UTF-8 (RFC 8259).
    static func isUTF8(_ headers: HTTPFields) -> Bool {
        headers[values: .contentType].allSatisfy { value in
            value.split(whereSeparator: { $0 == ";" || $0 == "," }).allSatisfy { parameter in
                let parameter = parameter.trimmedBlanks.lowercased()
                guard parameter.hasPrefix("charset") else { return true }
                let charset = parameter.dropFirst(7).filter { $0 != "=" && $0 != "\"" && $0 != " " && $0 != "\t" }
                return ["utf-8", "utf8", "us-ascii", "ascii"].contains(charset)
            }
        }
    }
}
