// Undoes the escapes of JSON strings (RFC 8259 section 7).

/// The escapes in JSON strings.
package enum JSONEscapes {
    /// The inside of a string with its escapes undone, as UTF-8. An escape that means no character, half a surrogate
    /// pair included, becomes `replacement`; without one the string is unreadable and the result is nil.
    package static func decode(
        _ bytes: Span<UInt8>, in range: Range<Int>, replacement: Unicode.Scalar? = nil
    ) -> [UInt8]? {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(range.count)
        var index = range.lowerBound
        while index < range.upperBound {
            guard bytes[index] == 0x5C else {
                decoded.append(bytes[index])
                index += 1
                continue
            }
            guard let scalar = scalar(bytes, &index, range.upperBound) ?? replacement else { return nil }
            decoded.append(contentsOf: UTF8.encode(scalar) ?? UTF8.EncodedScalar())
        }
        return decoded
    }

    /// The inside of a whole string with its escapes undone; nil if one of them means no character.
    package static func decode(_ bytes: [UInt8]) -> [UInt8]? { decode(bytes.span, in: 0..<bytes.count) }

    /// The character of the escape (or the pair of them) at `index`, which is moved behind what was read.
    private static func scalar(_ bytes: Span<UInt8>, _ index: inout Int, _ end: Int) -> Unicode.Scalar? {
        guard index + 1 < end else {
            index = end
            return nil
        }
        if bytes[index + 1] != 0x75 {
            defer { index += 2 }
            return character(bytes[index + 1])
        }
        guard let first = unit(bytes, at: index, end) else {
            index += 2
            return nil
        }
        index += 6
        guard 0xD800...0xDBFF ~= first else { return Unicode.Scalar(first) }
        guard let second = unit(bytes, at: index, end), 0xDC00...0xDFFF ~= second else { return nil }
        index += 6
        return Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
    }

    private static func character(_ escape: UInt8) -> Unicode.Scalar? {
        switch escape {
        case 0x22, 0x5C, 0x2F: Unicode.Scalar(escape)
        case 0x62: "\u{08}"
        case 0x66: "\u{0C}"
        case 0x6E: "\n"
        case 0x72: "\r"
        case 0x74: "\t"
        default: nil
        }
    }

    /// The unit of UTF-16 in the escape at `index`.
    private static func unit(_ bytes: Span<UInt8>, at index: Int, _ end: Int) -> UInt32? {
        guard index + 6 <= end, bytes[index] == 0x5C, bytes[index + 1] == 0x75 else { return nil }
        var unit: UInt32 = 0
        for position in index + 2..<index + 6 {
            guard let value = ASCII.hexValue(bytes[position]) else { return nil }
            unit = unit << 4 | UInt32(value)
        }
        return unit
    }
}
