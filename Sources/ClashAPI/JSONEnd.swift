// Whether a JSON text that passes by stops in the middle. What is not JSON at all is not its business.
//
// Every forwarded body passes here, so it only counts: brackets outside strings, and where strings end. That is enough to
// see that something must still come, and costs a tenth of reading the tokens.

/// Follows one text, chunk by chunk, in constant memory.
public struct JSONEnd: Sendable {
    private enum Place {
        /// Before the first byte that is no blank.
        case before
        case structure
        case string
        /// Behind a backslash in a string.
        case escape
        /// The document is complete, or what came is no object, list or string.
        case after
    }

    private var place = Place.before
    private var depth = 0

    /// Begins with nothing.
    public init() {}

    /// Whether the text so far is the beginning of a document that must go on.
    public var isInside: Bool {
        switch place {
        case .before, .after: false
        case .structure, .string, .escape: true
        }
    }

    /// Reads the next bytes.
    public mutating func consume(_ chunk: [UInt8]) {
        let bytes = chunk.span
        var at = 0
        while at < bytes.count {
            switch place {
            case .before: begin(bytes, &at)
            case .structure: passStructure(bytes, &at)
            case .string: passString(bytes, &at)
            case .escape:
                place = .string
                at += 1
            case .after: return
            }
        }
    }

    private mutating func begin(_ bytes: Span<UInt8>, _ at: inout Int) {
        switch bytes[at] {
        case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"), UInt8(ascii: "\n"): break
        case UInt8(ascii: "{"), UInt8(ascii: "["): (place, depth) = (.structure, 1)
        case UInt8(ascii: "\""): place = .string
        default: place = .after
        }
        at += 1
    }

    /// On to the next string, or to the end.
    private mutating func passStructure(_ bytes: Span<UInt8>, _ at: inout Int) {
        var depth = depth
        while at < bytes.count {
            let byte = bytes[at]
            at += 1
            if byte == UInt8(ascii: "\"") {
                place = .string
                break
            }
            // Both kinds of brackets differ in this bit only, and no other byte becomes one by it.
            switch byte | 0x20 {
            case UInt8(ascii: "{"): depth += 1
            case UInt8(ascii: "}"): depth -= 1
            default: continue
            }
            if depth == 0 {
                place = .after
                break
            }
        }
        self.depth = depth
    }

    /// On to the end of the string, or behind a backslash, eight bytes at a time.
    private mutating func passString(_ bytes: Span<UInt8>, _ at: inout Int) {
        while at + 8 <= bytes.count {
            let word = UInt64(littleEndian: bytes.bytes.unsafeLoadUnaligned(fromByteOffset: at, as: UInt64.self))
            let found = Self.marks(word, UInt8(ascii: "\"")) | Self.marks(word, UInt8(ascii: "\\"))
            at += found == 0 ? 8 : found.trailingZeroBitCount / 8
            if found != 0 { break }
        }
        while at < bytes.count {
            let byte = bytes[at]
            at += 1
            if byte == UInt8(ascii: "\"") { return place = depth == 0 ? .after : .structure }
            if byte == UInt8(ascii: "\\") { return place = .escape }
        }
    }

    /// The top bit of the first byte of `word` that is `byte`, and perhaps of later ones; zero where none is.
    private static func marks(_ word: UInt64, _ byte: UInt8) -> UInt64 {
        let difference = word ^ (UInt64(byte) &* 0x0101_0101_0101_0101)
        return (difference &- 0x0101_0101_0101_0101) & ~difference & 0x8080_8080_8080_8080
    }
}
