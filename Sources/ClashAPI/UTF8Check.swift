// Whether bytes that come in chunks of any size are UTF-8 (RFC 3629). A body is validated once, before anything reads it:
// readers upstream replace, drop or narrow what is none, and would see other words than we do.

import Ground

/// Checks a stream, and cuts it between characters. Keeps at most three bytes.
struct UTF8Check: Sendable {
    /// What can be read of a chunk.
    struct Checked {
        /// The character that the chunk before has begun, with its end.
        var completed: [UInt8] = []
        /// What follows it in this chunk.
        var valid = 0..<0
        /// What comes next is not UTF-8.
        var isBroken = false
    }

    /// The beginning of a character that the next chunk must end.
    private var begun: [UInt8] = []

    /// Whether the stream so far ends within a character.
    var isInside: Bool { !begun.isEmpty }

    /// The next chunk. Not to be asked again once the stream is broken.
    mutating func check(_ chunk: Span<UInt8>) -> Checked {
        var checked = Checked()
        var start = 0
        if let lead = begun.first {
            while begun.count < Self.length(lead), start < chunk.count {
                begun.append(chunk[start])
                start += 1
            }
            checked.valid = start..<start
            guard begun.count == Self.length(lead) else { return checked }
            guard Self.validCount(begun.span) == begun.count else {
                checked.isBroken = true
                return checked
            }
            swap(&checked.completed, &begun)
        }
        let end = Self.lastBoundary(chunk, from: start)
        let count = Self.validCount(chunk.extracting(start..<end))
        checked.valid = start..<start + count
        checked.isBroken = start + count < end
        if !checked.isBroken { for index in end..<chunk.count { begun.append(chunk[index]) } }
        return checked
    }

    /// Where a character begins that the chunk does not end; its end if there is none.
    private static func lastBoundary(_ chunk: Span<UInt8>, from start: Int) -> Int {
        var index = chunk.count
        while index > start, chunk.count - index < 3 {
            index -= 1
            if chunk[index] < 0x80 { break }
            if chunk[index] >= 0xC0 { return index + length(chunk[index]) > chunk.count ? index : chunk.count }
        }
        return chunk.count
    }

    /// The bytes of a character that begins so; 1 where none does.
    private static func length(_ lead: UInt8) -> Int {
        switch lead {
        case 0xC2...0xDF: 2
        case 0xE0...0xEF: 3
        case 0xF0...0xF4: 4
        default: 1
        }
    }

    /// How many bytes at the beginning are UTF-8.
    private static func validCount(_ bytes: Span<UInt8>) -> Int {
        do throws(UTF8.ValidationError) {
            _ = try UTF8Span(validating: bytes)
            return bytes.count
        } catch {
            return error.byteOffsets.lowerBound
        }
    }
}
