// Bytes as the protocols here spell them. Nothing in this file allocates; what is called for each byte of a message is
// inlinable, so that the rooms above pay no call.

/// ASCII characters as bytes.
@usableFromInline
package enum ASCII {
    /// A space or a tab: the optional whitespace of RFC 9110 section 5.6.3.
    @inlinable @inline(__always)
    package static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    /// 0 to 9.
    @inlinable @inline(__always)
    package static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }

    /// The byte with A–Z made lower case.
    @inlinable @inline(__always)
    package static func folded(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }

    /// The value of a hex digit of either case; nil for any other byte.
    @inlinable @inline(__always)
    package static func hexValue(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte &- 0x30
        case 0x41...0x46: byte &- 0x37
        case 0x61...0x66: byte &- 0x57
        default: nil
        }
    }
}

extension Span<UInt8> {
    /// The range without spaces and tabs at both ends.
    @inlinable
    package func trimmed(_ range: Range<Int>) -> Range<Int> {
        var low = range.lowerBound
        var high = range.upperBound
        while low < high, ASCII.isBlank(self[low]) { low += 1 }
        while low < high, ASCII.isBlank(self[high - 1]) { high -= 1 }
        return low..<high
    }

    /// Whether the bytes in this range spell the word, which is in lower case, in any case.
    @inlinable
    package func spells(_ word: String, in range: Range<Int>) -> Bool {
        let letters = word.utf8
        guard range.count == letters.count else { return false }
        var index = range.lowerBound
        for letter in letters {
            guard ASCII.folded(self[index]) == letter else { return false }
            index += 1
        }
        return true
    }

    /// The number that exactly `digits` digits spell from `start`; nil if there are not so many. At most 18.
    package func number(digits: Int, at start: Int) -> Int? {
        guard start + digits <= count else { return nil }
        var value = 0
        for index in start..<start + digits {
            guard ASCII.isDigit(self[index]) else { return nil }
            value = value * 10 + Int(self[index] &- 0x30)
        }
        return value
    }
}

extension BidirectionalCollection<UInt8> {
    /// Without spaces and tabs at both ends.
    @inlinable
    package var trimmedBlanks: SubSequence {
        var low = startIndex
        var high = endIndex
        while low < high, ASCII.isBlank(self[low]) { low = index(after: low) }
        while low < high {
            let before = index(before: high)
            if !ASCII.isBlank(self[before]) { break }
            high = before
        }
        return self[low..<high]
    }
}

extension Substring {
    /// Without spaces and tabs at both ends.
    package var trimmedBlanks: Substring { Substring(utf8.trimmedBlanks) }
}

extension String {
    /// Without spaces and tabs at both ends.
    package var trimmedBlanks: Substring { Substring(utf8.trimmedBlanks) }
}
