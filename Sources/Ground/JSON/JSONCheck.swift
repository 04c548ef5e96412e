// Whether bytes are one JSON document (RFC 8259), strictly, for those who keep a document as it stands and must know that
// nothing in it can end early what it stands in. Nesting is limited, because the check is recursive.

/// The check of whole documents.
package struct JSONCheck {
    private static let depthLimit = 128

    private var cursor: JSONCursor

    /// True for an object or array of at most 128 levels that is valid UTF-8 and valid JSON, with nothing but white space
    /// around it. Members may come twice.
    package static func isContainer(_ bytes: [UInt8]) -> Bool {
        guard String(validating: bytes, as: UTF8.self) != nil else { return false }
        var check = JSONCheck(cursor: JSONCursor(bytes))
        check.cursor.skipSpace()
        guard let first = check.cursor.next, first == 0x7B || first == 0x5B, check.value(depth: 0) else { return false }
        check.cursor.skipSpace()
        return check.cursor.isAtEnd
    }

    private mutating func value(depth: Int) -> Bool {
        guard depth < Self.depthLimit else { return false }
        cursor.skipSpace()
        switch cursor.next {
        case 0x7B: return object(depth: depth)
        case 0x5B: return array(depth: depth)
        case 0x22: return cursor.string() != nil
        case 0x74: return cursor.word("true")
        case 0x66: return cursor.word("false")
        case 0x6E: return cursor.word("null")
        default: return cursor.number() != nil
        }
    }

    private mutating func object(depth: Int) -> Bool {
        guard cursor.take(0x7B) else { return false }
        if cursor.take(0x7D) { return true }
        repeat {
            cursor.skipSpace()
            guard cursor.string() != nil, cursor.take(0x3A), value(depth: depth + 1) else { return false }
        } while cursor.take(0x2C)
        return cursor.take(0x7D)
    }

    private mutating func array(depth: Int) -> Bool {
        guard cursor.take(0x5B) else { return false }
        if cursor.take(0x5D) { return true }
        repeat {
            guard value(depth: depth + 1) else { return false }
        } while cursor.take(0x2C)
        return cursor.take(0x5D)
    }
}
