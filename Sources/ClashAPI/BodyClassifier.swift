// Decides what a request body means for its request's class, while the body comes in.
// Whatever has bytes and is not one JSON text cannot be read, whatever its `Content-Type` says: upstream may see a delete in
// it that we do not.

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
    private var encoding = UTF8Check()

    private enum Start: Sendable {
        case empty
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
        let checked = encoding.check(chunk)
        if !checked.completed.isEmpty { read(checked.completed.span) }
        read(chunk.extracting(checked.valid))
        if checked.isBroken { giveUp(.charset) }
        return progress
    }

    /// The verdict at the end of the body.
    package mutating func finish() -> RequestBodyFacts {
        if case .decided(let facts) = progress { return facts }
        if encoding.isInside { giveUp(.charset) } else if start == .json, !scanner.finish() { giveUp(.malformed) }
        if case .decided(let facts) = progress { return facts }
        let facts = start == .json ? scanner.facts : .empty
        progress = .decided(facts)
        return facts
    }

    /// Reads whole characters.
    private mutating func read(_ chunk: Span<UInt8>) {
        guard case .undecided = progress else { return }
        var offset = 0
        while offset < chunk.count, start == .empty {
            switch chunk[offset] {
            case 0x20, 0x09, 0x0A, 0x0D: offset += 1
            // A byte order mark alone is none.
            case 0xEF where chunk.count - offset >= 3 && chunk[offset + 1] == 0xBB && chunk[offset + 2] == 0xBF:
                offset += 3
            // Bytes of UTF-16, or odd white space that some readers skip.
            case ..<0x21, 0x7F...: return giveUp(.charset)
            default: start = .json
            }
        }
        if offset < chunk.count, !scanner.consume(chunk.extracting(offset..<chunk.count)) { giveUp(.malformed) }
    }

    /// What was found before the defect still tells the audit which objects were meant.
    private mutating func giveUp(_ reason: RequestBodyFacts.Unreadable) {
        guard case .undecided = progress else { return }
        var facts = scanner.facts
        facts.form = .unreadable(reason)
        progress = .decided(facts)
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
