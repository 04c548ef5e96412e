// The paths that this proxy keeps to itself, in whatever spelling: nothing below them is ever forwarded.

import Ground

extension RouteMatch {
    /// The folded segments below `/_proxy`, parameters left out; nil for a target that is not there.
    package var ownPath: [String]? {
        let utf8 = target.utf8
        guard Self.isOwn(utf8.span) else { return nil }
        var segments: [String] = []
        forEachSegment { segments.append($0.text.lowercased()) }
        return Array(segments.dropFirst())
    }

    /// Whether the first segment is `_proxy`. Asked of every call, so it makes nothing.
    private static func isOwn(_ target: Span<UInt8>) -> Bool {
        var index = 0
        while index < target.count, target[index] == ASCII.slash || target[index] == ASCII.semicolon {
            // A segment of parameters alone is none.
            while index < target.count, target[index] != ASCII.slash { index += 1 }
            index += 1
        }
        for letter in "_proxy".utf8 {
            guard index < target.count,
                ASCII.folded(PercentEscape.nextNormalized(target, &index, end: target.count)) == letter
            else { return false }
        }
        return index == target.count || target[index] == ASCII.slash || target[index] == ASCII.semicolon
            || PathScan.endsPath(target[index])
    }
}
