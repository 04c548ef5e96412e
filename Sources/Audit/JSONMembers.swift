// Reading records back: the members of an object as ranges of a line's bytes, and strings decoded. Records come from our
// own encoder, so nothing is validated that the hash has not already vouched for; broken input yields nil, never a trap.

import Ground

struct JSONMember {
    /// Without its quotes; names have no escapes here.
    var key: Range<Int>
    var value: Range<Int>
}

struct JSONMembers {
    private var index: Int
    private var isFirst = true

    /// - Parameter start: of the opening brace.
    init?(_ bytes: Span<UInt8>, at start: Int = 0) {
        guard start < bytes.count, bytes[start] == 0x7B else { return nil }
        index = start + 1
    }

    /// The next member; nil at the end of the object or of what can be read.
    mutating func next(in bytes: Span<UInt8>) -> JSONMember? {
        if !isFirst {
            guard index < bytes.count, bytes[index] == 0x2C else { return nil }
            index += 1
        }
        isFirst = false
        guard let keyEnd = JSONSkip.string(bytes, at: index), keyEnd < bytes.count, bytes[keyEnd] == 0x3A,
            let end = JSONSkip.value(bytes, at: keyEnd + 1)
        else { return nil }
        defer { index = end }
        return JSONMember(key: index + 1..<keyEnd - 1, value: keyEnd + 1..<end)
    }
}

enum JSONSkip {
    /// The index behind the string that begins at `start`.
    static func string(_ bytes: Span<UInt8>, at start: Int) -> Int? {
        guard start < bytes.count, bytes[start] == 0x22 else { return nil }
        var index = start + 1
        while index < bytes.count {
            switch bytes[index] {
            case 0x22: return index + 1
            case 0x5C: index += 2
            default: index += 1
            }
        }
        return nil
    }

    /// The index behind the value that begins at `start`.
    static func value(_ bytes: Span<UInt8>, at start: Int) -> Int? {
        guard start < bytes.count else { return nil }
        switch bytes[start] {
        case 0x22: return string(bytes, at: start)
        case 0x7B, 0x5B: return container(bytes, at: start)
        default:
            var index = start
            while index < bytes.count, bytes[index] != 0x2C, bytes[index] != 0x7D, bytes[index] != 0x5D { index += 1 }
            return index > start ? index : nil
        }
    }

    private static func container(_ bytes: Span<UInt8>, at start: Int) -> Int? {
        var depth = 0
        var index = start
        while index < bytes.count {
            switch bytes[index] {
            case 0x22:
                guard let end = string(bytes, at: index) else { return nil }
                index = end
                continue
            case 0x7B, 0x5B: depth += 1
            case 0x7D, 0x5D: depth -= 1
            default: break
            }
            index += 1
            if depth == 0 { return index }
        }
        return nil
    }
}

enum JSONString {
    /// The text of the string at `range`, quotes included; escapes that make no sense become U+FFFD.
    static func decode(_ bytes: Span<UInt8>, _ range: Range<Int>) -> String? {
        guard range.count >= 2, bytes[range.lowerBound] == 0x22 else { return nil }
        let inner = range.lowerBound + 1..<range.upperBound - 1
        var hasEscape = false
        for index in inner where bytes[index] == 0x5C {
            hasEscape = true
            break
        }
        guard hasEscape else { return bytes.text(inner) }
        return JSONEscapes.decode(bytes, in: inner, replacement: "\u{FFFD}").map { String(decoding: $0, as: UTF8.self) }
    }
}
