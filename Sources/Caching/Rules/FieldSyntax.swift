// The bits of RFC 9110's grammar (5.6) that field values here are made of, over bytes, without allocation.

import Ground

enum FieldSyntax {
    static let comma = UInt8(ascii: ",")
    static let quote = UInt8(ascii: "\"")
    static let backslash = UInt8(ascii: "\\")
    static let equals = UInt8(ascii: "=")

    /// Whether the byte may stand in a token (RFC 9110, 5.6.2).
    @inline(__always)
    static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        case 0x21, 0x23...0x27, 0x2A, 0x2B, 0x2D, 0x2E, 0x5E...0x60, 0x7C, 0x7E: true
        default: false
        }
    }
}

/// Whole seconds as HTTP writes them (RFC 9111, 1.2.2).
enum DeltaSeconds {
    /// What every larger number counts as.
    static let cap: Int64 = 1 << 31

    /// The number in these bytes, or nil unless they are digits only.
    static func parse(_ bytes: Span<UInt8>, in range: Range<Int>) -> Int64? {
        guard !range.isEmpty else { return nil }
        var value: Int64 = 0
        for index in range {
            guard ASCII.isDigit(bytes[index]) else { return nil }
            value = min(value * 10 + Int64(bytes[index] &- 0x30), cap)
        }
        return value
    }

    /// How much later `end` is than `start`: 0 if it is not, `cap` at most.
    static func from(_ start: Int64, to end: Int64) -> Int64 {
        guard end > start else { return 0 }
        let (difference, overflow) = end.subtractingReportingOverflow(start)
        return overflow ? cap : min(difference, cap)
    }
}
