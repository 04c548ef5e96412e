// Entity tags as bytes (RFC 9110, 8.8.3): where their opaque part stands and whether two of them agree.

import Ground

struct EntityTag {
    /// What stands between the quotes.
    let opaque: Range<Int>
    let isWeak: Bool

    /// The tag that begins at `index`, which is moved behind it; nil, and `index` as it was, if none begins there.
    init?(_ bytes: Span<UInt8>, at index: inout Int, end: Int) {
        var start = index
        isWeak = start + 1 < end && bytes[start] == UInt8(ascii: "W") && bytes[start + 1] == UInt8(ascii: "/")
        if isWeak { start += 2 }
        guard start < end, bytes[start] == FieldSyntax.quote else { return nil }
        var close = start + 1
        while close < end, bytes[close] != FieldSyntax.quote { close += 1 }
        guard close < end else { return nil }
        opaque = start + 1..<close
        index = close + 1
    }

    /// The tag that all these bytes are, or nil.
    init?(whole bytes: Span<UInt8>) {
        let range = bytes.trimmed(0..<bytes.count)
        var index = range.lowerBound
        self.init(bytes, at: &index, end: range.upperBound)
        guard index == range.upperBound, opaque.allSatisfy({ Self.mayStand(bytes[$0]) }) else { return nil }
    }

    private static func mayStand(_ byte: UInt8) -> Bool { byte > 0x20 && byte != 0x7F }

    /// Whether both have the same characters between the quotes: the weak comparison (RFC 9110, 8.8.3.2).
    func hasSameOpaque(_ bytes: Span<UInt8>, as other: EntityTag, in otherBytes: Span<UInt8>) -> Bool {
        guard opaque.count == other.opaque.count else { return false }
        let offset = other.opaque.lowerBound - opaque.lowerBound
        return opaque.allSatisfy { bytes[$0] == otherBytes[$0 + offset] }
    }
}
