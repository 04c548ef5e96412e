// The paths that this proxy keeps to itself, in whatever spelling: nothing below them is ever forwarded.

extension RouteMatch {
    /// The folded segments below `/_proxy`, parameters left out; nil for a target that is not there.
    package var ownPath: [String]? {
        var segments: [String] = []
        forEachSegment { text, _ in segments.append(text.lowercased()) }
        return segments.first == "_proxy" ? Array(segments.dropFirst()) : nil
    }
}
