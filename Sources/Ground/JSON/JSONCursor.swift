// The words of JSON's grammar (RFC 8259), strictly: what the two readers in this folder are made of.

/// A place in a text of valid UTF-8.
struct JSONCursor {
    let bytes: [UInt8]
    private(set) var index = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var next: UInt8? { index < bytes.count ? bytes[index] : nil }
    var isAtEnd: Bool { index == bytes.count }

    /// A byte order mark, which some write in front of a document.
    mutating func skipByteOrderMark() {
        if index == 0, bytes.starts(with: [0xEF, 0xBB, 0xBF]) { index = 3 }
    }

    mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { index += 1 }
    }

    /// Passes over space and this character; false if another one stands there.
    mutating func take(_ byte: UInt8) -> Bool {
        skipSpace()
        return takeHere(byte)
    }

    mutating func word(_ text: StaticString) -> Bool {
        let length = text.utf8CodeUnitCount
        guard index + length <= bytes.count,
            text.withUTF8Buffer({ bytes[index..<index + length].elementsEqual($0) })
        else { return false }
        index += length
        return true
    }

    /// The range of a number.
    mutating func number() -> Range<Int>? {
        let start = index
        _ = takeHere(0x2D)
        if !takeHere(0x30), !digits() { return nil }
        if takeHere(0x2E), !digits() { return nil }
        if takeHere(0x65) || takeHere(0x45) {
            if !takeHere(0x2B) { _ = takeHere(0x2D) }
            if !digits() { return nil }
        }
        return start..<index
    }

    /// The inside of a string, and whether there are escapes in it. Halves of surrogate pairs are not looked for.
    mutating func string() -> (inside: Range<Int>, hasEscapes: Bool)? {
        guard takeHere(0x22) else { return nil }
        let start = index
        var hasEscapes = false
        while let byte = next {
            index += 1
            switch byte {
            case 0x22: return (start..<index - 1, hasEscapes)
            case ..<0x20: return nil
            case 0x5C:
                hasEscapes = true
                guard escape() else { return nil }
            default: break
            }
        }
        return nil
    }

    private mutating func escape() -> Bool {
        guard let byte = next else { return false }
        index += 1
        switch byte {
        case 0x22, 0x5C, 0x2F, 0x62, 0x66, 0x6E, 0x72, 0x74: return true
        case 0x75:
            for _ in 0..<4 {
                guard let digit = next, ASCII.hexValue(digit) != nil else { return false }
                index += 1
            }
            return true
        default: return false
        }
    }

    private mutating func takeHere(_ byte: UInt8) -> Bool {
        guard next == byte else { return false }
        index += 1
        return true
    }

    private mutating func digits() -> Bool {
        let start = index
        while let byte = next, ASCII.isDigit(byte) { index += 1 }
        return index > start
    }
}
