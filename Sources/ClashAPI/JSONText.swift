// JSON strings as text: collecting one that comes in parts, undoing its escapes, and writing one.

/// Collects the parts of a key, string or number up to a limit.
struct JSONTextReader: Sendable {
    private(set) var bytes: [UInt8] = []
    private(set) var overflowed = false
    private var isOpen = false
    private var hasEscapes = false
    private let limit: Int

    init(limit: Int) {
        self.limit = limit
    }

    /// Adds a part; true when the token is complete.
    mutating func add(_ text: JSONScanner.Text, in chunk: Span<UInt8>) -> Bool {
        if !isOpen {
            bytes.removeAll(keepingCapacity: true)
            overflowed = false
            isOpen = true
        }
        hasEscapes = text.hasEscapes
        if overflowed || text.range.count > limit - bytes.count {
            overflowed = true
        } else {
            bytes.append(chunk, text.range)
        }
        if text.isComplete { isOpen = false }
        return text.isComplete
    }

    /// Whether a token that starts and ends in this chunk can be read where it stands.
    @inline(__always)
    func isPlain(_ text: JSONScanner.Text) -> Bool { text.isComplete && !isOpen && !text.hasEscapes }

    /// The token with its escapes undone; nil if it was too long or has an escape that means no character.
    func decoded() -> [UInt8]? {
        if overflowed { return nil }
        return hasEscapes ? JSONEscapes.decode(bytes) : bytes
    }

    func decodedString() -> String? {
        decoded().map { String(decoding: $0, as: UTF8.self) }
    }
}

enum JSONEscapes {
    /// The string with its (valid) escapes undone, as UTF-8; nil where surrogates do not pair up.
    static func decode(_ bytes: [UInt8]) -> [UInt8]? {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(bytes.count)
        var index = 0
        while index < bytes.count {
            guard bytes[index] == ASCII.backslash else {
                decoded.append(bytes[index])
                index += 1
                continue
            }
            guard index + 1 < bytes.count else { return nil }
            if bytes[index + 1] == 0x75 {
                guard let scalar = scalar(bytes, &index) else { return nil }
                decoded.append(contentsOf: UTF8.encode(scalar) ?? UTF8.EncodedScalar())
            } else {
                decoded.append(character(bytes[index + 1]))
                index += 2
            }
        }
        return decoded
    }

    /// Appends text as the inside of a JSON string.
    static func append(_ bytes: [UInt8], to out: inout [UInt8]) {
        for byte in bytes {
            switch byte {
            case ASCII.quote, ASCII.backslash: out.append(contentsOf: [ASCII.backslash, byte])
            case ..<0x20:
                out.append(contentsOf: "\\u00".utf8)
                out.append(hexDigit(byte >> 4))
                out.append(hexDigit(byte & 15))
            default: out.append(byte)
            }
        }
    }

    private static func hexDigit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x57 + value }

    private static func character(_ escape: UInt8) -> UInt8 {
        switch escape {
        case 0x62: 0x08
        case 0x66: 0x0C
        case 0x6E: 0x0A
        case 0x72: 0x0D
        case 0x74: 0x09
        default: escape
        }
    }

    /// The character of the `\u` escape (or pair of them) at `index`, which is moved behind it.
    private static func scalar(_ bytes: [UInt8], _ index: inout Int) -> Unicode.Scalar? {
        guard let first = unit(bytes, at: index) else { return nil }
        index += 6
        guard 0xD800...0xDBFF ~= first else { return Unicode.Scalar(first) }
        guard let second = unit(bytes, at: index), 0xDC00...0xDFFF ~= second else { return nil }
        index += 6
        return Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
    }

    private static func unit(_ bytes: [UInt8], at index: Int) -> UInt32? {
        guard index + 6 <= bytes.count, bytes[index] == ASCII.backslash, bytes[index + 1] == 0x75 else { return nil }
        var unit: UInt32 = 0
        for digit in bytes[index + 2..<index + 6] {
            guard let value = ASCII.hexValue(digit) else { return nil }
            unit = unit << 4 | UInt32(value)
        }
        return unit
    }
}

extension [UInt8] {
    /// Appends part of a span in one copy.
    mutating func append(_ span: Span<UInt8>, _ range: Range<Int>) {
        guard !range.isEmpty else { return }
        span.extracting(range).withUnsafeBufferPointer { append(contentsOf: $0) }
    }
}
