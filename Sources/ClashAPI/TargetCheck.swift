// Refuses request targets that two readers could understand differently, before anything else looks at them,
// and tells whether a target lies below an allowed prefix. The target itself is never changed.

import Ground

/// Why a request target is refused.
package enum TargetDefect: String, Sendable, CaseIterable {
    /// Does not begin with `/`.
    case notOriginForm
    /// A `.` or `..` segment, also escaped or with parameters (`%2e%2e`, `..;x`).
    case dotSegment
    /// `%2F` in the path.
    case encodedSlash
    /// `\` or `%5C` in the path.
    case backslash
    /// A control character or space, raw anywhere or escaped in the path; NUL included.
    case controlByte
    /// A raw byte above 0x7E anywhere.
    case nonASCII
    /// A `%` in the path that is not followed by two hex digits, or an overlong UTF-8 form (`%C0%AF`).
    case badEscape
    /// `#`: fragments are never sent.
    case fragment
}

enum TargetCheck {
    /// The first defect of a target in origin form (RFC 9112 section 3.2.1), or nil.
    static func defect(_ target: Span<UInt8>) -> TargetDefect? {
        guard target.count > 0, target[0] == ASCII.slash else { return .notOriginForm }
        var pathEnd = 0
        while pathEnd < target.count, target[pathEnd] != ASCII.question { pathEnd += 1 }
        for index in 0..<target.count {
            switch target[index] {
            case ...ASCII.space, 0x7F: return .controlByte
            case 0x80...: return .nonASCII
            case ASCII.hash: return .fragment
            default: break
            }
        }
        return pathDefect(target, end: pathEnd)
    }

    /// The first defect of the path alone, of which raw bytes need only be free of what matters to routing.
    static func pathDefect(_ bytes: Span<UInt8>, end: Int) -> TargetDefect? {
        var index = 0
        var segment = DotSegment()
        while index < end {
            let byte = bytes[index]
            switch byte {
            case ASCII.slash:
                if segment.isDots { return .dotSegment }
                segment = DotSegment()
                index += 1
            case ASCII.backslash: return .backslash
            case ASCII.percent:
                if let defect = escapeDefect(bytes, at: index, end: end) { return defect }
                segment.add(PercentEscape.byte(bytes, at: index, end: end) ?? byte)
                index += 3
            default:
                segment.add(byte)
                index += 1
            }
        }
        return segment.isDots ? .dotSegment : nil
    }

    private static func escapeDefect(_ bytes: Span<UInt8>, at index: Int, end: Int) -> TargetDefect? {
        guard let decoded = PercentEscape.byte(bytes, at: index, end: end) else { return .badEscape }
        switch decoded {
        case ASCII.slash: return .encodedSlash
        case ASCII.backslash: return .backslash
        case ..<ASCII.space, 0x7F: return .controlByte
        case 0xC0, 0xC1: return .badEscape
        case 0xE0, 0xF0:
            // Overlong three- and four-byte forms: a lenient decoder would see `/` or `.` in them.
            let second = PercentEscape.byte(bytes, at: index + 3, end: end) ?? 0
            let overlong = decoded == 0xE0 ? 0x80...0x9F : 0x80...0x8F as ClosedRange<UInt8>
            return overlong.contains(second) ? .badEscape : nil
        default: return nil
        }
    }

    /// Whether a path begins with `prefix`, up to a segment boundary. Escaped unreserved characters count as
    /// themselves, letters match in either case; `//` and `;` are no boundaries in front of the prefix's end.
    static func begins(_ target: Span<UInt8>, with prefix: Span<UInt8>) -> Bool {
        var prefixEnd = prefix.count
        while prefixEnd > 0, prefix[prefixEnd - 1] == ASCII.slash { prefixEnd -= 1 }
        var index = 0
        for position in 0..<prefixEnd {
            guard index < target.count, !isEnd(target[index]) else { return false }
            let byte = PercentEscape.nextNormalized(target, &index, end: target.count)
            if ASCII.folded(byte) != ASCII.folded(prefix[position]) { return false }
        }
        return index == target.count || target[index] == ASCII.slash || isEnd(target[index])
    }

    @inline(__always)
    private static func isEnd(_ byte: UInt8) -> Bool { byte == ASCII.question || byte == ASCII.hash }
}

/// Whether the segment read so far, parameters aside, is `.` or `..`.
private struct DotSegment {
    private var dots = 0
    private var hasOther = false
    private var inParameters = false

    var isDots: Bool { !hasOther && (dots == 1 || dots == 2) }

    mutating func add(_ byte: UInt8) {
        if byte == ASCII.semicolon { inParameters = true }
        if inParameters { return }
        if byte == ASCII.dot { dots += 1 } else { hasOther = true }
    }
}
