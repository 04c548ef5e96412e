// Whether a JSON text that passes by stops in the middle. What is not JSON at all is not its business.
//
// Every forwarded body passes here, so it only counts: brackets outside strings, and where strings end. That is enough to
// see that something must still come, and costs a tenth of reading the tokens.

/// Follows one text, chunk by chunk, in constant memory.
package struct JSONEnd: Sendable {
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
    package init() {}

    /// Whether the text so far is the beginning of a document that must go on.
    package var isInside: Bool {
        switch place {
        case .before, .after: false
        case .structure, .string, .escape: true
        }
    }

    /// Reads the next bytes.
    package mutating func consume(_ chunk: [UInt8]) {
        let bytes = chunk.span
        var at = 0
        while at < bytes.count {
            let end = min(at + Self.blockBytes, bytes.count)
            if depth > 0, end - at == Self.blockBytes,
                pass(bytes.bytes.unsafeLoadUnaligned(fromByteOffset: at, as: SIMD16<UInt8>.self))
            {
                at = end
            }
            while at < end {
                pass(bytes[at])
                at += 1
            }
        }
    }

    private mutating func pass(_ byte: UInt8) {
        switch (place, byte) {
        case (.string, UInt8(ascii: "\"")): place = depth == 0 ? .after : .structure
        case (.string, UInt8(ascii: "\\")): place = .escape
        case (.escape, _): place = .string
        case (.structure, UInt8(ascii: "\"")), (.before, UInt8(ascii: "\"")): place = .string
        case (.structure, UInt8(ascii: "{")), (.structure, UInt8(ascii: "[")): depth += 1
        case (.structure, UInt8(ascii: "}")), (.structure, UInt8(ascii: "]")):
            depth -= 1
            if depth == 0 { place = .after }
        case (.before, UInt8(ascii: "{")), (.before, UInt8(ascii: "[")): (place, depth) = (.structure, 1)
        case (.before, UInt8(ascii: " ")), (.before, UInt8(ascii: "\t")), (.before, UInt8(ascii: "\r")),
            (.before, UInt8(ascii: "\n")):
            break
        case (.before, _): place = .after
        case (.structure, _), (.string, _), (.after, _): break
        }
    }

    private static let blockBytes = 16

    /// Sixteen bytes inside a document at once. False, and nothing has changed, where one of them is a backslash, or may be
    /// the document's last.
    @inline(__always)
    private mutating func pass(_ block: SIMD16<UInt8>) -> Bool {
        if case .escape = place { return false }
        let slashes = Self.halves(block .== SIMD16(repeating: UInt8(ascii: "\\")))
        if slashes[0] | slashes[1] != 0 { return false }
        // Both kinds of brackets differ in this bit only, and no other byte becomes one by it.
        let folded = block | SIMD16(repeating: 0x20)
        let quotes = Self.halves(block .== SIMD16(repeating: UInt8(ascii: "\"")))
        let (opening, closing) = (
            Self.halves(folded .== SIMD16(repeating: UInt8(ascii: "{"))),
            Self.halves(folded .== SIMD16(repeating: UInt8(ascii: "}")))
        )
        var (isString, depth) = (false, depth)
        if case .string = place { isString = true }
        for half in 0..<2 {
            // Each byte says whether it stands in a string: whether the quotes up to it are odd in number.
            var inside = quotes[half]
            inside ^= inside << 8
            inside ^= inside << 16
            inside ^= inside << 32
            if isString { inside = ~inside }
            isString = inside >> 63 == 1
            let closed = Self.count(closing[half] & ~inside)
            guard closed < depth else { return false }
            depth += Self.count(opening[half] & ~inside) - closed
        }
        place = isString ? .string : .structure
        self.depth = depth
        return true
    }

    /// How many of the bytes are all ones.
    private static func count(_ mask: UInt64) -> Int {
        Int(truncatingIfNeeded: ((mask & 0x0101_0101_0101_0101) &* 0x0101_0101_0101_0101) >> 56)
    }

    /// The first and the last eight bytes, each all ones or zero, the first byte lowest.
    private static func halves(_ mask: SIMDMask<SIMD16<Int8>>) -> SIMD2<UInt64> {
        let halves = unsafeBitCast(mask, to: SIMD2<UInt64>.self)
        return SIMD2(halves[0].littleEndian, halves[1].littleEndian)
    }
}
