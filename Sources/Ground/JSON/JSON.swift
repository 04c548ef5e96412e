// A strict reader of small JSON documents (RFC 8259) from the outside: token answers, discovery documents, token claims,
// the state file. A member that comes twice makes the whole document unreadable, because two readers could each believe
// another one of them (RFC 6749 section 5.1 forbids it too). Nesting is limited, because the reader is recursive.

/// A JSON value.
package enum JSON: Sendable, Equatable {
    case null
    case bool(Bool)
    case number(Double)
    case string(String)
    case array([JSON])
    case object([String: JSON])

    /// The document, or nil if it is not one from its first byte to its last. A byte order mark is passed over.
    package init?(_ bytes: [UInt8]) {
        guard String(validating: bytes, as: UTF8.self) != nil else { return nil }
        var reader = JSONReader(bytes: bytes)
        guard let value = reader.document() else { return nil }
        self = value
    }

    /// The member of an object; nil for anything else.
    package subscript(_ name: String) -> JSON? {
        if case .object(let members) = self { members[name] } else { nil }
    }

    /// The text of a string; nil for anything else.
    package var string: String? {
        if case .string(let text) = self { text } else { nil }
    }

    /// The number; nil for anything else.
    package var number: Double? {
        if case .number(let number) = self { number } else { nil }
    }

    /// The elements of an array; nil for anything else.
    package var array: [JSON]? {
        if case .array(let values) = self { values } else { nil }
    }
}

private struct JSONReader {
    private static let deepest = 32

    private var cursor: JSONCursor

    init(bytes: [UInt8]) { cursor = JSONCursor(bytes) }

    mutating func document() -> JSON? {
        cursor.skipByteOrderMark()
        guard let value = value(depth: 0) else { return nil }
        cursor.skipSpace()
        return cursor.isAtEnd ? value : nil
    }

    private mutating func value(depth: Int) -> JSON? {
        guard depth < Self.deepest else { return nil }
        cursor.skipSpace()
        switch cursor.next {
        case UInt8(ascii: "{"): return object(depth: depth)
        case UInt8(ascii: "["): return array(depth: depth)
        case UInt8(ascii: "\""): return text().map(JSON.string)
        case UInt8(ascii: "t"): return cursor.word("true") ? .bool(true) : nil
        case UInt8(ascii: "f"): return cursor.word("false") ? .bool(false) : nil
        case UInt8(ascii: "n"): return cursor.word("null") ? .null : nil
        default: return number()
        }
    }

    private mutating func object(depth: Int) -> JSON? {
        guard cursor.take(UInt8(ascii: "{")) else { return nil }
        var members: [String: JSON] = [:]
        if cursor.take(UInt8(ascii: "}")) { return .object(members) }
        repeat {
            cursor.skipSpace()
            guard let name = text(), cursor.take(UInt8(ascii: ":")), let value = value(depth: depth + 1),
                members.updateValue(value, forKey: name) == nil
            else { return nil }
        } while cursor.take(UInt8(ascii: ","))
        return cursor.take(UInt8(ascii: "}")) ? .object(members) : nil
    }

    private mutating func array(depth: Int) -> JSON? {
        guard cursor.take(UInt8(ascii: "[")) else { return nil }
        var values: [JSON] = []
        if cursor.take(UInt8(ascii: "]")) { return .array(values) }
        repeat {
            guard let value = value(depth: depth + 1) else { return nil }
            values.append(value)
        } while cursor.take(UInt8(ascii: ","))
        return cursor.take(UInt8(ascii: "]")) ? .array(values) : nil
    }

    private mutating func number() -> JSON? {
        guard let range = cursor.number() else { return nil }
        return Double(String(decoding: cursor.bytes[range], as: UTF8.self)).map(JSON.number)
    }

    /// Half a surrogate pair is no character, and makes the document unreadable.
    private mutating func text() -> String? {
        guard let (inside, hasEscapes) = cursor.string() else { return nil }
        if !hasEscapes { return String(decoding: cursor.bytes[inside], as: UTF8.self) }
        return JSONEscapes.decode(cursor.bytes.span, in: inside).map { String(decoding: $0, as: UTF8.self) }
    }
}
