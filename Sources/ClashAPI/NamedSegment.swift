// The segments of a path as what may name something, for scope and protection.

import Ground

/// A segment of a path that is not empty, parameters aside.
struct NamedSegment {
    /// Without its parameters, escaped unreserved characters decoded.
    let text: String
    /// Whether it stands where an iTwin does.
    let isBehindITwins: Bool
    /// With its parameters, as it was sent.
    private let whole: [UInt8]

    fileprivate init?(_ whole: [UInt8], isBehindITwins: Bool) {
        let bytes = Array(whole.prefix { $0 != ASCII.semicolon })
        guard !bytes.isEmpty else { return nil }
        text = PathScan.text(bytes.span, bytes.indices)
        self.isBehindITwins = isBehindITwins
        self.whole = whole
    }

    /// The ids in it: its own, and those in its parameters.
    var ids: [AnyID] { parts.compactMap { AnyID(plain: IDText.plain($0)) } }

    /// Whether it cannot be told what upstream takes it for: escaped more than once, or an id with parameters, which some
    /// readers leave out and others do not.
    var isAmbiguous: Bool {
        if isEscapedTwice { return true }
        let parts = parts
        return parts.count > 1 && (isBehindITwins || parts.contains { AnyID(plain: IDText.plain($0)) != nil })
    }

    private var parts: [String] {
        let plain = String(decoding: IDText.plain(String(decoding: whole, as: UTF8.self)), as: UTF8.self)
        // Longer than any id.
        guard !plain.isEmpty else { return [text] }
        return plain.split(separator: ";", omittingEmptySubsequences: false).map(String.init)
    }

    private var isEscapedTwice: Bool {
        whole.indices.contains { index in
            PercentEscape.byte(whole.span, at: index, end: whole.count) == ASCII.percent
                && index + 4 < whole.count && ASCII.hexValue(whole[index + 3]) != nil
                && ASCII.hexValue(whole[index + 4]) != nil
        }
    }
}

extension RouteMatch {
    /// All segments of the path in their order.
    func forEachSegment(_ body: (NamedSegment) -> Void) {
        var isBehindITwins = false
        let path = target.utf8.prefix { !PathScan.endsPath($0) }
        for bytes in path.split(separator: ASCII.slash) {
            guard let segment = NamedSegment(Array(bytes), isBehindITwins: isBehindITwins) else { continue }
            body(segment)
            isBehindITwins = ["itwins", "projects"].contains(segment.text.lowercased())
        }
    }
}
