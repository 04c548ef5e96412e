// Text put together as bytes: log lines and records, of which there is one for each request, without a string for each
// part.

extension [UInt8] {
    /// Appends a literal.
    @inlinable
    package mutating func append(_ text: StaticString) {
        append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// Appends a number in decimal digits, with a sign if it is negative.
    package mutating func append(decimal number: Int) {
        if number < 0 { append(0x2D) }
        append(decimal: UInt64(number.magnitude))
    }

    /// Appends a number in decimal digits.
    package mutating func append(decimal number: UInt64) {
        // 20 digits at most.
        var digits: (UInt64, UInt64, UInt64) = (0, 0, 0)
        Swift.withUnsafeMutableBytes(of: &digits) { room in
            var start = room.count
            var rest = number
            repeat {
                start -= 1
                room[start] = UInt8(ascii: "0") + UInt8(rest % 10)
                rest /= 10
            } while rest > 0
            append(contentsOf: UnsafeRawBufferPointer(rebasing: room[start...]))
        }
    }

    /// Appends a number that is not negative with exactly `digits` digits, the lowest ones.
    package mutating func append(_ number: Int, digits: Int) {
        var divisor = 1
        for _ in 1..<digits { divisor *= 10 }
        while divisor > 0 {
            append(0x30 + UInt8(number / divisor % 10))
            divisor /= 10
        }
    }
}
