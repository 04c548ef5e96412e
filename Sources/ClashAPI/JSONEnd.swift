// Whether a JSON text that passes by stops in the middle. What is not JSON at all is not its business.
//
// Every forwarded body passes here, so it only counts: brackets outside strings, and where strings end. That is enough to
// see that something must still come, and costs a fiftieth of reading the tokens.

import CGround

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
        chunk.withUnsafeBytes { bytes in
            var at = 0
            while at < bytes.count {
                let end = min(at + Self.blockBytes, bytes.count)
                if depth > 0, end - at == Self.blockBytes, let start = bytes.baseAddress,
                    pass(cground_mark_json(start + at))
                {
                    at = end
                }
                while at < end {
                    pass(bytes[at])
                    at += 1
                }
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

    private static let blockBytes = 64

    /// Sixty-four bytes inside a document at once, as simdjson does it. False, and nothing has changed, where one of them is a
    /// backslash outside a string, or may be the document's last.
    @inline(__always)
    private mutating func pass(_ marks: cground_json_marks) -> Bool {
        var (endsInEscape, startsInString) = (false, false)
        switch place {
        case .escape: (endsInEscape, startsInString) = (true, true)
        case .string: startsInString = true
        case .before, .structure, .after: break
        }
        var quotes = marks.quotes
        if endsInEscape || marks.backslashes != 0 { quotes &= ~Self.escaped(by: marks.backslashes, &endsInEscape) }
        // Each bit says whether its byte stands in a string: whether the quotes up to it are odd in number.
        var inside = quotes
        for distance: UInt64 in [1, 2, 4, 8, 16, 32] { inside ^= inside &<< distance }
        if startsInString { inside = ~inside }
        let closed = Self.count(marks.closing & ~inside)
        guard closed < depth, marks.backslashes & ~inside == 0 else { return false }
        depth += Self.count(marks.opening & ~inside) - closed
        place = endsInEscape ? .escape : inside >> 63 == 1 ? .string : .structure
        return true
    }

    /// How many bits are set, where they are few: without a processor's own instruction counting them all costs more.
    private static func count(_ bits: UInt64) -> Int {
        var (bits, count) = (bits, 0)
        while bits != 0 {
            bits &= bits &- 1
            count += 1
        }
        return count
    }

    /// The bytes that stand behind a backslash that is not itself escaped.
    ///
    /// - Parameter carries: whether the byte before these is such a backslash; whether the last of these is.
    private static func escaped(by backslashes: UInt64, _ carries: inout Bool) -> UInt64 {
        let even: UInt64 = 0x5555_5555_5555_5555
        let escapedFirst: UInt64 = carries ? 1 : 0
        let backslashes = backslashes & ~escapedFirst
        let follows = backslashes &<< 1 | escapedFirst
        // A run of backslashes escapes what follows it where its length is odd: adding carries a bit through the run, and
        // where the run began says whether the bit arrives at an odd or an even place.
        let oddStarts = backslashes & ~even & ~follows
        let (sum, overflow) = oddStarts.addingReportingOverflow(backslashes)
        carries = overflow
        return (even ^ (sum &<< 1)) & follows
    }
}
