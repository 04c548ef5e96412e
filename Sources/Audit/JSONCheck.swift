// Whether bytes are one JSON document (RFC 8259), strictly: a snapshot goes into a record as it stands only if nothing
// in it can end the record early. Nesting is limited, because the check is recursive.

struct JSONCheck {
    private static let depthLimit = 128

    private let bytes: [UInt8]
    private var index = 0

    /// True for an object or array that is valid UTF-8 and valid JSON, with nothing but white space around it.
    static func isContainer(_ bytes: [UInt8]) -> Bool {
        guard String(validating: bytes, as: UTF8.self) != nil else { return false }
        var check = JSONCheck(bytes: bytes)
        check.skipSpace()
        guard let first = check.peek, first == 0x7B || first == 0x5B, check.value(depth: 0) else { return false }
        check.skipSpace()
        return check.index == bytes.count
    }

    private init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    private var peek: UInt8? { index < bytes.count ? bytes[index] : nil }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard peek == byte else { return false }
        index += 1
        return true
    }

    private mutating func skipSpace() {
        while let byte = peek, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { index += 1 }
    }

    private mutating func value(depth: Int) -> Bool {
        guard depth < Self.depthLimit else { return false }
        switch peek {
        case 0x7B: return object(depth: depth)
        case 0x5B: return array(depth: depth)
        case 0x22: return string()
        case 0x74: return word("true")
        case 0x66: return word("false")
        case 0x6E: return word("null")
        default: return number()
        }
    }

    private mutating func object(depth: Int) -> Bool {
        index += 1
        skipSpace()
        if take(0x7D) { return true }
        while true {
            skipSpace()
            guard peek == 0x22, string() else { return false }
            skipSpace()
            guard take(0x3A) else { return false }
            skipSpace()
            guard value(depth: depth + 1) else { return false }
            skipSpace()
            if take(0x7D) { return true }
            guard take(0x2C) else { return false }
        }
    }

    private mutating func array(depth: Int) -> Bool {
        index += 1
        skipSpace()
        if take(0x5D) { return true }
        while true {
            skipSpace()
            guard value(depth: depth + 1) else { return false }
            skipSpace()
            if take(0x5D) { return true }
            guard take(0x2C) else { return false }
        }
    }

    private mutating func string() -> Bool {
        index += 1
        while let byte = peek {
            index += 1
            switch byte {
            case 0x22: return true
            case ..<0x20: return false
            case 0x5C:
                guard escape() else { return false }
            default: break
            }
        }
        return false
    }

    private mutating func escape() -> Bool {
        guard let byte = peek else { return false }
        index += 1
        switch byte {
        case 0x22, 0x5C, 0x2F, 0x62, 0x66, 0x6E, 0x72, 0x74: return true
        case 0x75:
            for _ in 0..<4 {
                guard let digit = peek, Self.isHexDigit(digit) else { return false }
                index += 1
            }
            return true
        default: return false
        }
    }

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        byte &- 0x30 < 10 || (byte | 0x20) &- 0x61 < 6
    }

    private mutating func word(_ text: StaticString) -> Bool {
        let length = text.utf8CodeUnitCount
        guard index + length <= bytes.count else { return false }
        let matches = text.withUTF8Buffer { bytes[index..<index + length].elementsEqual($0) }
        index += length
        return matches
    }

    private mutating func number() -> Bool {
        _ = take(0x2D)
        if !take(0x30), !digits() { return false }
        if take(0x2E), !digits() { return false }
        if take(0x65) || take(0x45) {
            if !take(0x2B) { _ = take(0x2D) }
            if !digits() { return false }
        }
        return true
    }

    private mutating func digits() -> Bool {
        let start = index
        while let byte = peek, byte &- 0x30 < 10 { index += 1 }
        return index > start
    }
}
