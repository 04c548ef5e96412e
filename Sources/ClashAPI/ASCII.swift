// Byte-level functions shared by the path, query and JSON code. Nothing here allocates.

import Ground

extension ASCII {
    static let tab: UInt8 = 0x09
    static let space: UInt8 = 0x20
    static let quote: UInt8 = 0x22
    static let hash: UInt8 = 0x23
    static let percent: UInt8 = 0x25
    static let ampersand: UInt8 = 0x26
    static let plus: UInt8 = 0x2B
    static let dot: UInt8 = 0x2E
    static let slash: UInt8 = 0x2F
    static let colon: UInt8 = 0x3A
    static let semicolon: UInt8 = 0x3B
    static let equals: UInt8 = 0x3D
    static let question: UInt8 = 0x3F
    static let at: UInt8 = 0x40
    static let backslash: UInt8 = 0x5C

    /// RFC 3986 section 2.3: escaped or not, such a byte means the same.
    @inline(__always)
    static func isUnreserved(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E: true
        default: false
        }
    }
}

/// Percent-escapes (RFC 3986 section 2.1).
enum PercentEscape {
    /// The byte that the escape at `index` stands for, or nil if there is no complete escape.
    @inline(__always)
    static func byte(_ bytes: Span<UInt8>, at index: Int, end: Int) -> UInt8? {
        guard index + 2 < end, bytes[index] == ASCII.percent,
            let high = ASCII.hexValue(bytes[index + 1]), let low = ASCII.hexValue(bytes[index + 2])
        else { return nil }
        return high << 4 | low
    }

    /// The next byte of a path with escaped unreserved characters decoded, everything else as it stands.
    @inline(__always)
    static func nextNormalized(_ bytes: Span<UInt8>, _ index: inout Int, end: Int) -> UInt8 {
        if bytes[index] == ASCII.percent, let decoded = byte(bytes, at: index, end: end),
            ASCII.isUnreserved(decoded)
        {
            index += 3
            return decoded
        }
        defer { index += 1 }
        return bytes[index]
    }
}

extension Span<UInt8> {
    /// Whether the bytes in this range spell the word.
    @inline(__always)
    func equals(_ word: StaticString, in range: Range<Int>) -> Bool {
        guard range.count == word.utf8CodeUnitCount else { return false }
        for index in 0..<range.count where self[range.lowerBound + index] != word.utf8Start[index] { return false }
        return true
    }

    /// Whether the bytes in this range are these.
    func equals(_ bytes: [UInt8], in range: Range<Int>) -> Bool {
        guard range.count == bytes.count else { return false }
        for index in 0..<range.count where self[range.lowerBound + index] != bytes[index] { return false }
        return true
    }
}
