// JSON strings as the log writes them (RFC 8259 section 7). Beyond what JSON asks for, DEL, the C1 controls and the two
// Unicode line separators are escaped, so that no tool takes one record for two lines and no terminal obeys a record.

enum JSONText {
    /// Appends `text` as a JSON string with its quotes.
    static func append(_ text: String, to out: inout [UInt8]) {
        _ = append(text, atMost: .max, to: &out)
    }

    /// Appends `text` as a JSON string of at most `limit` bytes between the quotes; false if the rest was cut off.
    static func append(_ text: String, atMost limit: Int, to out: inout [UInt8]) -> Bool {
        let utf8 = text.utf8
        let bytes = utf8.span
        out.append(0x22)
        let start = out.count
        var index = 0
        while index < bytes.count {
            // The longest encoding of one scalar is an escape of 6 bytes.
            if out.count - start > limit - 6 { break }
            let length = scalarLength(bytes[index])
            if length > 1, let escaped = separator(bytes, at: index) {
                appendEscape(escaped, to: &out)
            } else if length > 1 {
                for position in index..<min(index + length, bytes.count) { out.append(bytes[position]) }
            } else {
                appendASCII(bytes[index], to: &out)
            }
            index += length
        }
        out.append(0x22)
        return index >= bytes.count
    }

    private static func scalarLength(_ lead: UInt8) -> Int {
        switch lead {
        case ..<0x80: 1
        case ..<0xE0: 2
        case ..<0xF0: 3
        default: 4
        }
    }

    /// U+0080…U+009F, U+2028, U+2029: line ends or controls to some reader.
    private static func separator(_ bytes: Span<UInt8>, at index: Int) -> UInt16? {
        if bytes[index] == 0xC2, index + 1 < bytes.count, bytes[index + 1] < 0xA0 { return UInt16(bytes[index + 1]) }
        if bytes[index] == 0xE2, index + 2 < bytes.count, bytes[index + 1] == 0x80, bytes[index + 2] & 0xFE == 0xA8 {
            return 0x2000 + UInt16(bytes[index + 2] - 0x80)
        }
        return nil
    }

    private static func appendASCII(_ byte: UInt8, to out: inout [UInt8]) {
        switch byte {
        case 0x22, 0x5C:
            out.append(0x5C)
            out.append(byte)
        case 0x0A: out += [0x5C, 0x6E]
        case 0x0D: out += [0x5C, 0x72]
        case 0x09: out += [0x5C, 0x74]
        case ..<0x20, 0x7F: appendEscape(UInt16(byte), to: &out)
        default: out.append(byte)
        }
    }

    private static func appendEscape(_ unit: UInt16, to out: inout [UInt8]) {
        out += [0x5C, 0x75]
        for shift in [12, 8, 4, 0] { out.append(Hex.digit(UInt8(unit >> UInt16(shift) & 15))) }
    }
}

enum Hex {
    static func digit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x57 + value }
}

extension [UInt8] {
    /// Appends the ASCII bytes of a literal.
    mutating func append(_ text: StaticString) {
        text.withUTF8Buffer { self.append(contentsOf: $0) }
    }

    /// Appends a number in decimal digits.
    mutating func append(decimal number: UInt64) {
        self.append(contentsOf: String(number).utf8)
    }
}
