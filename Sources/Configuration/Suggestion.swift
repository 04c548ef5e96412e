// "Did you mean …": the nearest known word, or none when nothing is near enough to help.

/// Finds what was meant by a word that is not known.
package enum Words {
    /// The nearest of `candidates`; nil when none is near enough to help.
    package static func nearest(to word: String, among candidates: [String]) -> String? {
        Suggestion.nearest(to: word, among: candidates)
    }
}

enum Suggestion {
    /// The nearest of `candidates` within a third of the length (at least 1); case and `-` for `_` count nothing.
    static func nearest(to word: String, among candidates: some Sequence<String>) -> String? {
        let word = folded(word)
        let limit = max(1, word.count / 3)
        var best: (candidate: String, distance: Int)?
        for candidate in candidates {
            let distance = distance(word, folded(candidate))
            if distance <= limit, distance < best?.distance ?? .max { best = (candidate, distance) }
        }
        return best?.candidate
    }

    private static func folded(_ word: String) -> [UInt8] {
        word.lowercased().utf8.map { $0 == UInt8(ascii: "-") ? UInt8(ascii: "_") : $0 }
    }

    /// Optimal string alignment: insert, remove, replace, or swap two neighbours.
    static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        // Beyond this length nobody mistyped a key.
        guard left.count <= 100, right.count <= 100 else { return .max }
        var beforeLast: [Int] = []
        var last = Array(0...right.count)
        for row in 0..<left.count {
            var current = [row + 1]
            for column in 0..<right.count {
                let replaced = last[column] + (left[row] == right[column] ? 0 : 1)
                var cost = min(replaced, last[column + 1] + 1, current[column] + 1)
                if row > 0, column > 0, left[row] == right[column - 1], left[row - 1] == right[column] {
                    cost = min(cost, beforeLast[column - 1] + 1)
                }
                current.append(cost)
            }
            (beforeLast, last) = (last, current)
        }
        return last[right.count]
    }
}
