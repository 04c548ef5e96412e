// Reads a target's path as the segments that the operation table is about, without changing or copying it.
// Empty segments are skipped and `;parameters` left out, so that `//`, a trailing slash or `;x` hide nothing.

import Ground

/// One non-empty segment of a path: the bytes before its parameters, and the table's word they spell.
struct PathSegment: Sendable, BitwiseCopyable {
    var start: Int32 = 0
    var end: Int32 = 0
    /// Index into `Vocabulary`, or `Vocabulary.noWord`.
    var word: UInt8 = PathVocabulary.noWord

    var range: Range<Int> { Int(start)..<Int(end) }
}

/// The segments of one path. Paths longer than anything in the table are only counted beyond the capacity.
struct PathScan {
    static let capacity = 8

    private(set) var segments = InlineArray<8, PathSegment>(repeating: PathSegment())
    /// All non-empty segments, also those beyond the capacity.
    private(set) var count = 0

    init(_ target: Span<UInt8>, vocabulary: PathVocabulary) {
        var index = 0
        while index < target.count, !PathScan.endsPath(target[index]) {
            if target[index] == ASCII.slash {
                index += 1
                continue
            }
            let start = index
            var end = -1
            while index < target.count, target[index] != ASCII.slash, !PathScan.endsPath(target[index]) {
                if end < 0, target[index] == ASCII.semicolon { end = index }
                index += 1
            }
            if end < 0 { end = index }
            if end == start { continue }
            if count < PathScan.capacity {
                segments[count] = PathSegment(
                    start: Int32(truncatingIfNeeded: start), end: Int32(truncatingIfNeeded: end),
                    word: vocabulary.word(target, start..<end))
            }
            count += 1
        }
    }

    @inline(__always)
    static func endsPath(_ byte: UInt8) -> Bool { byte == ASCII.question || byte == ASCII.hash }

    /// The bytes of a segment as text, escaped unreserved characters decoded, case kept.
    static func text(_ target: Span<UInt8>, _ range: Range<Int>) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(range.count)
        var index = range.lowerBound
        while index < range.upperBound {
            bytes.append(PercentEscape.nextNormalized(target, &index, end: range.upperBound))
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Whether the path contains a word of destruction: `deletion`, or where `loosely` anything near it. Asked of
    /// unknown operations only, since an id may contain one by chance.
    static func soundsLikeDeletion(_ target: Span<UInt8>, loosely: Bool) -> Bool {
        var window: UInt64 = 0
        var index = 0
        while index < target.count, !endsPath(target[index]) {
            let byte = ASCII.folded(PercentEscape.nextNormalized(target, &index, end: target.count))
            window = window << 8 | UInt64(byte)
            if window == deletion { return true }
            guard loosely else { continue }
            let lastFive = window & 0xFF_FFFF_FFFF
            if lastFive == delet || lastFive == remov || lastFive == purge { return true }
        }
        return false
    }

    private static let deletion: UInt64 = 0x6465_6C65_7469_6F6E
    private static let delet: UInt64 = 0x64_656C_6574
    private static let remov: UInt64 = 0x72_656D_6F76
    private static let purge: UInt64 = 0x70_7572_6765
}

/// The literal path segments of the table, numbered.
struct PathVocabulary: Sendable {
    static let noWord: UInt8 = 255

    private let words: [[UInt8]]

    init(_ words: [String]) {
        self.words = words.map { $0.utf8.map(ASCII.folded) }
    }

    func index(of word: String) -> UInt8 {
        words.firstIndex(of: word.utf8.map(ASCII.folded)).map { UInt8($0) } ?? PathVocabulary.noWord
    }

    /// Which word the segment spells, in whatever case and with whatever unreserved characters escaped.
    func word(_ target: Span<UInt8>, _ range: Range<Int>) -> UInt8 {
        for index in words.indices where spells(target, range, words[index]) {
            return UInt8(index)
        }
        return PathVocabulary.noWord
    }

    private func spells(_ target: Span<UInt8>, _ range: Range<Int>, _ word: [UInt8]) -> Bool {
        // An escape takes three bytes for one.
        guard range.count >= word.count, range.count <= word.count * 3 else { return false }
        var index = range.lowerBound
        for expected in word {
            guard index < range.upperBound else { return false }
            if ASCII.folded(PercentEscape.nextNormalized(target, &index, end: range.upperBound)) != expected {
                return false
            }
        }
        return index == range.upperBound
    }
}
