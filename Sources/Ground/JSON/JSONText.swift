// JSON strings as we write them (RFC 8259 section 7): log lines, audit records, errors, the state file.

/// Writes JSON strings.
package enum JSONText {
    /// What is escaped beyond what JSON asks for.
    package enum Escaping: Sendable {
        /// DEL, the C1 controls and the two Unicode line separators: no tool takes one line for two.
        case lines
        /// What turns the reading direction as well: the text may go to a terminal as it is.
        case terminals
    }

    /// Appends `text` as a JSON string with its quotes.
    package static func append(_ text: String, _ escaping: Escaping = .terminals, to out: inout [UInt8]) {
        out.append(0x22)
        appendInside(text, escaping, to: &out)
        out.append(0x22)
    }

    /// Appends `text` as a JSON string of at most `limit` bytes between the quotes; false if the rest was cut off.
    package static func append(
        _ text: String, _ escaping: Escaping = .terminals, atMost limit: Int, to out: inout [UInt8]
    ) -> Bool {
        out.append(0x22)
        let isWhole = inside(text, escaping, atMost: limit, to: &out)
        out.append(0x22)
        return isWhole
    }

    /// Appends `text` as the inside of a JSON string.
    package static func appendInside(_ text: String, _ escaping: Escaping = .terminals, to out: inout [UInt8]) {
        let utf8 = text.utf8
        let isDone = utf8.span.withUnsafeBufferPointer { bytes in
            guard isPlain(bytes) else { return false }
            out.append(contentsOf: bytes)
            return true
        }
        if !isDone { _ = inside(text, escaping, atMost: .max, to: &out) }
    }

    /// `text` as a JSON string with its quotes.
    package static func quoted(_ text: String) -> String { "\"" + escaped(text) + "\"" }

    /// `text` as the inside of a JSON string.
    package static func escaped(_ text: String) -> String {
        let utf8 = text.utf8
        if utf8.span.withUnsafeBufferPointer({ isPlain($0) }) { return text }
        var bytes: [UInt8] = []
        _ = inside(text, .terminals, atMost: .max, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Whether the text is ASCII that stands for itself, as nearly all is. Looks at all of it, so that the compiler can
    /// take many bytes at once.
    private static func isPlain(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        var others: UInt8 = 0
        for byte in bytes {
            others |= byte &- 0x20 >= 0x5F ? 1 : 0
            others |= byte == 0x22 || byte == 0x5C ? 1 : 0
        }
        return others == 0
    }

    private static func inside(
        _ text: String, _ escaping: Escaping, atMost limit: Int, to out: inout [UInt8]
    ) -> Bool {
        let utf8 = text.utf8
        let bytes = utf8.span
        let start = out.count
        var index = 0
        while index < bytes.count {
            // The longest encoding of one scalar is an escape of 6 bytes.
            if out.count - start > limit - 6 { break }
            let length = scalarLength(bytes[index])
            if length == 1 {
                appendASCII(bytes[index], to: &out)
            } else if let unit = unseen(bytes, at: index, escaping) {
                appendEscape(unit, to: &out)
            } else {
                for position in index..<min(index + length, bytes.count) { out.append(bytes[position]) }
            }
            index += length
        }
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

    /// What is a control or a line end to some reader: U+0080…U+009F, U+2028, U+2029; or turns the direction of what
    /// follows it: U+061C, U+200E, U+200F, U+202A…U+202E, U+2066…U+2069.
    private static func unseen(_ bytes: Span<UInt8>, at index: Int, _ escaping: Escaping) -> UInt16? {
        switch bytes[index] {
        case 0xC2 where index + 1 < bytes.count && bytes[index + 1] < 0xA0: return UInt16(bytes[index + 1])
        case 0xD8 where index + 1 < bytes.count && bytes[index + 1] == 0x9C:
            return escaping == .terminals ? 0x061C : nil
        case 0xE2 where index + 2 < bytes.count:
            let unit = 0x2000 | UInt16(bytes[index + 1] & 0x3F) << 6 | UInt16(bytes[index + 2] & 0x3F)
            switch unit {
            case 0x2028, 0x2029: return unit
            case 0x200E, 0x200F, 0x202A...0x202E, 0x2066...0x2069: return escaping == .terminals ? unit : nil
            default: return nil
            }
        default: return nil
        }
    }

    private static func appendASCII(_ byte: UInt8, to out: inout [UInt8]) {
        switch byte {
        case 0x22, 0x5C:
            out.append(0x5C)
            out.append(byte)
        case 0x0A: out.append(#"\n"#)
        case 0x0D: out.append(#"\r"#)
        case 0x09: out.append(#"\t"#)
        case ..<0x20, 0x7F: appendEscape(UInt16(byte), to: &out)
        default: out.append(byte)
        }
    }

    private static func appendEscape(_ unit: UInt16, to out: inout [UInt8]) {
        out.append(#"\u"#)
        Hex.append(UInt8(unit >> 8), to: &out)
        Hex.append(UInt8(unit & 0xFF), to: &out)
    }
}
